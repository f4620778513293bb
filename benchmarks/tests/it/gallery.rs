//! The gallery in `docs/gallery`: page and figures of the mini suites, whose tests have computed the records anyway.
//! `cargo xtask gallery` writes it; otherwise it is compared, byte for byte.

use crate::command::{nemesis, told};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What the gallery shows of a folder of records: a page with this name, and figures.
pub(crate) fn shows(folder: &Path, page: &str) {
    let gallery = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gallery");
    let writes = std::env::var("XTASK_GALLERY").is_ok_and(|value| value == "write");
    let mut stale = Vec::new();
    for (name, file) in drawn(folder, page) {
        let (ours, kept) = (fs::read(file).unwrap(), gallery.join(&name));
        if writes {
            fs::create_dir_all(&gallery).unwrap();
            fs::write(kept, ours).unwrap();
        } else if fs::read(kept).ok().as_ref() != Some(&ours) {
            stale.push(name);
        }
    }
    assert!(stale.is_empty(), "docs/gallery is not current: {stale:?}; `cargo xtask gallery` writes it");
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
    for entry in fs::read_dir(folder.join("figures")).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap();
        // The names of parts of a suite end in a hash of what was asked.
        let name = regex::Regex::new("-[0-9a-f]{6}(-|\\.)").unwrap().replace(name, "$1").into_owned();
        files.insert(name, file);
    }
    files
}
