//! What the modules may know of each other, as far as a text search tells.

use std::fs;
use std::path::{Path, PathBuf};

/// What computes must not know: what can be mended without changing a result.
const OUTSIDE: [&str; 6] = ["record", "plugin", "interchange", "yaml", "json", "engine"];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// What may look inside of CLIP: what trains one, and what compares our values and times with others'.
const INSIDERS: [&str; 3] = ["mini", "parity", "peer"];

/// The lines of a source that are no comments.
fn code(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn nothing_outside_of_the_backbones_names_a_family_of_them() {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in [ours.join("src"), ours.join("../benchmarks/src")] {
        sources(&folder, &mut files);
    }
    let insider = |path: &Path| path.iter().any(|part| INSIDERS.iter().any(|name| part == *name));
    files.retain(|file| !file.starts_with(ours.join("src/compute/backbone")) && !insider(file));
    assert!(files.len() > 100, "{}", files.len());
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let words = |line: &str| -> Vec<String> {
            line.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
        };
        let found = code(&source).find(|line| words(line).iter().any(|word| word == "Clip"));
        assert!(found.is_none(), "{} names `Clip`: {}", file.display(), found.unwrap());
        let mean = code(&source).find(|line| line.contains("0.481") || line.contains("clip::preprocess"));
        assert!(mean.is_none(), "{} presumes CLIP's preprocessing: {}", file.display(), mean.unwrap());
    }
}

#[test]
fn what_computes_knows_nothing_of_records_plugins_and_files_of_settings() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/compute"), &mut files);
    assert!(files.len() > 30, "{}", files.len());
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let code: Vec<&str> = code(&source).collect();
        for module in OUTSIDE {
            let named = format!("crate::{module}");
            let found = code.iter().find(|line| line.contains(&named));
            assert!(found.is_none(), "{} knows `{module}`: {}", file.display(), found.unwrap());
        }
    }
}
