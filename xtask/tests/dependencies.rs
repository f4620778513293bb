//! Every dependency that a package declares occurs in its sources.

use std::fs;
use std::path::{Path, PathBuf};

/// Packages whose library has another name than the package.
const OTHERWISE_NAMED: [(&str, &str); 1] = [("md-5", "md5")];

/// Folders that hold no sources of ours.
const PASSED_OVER: [&str; 3] = ["target", ".libtorch", ".git"];

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !PASSED_OVER.iter().any(|name| path.ends_with(name)) {
            walk(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

/// The dependencies that a manifest declares, in every section of them.
fn declared(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut within = false;
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            within = section.trim_end_matches(']').ends_with("dependencies");
        } else if within && !line.starts_with([' ', '#', '}', ']']) {
            let name = line.split(['.', '=', ' ']).next().unwrap();
            if !name.is_empty() {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// Whether the sources name a library as a word of its own.
fn names(source: &str, library: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    source
        .match_indices(library)
        .any(|(start, _)| !source[..start].ends_with(joins) && !source[start + library.len()..].starts_with(joins))
}

#[test]
fn every_dependency_is_named_in_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let sources: Vec<(PathBuf, String)> = files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| (file.clone(), fs::read_to_string(file).unwrap()))
        .collect();
    let manifests: Vec<&PathBuf> = files.iter().filter(|file| file.ends_with("Cargo.toml")).collect();
    assert!(manifests.len() > 10, "{manifests:?}");
    let mut idle = Vec::new();
    for manifest in manifests {
        let folder = manifest.parent().unwrap();
        let text = fs::read_to_string(manifest).unwrap();
        if !sources.iter().any(|(file, _)| file.starts_with(folder)) {
            continue;
        }
        // What the workspace declares is for its packages.
        let own = |file: &Path| {
            fs::canonicalize(folder).unwrap() == fs::canonicalize(&root).unwrap() || file.starts_with(folder)
        };
        for name in declared(&text) {
            let other = OTHERWISE_NAMED.iter().find(|(package, _)| *package == name);
            let library = other.map_or_else(|| name.replace('-', "_"), |(_, library)| (*library).to_owned());
            if !sources.iter().any(|(file, source)| own(file) && names(source, &library)) {
                idle.push(format!("{}: {name}", manifest.display()));
            }
        }
    }
    assert!(idle.is_empty(), "declared and never named:\n{}", idle.join("\n"));
}

#[test]
fn sections_and_names_are_told_apart() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na-b.workspace = true\nc = \"1\"\n\n[dev-dependencies]\n# d\nd = { path = \"..\" }\n[lints]\nworkspace = true\n";
    assert_eq!(declared(manifest), ["a-b", "c", "d"]);
    assert!(names("use a_b::c;", "a_b"));
    assert!(!names("use a_bc::c;", "a_b"));
    assert!(!names("use xa_b::c;", "a_b"));
}
