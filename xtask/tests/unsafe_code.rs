//! Unsafe code stands at the borders alone.

use std::fs;
use std::path::{Path, PathBuf};

/// Where unsafe code may stand: the C interface on both of its sides and the forks that run plugins, maps of files, and
/// Python's tensors.
const BORDERS: [&str; 7] = [
    "nemesis-core/abi/src",
    "nemesis-core/sdk/src/border",
    "nemesis-core/src/plugin",
    "nemesis-core/src/pool/part.rs",
    "nemesis-core/tests/faulty/src",
    "python/src/border.rs",
    "xtask/tests/unsafe_code.rs",
];

/// Crates with such a border cannot forbid unsafe code as a whole. Methods are held to it by this test: what stands in
/// their sources is part of the ids of their cells.
const WITHOUT_FORBID: [&str; 7] = [
    "methods",
    "nemesis-core/src",
    "nemesis-core/abi",
    "nemesis-core/sdk/src",
    "nemesis-core/sdk/template",
    "nemesis-core/tests/faulty",
    "python",
];

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether a source uses the word outside of comments and texts.
fn uses_unsafe(source: &str) -> bool {
    let code = source.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).any(|word| word == "unsafe")
}

#[test]
fn unsafe_code_stands_at_the_borders_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let mut files = Vec::new();
    walk(&root, &mut files);
    assert!(files.len() > 300, "{}", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap();
        let source = fs::read_to_string(&file).unwrap();
        if uses_unsafe(&source) && !BORDERS.iter().any(|border| name.starts_with(border)) {
            wrong.push(format!("{} has unsafe code", name.display()));
        }
        let is_root = name.ends_with("src/lib.rs") || name.ends_with("src/main.rs");
        let may_lack = WITHOUT_FORBID.iter().any(|place| name.starts_with(place));
        if is_root && !may_lack && !source.contains("#![forbid(unsafe_code)]") {
            wrong.push(format!("{} lacks #![forbid(unsafe_code)]", name.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn words_are_told_from_parts_of_words() {
    assert!(uses_unsafe("let a = unsafe { b() };"));
    assert!(uses_unsafe("#[unsafe(no_mangle)]"));
    assert!(!uses_unsafe("#![forbid(unsafe_code)] // unsafe"));
}
