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

#[test]
fn what_computes_knows_nothing_of_records_plugins_and_files_of_settings() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/compute"), &mut files);
    assert!(files.len() > 30, "{}", files.len());
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for module in OUTSIDE {
            let named = format!("crate::{module}");
            let found = code.iter().find(|line| line.contains(&named));
            assert!(found.is_none(), "{} knows `{module}`: {}", file.display(), found.unwrap());
        }
    }
}
