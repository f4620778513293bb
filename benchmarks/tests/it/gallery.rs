//! The gallery in `docs/gallery`: page and figures of the mini suites, whose tests have computed the records anyway.
//! `cargo xtask gallery` writes it; otherwise it is compared, byte for byte.

use crate::command::{nemesis, told};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The pages, each with its figures from a test of its own.
const PAGES: [&str; 2] = ["few-shot", "suites"];

/// What the tests that have ended have drawn, by page.
static DRAWN: Mutex<BTreeMap<String, BTreeSet<String>>> = Mutex::new(BTreeMap::new());

/// What the gallery shows of a folder of records: a page with this name, and figures.
pub(crate) fn shows(folder: &Path, page: &str) {
    let gallery = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gallery");
    let writes = std::env::var("XTASK_GALLERY").is_ok_and(|value| value == "write");
    let mut stale = Vec::new();
    let drawn = drawn(folder, page);
    let names: BTreeSet<String> = drawn.keys().cloned().collect();
    for (name, file) in drawn {
        let (mut ours, kept) = (fs::read(file).unwrap(), gallery.join(&name));
        if Path::new(&name).extension().is_some_and(|extension| extension == "html") {
            ours = without_hashes(String::from_utf8(ours).unwrap()).into_bytes();
        }
        if writes {
            fs::create_dir_all(&gallery).unwrap();
            fs::write(kept, ours).unwrap();
        } else if fs::read(kept).ok().as_ref() != Some(&ours) {
            stale.push(name);
        }
    }
    assert!(stale.is_empty(), "docs/gallery is not current: {stale:?}; `cargo xtask gallery` writes it");
    let surplus = surplus(&gallery, page, names);
    if writes {
        for name in &surplus {
            fs::remove_file(gallery.join(name)).unwrap();
        }
    } else {
        assert!(surplus.is_empty(), "nothing draws {surplus:?} in docs/gallery; `cargo xtask gallery` removes it");
    }
}

/// The files of the gallery that belong to no page, as soon as it is known what all of them have drawn.
fn surplus(gallery: &Path, page: &str, names: BTreeSet<String>) -> Vec<String> {
    assert!(PAGES.contains(&page), "{page}");
    let mut drawn = DRAWN.lock().unwrap();
    drawn.insert(page.to_owned(), names);
    if drawn.len() < PAGES.len() {
        return Vec::new();
    }
    let kept = fs::read_dir(gallery).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    kept.filter(|name| name != "README.md" && !drawn.values().any(|names| names.contains(name))).collect()
}

/// The names of parts of a suite end in a hash of what was asked, which any new option changes.
fn without_hashes(mut page: String) -> String {
    let named = regex::Regex::new("\"name\":\"([^\"]*)-[0-9a-f]{6}\"").unwrap();
    let names: Vec<(String, String)> = (named.captures_iter(&page))
        .map(|found| (found[0].trim_start_matches("\"name\":").trim_matches('"').to_owned(), found[1].to_owned()))
        .collect();
    for (whole, part) in names {
        page = page.replace(&whole, &part);
    }
    page
}

/// The files of the page and of each figure, by their names in the gallery.
fn drawn(folder: &Path, page: &str) -> BTreeMap<String, PathBuf> {
    let page = format!("{page}.html");
    let draw = |arguments: &[&str]| {
        let output = nemesis(folder, arguments).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
    };
    draw(&["report", "--html", &page, "--without-cells"]);
    draw(&["figure", "--format", "png", "--dpi", "120", "--to", "figures"]);
    let mut files = BTreeMap::from([(page.clone(), folder.join(&page))]);
    let hash = regex::Regex::new("-[0-9a-f]{6}(-|\\.)").unwrap();
    for entry in fs::read_dir(folder.join("figures")).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap();
        let name = hash.replace(name, "$1").into_owned();
        files.insert(name, file);
    }
    files
}
