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

/// A source without its comments, and with nothing in its texts: libraries have names such as `object` and `regex`, which
/// occur there as words.
fn code(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let is_in_word = code.ends_with(is_of_word);
        let length = match c {
            '/' if rest.starts_with("//") => Some(rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => Some(comment(rest)),
            '"' => Some(text(rest)),
            'r' if !is_in_word => raw_text(&rest[1..]).map(|length| 1 + length),
            'b' | 'c' if !is_in_word && rest[1..].starts_with('r') => raw_text(&rest[2..]).map(|length| 2 + length),
            '\'' => character(rest),
            _ => None,
        };
        // What was on either side of it stays apart.
        code.push(if length.is_some() { ' ' } else { c });
        rest = &rest[length.unwrap_or(c.len_utf8())..];
    }
    code
}

/// The length of a comment that may hold others.
fn comment(source: &str) -> usize {
    let mut depth = 0;
    for (at, _) in source.char_indices() {
        depth += i32::from(source[at..].starts_with("/*")) - i32::from(source[..at].ends_with("*/"));
        if at > 0 && depth == 0 {
            return at;
        }
    }
    source.len()
}

/// The length of a text in quotes.
fn text(source: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in source.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    source.len()
}

/// The length of a raw text behind its `r`, if it is one.
fn raw_text(source: &str) -> Option<usize> {
    let hashes = source.find(|c: char| c != '#')?;
    let inner = source[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(inner.find(&end).map_or(source.len(), |at| hashes + 1 + at + end.len()))
}

/// The length of a character in quotes. A lifetime is none.
fn character(source: &str) -> Option<usize> {
    let mut inner = source[1..].chars();
    match inner.next()? {
        '\\' => source.get(3..)?.find('\'').map(|at| 3 + at + 1),
        c => (inner.next()? == '\'').then_some(1 + c.len_utf8() + 1),
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether code names a library: at the beginning of a path, as a macro, or in a `use`.
fn names(code: &str, library: &str) -> bool {
    code.match_indices(library).any(|(start, _)| {
        let (before, after) = (&code[..start], &code[start + library.len()..]);
        if before.ends_with(is_of_word) || after.starts_with(is_of_word) {
            return false;
        }
        let (before, after) = (before.trim_end(), after.trim_start());
        // A module of ours may have the same name, behind that of another.
        let outer = before.strip_suffix("::").map_or(before, str::trim_end);
        if outer.len() < before.len() && outer.ends_with(|c: char| is_of_word(c) || c == '>') && !is_use(outer) {
            return false;
        }
        let statement = outer.rsplit(';').next().unwrap_or(outer);
        let in_list = statement.rsplit_once("use {").is_some_and(|(_, list)| {
            let list = list.trim_end();
            !list.contains('}') && (list.is_empty() || list.ends_with(','))
        });
        after.starts_with("::") || (after.starts_with('!') && !after.starts_with("!=")) || is_use(outer) || in_list
    })
}

/// Whether code ends in a `use` or in an `extern crate`.
fn is_use(code: &str) -> bool {
    let before = code.strip_suffix("use").or(code.strip_suffix("extern crate"));
    before.is_some_and(|before| !before.ends_with(is_of_word))
}

#[test]
fn every_dependency_is_named_in_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let sources: Vec<(PathBuf, String)> = files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| (file.clone(), code(&fs::read_to_string(file).unwrap())))
        .collect();
    let manifests: Vec<&PathBuf> = files.iter().filter(|file| file.ends_with("Cargo.toml")).collect();
    assert!(manifests.len() > 10, "{manifests:?}");
    let package_of = |file: &Path| manifests.iter().filter_map(|m| m.parent()).filter(|f| file.starts_with(f)).max();
    let mut idle = Vec::new();
    for manifest in &manifests {
        let folder = manifest.parent().unwrap();
        let text = fs::read_to_string(manifest).unwrap();
        // What the workspace declares is for its packages. A package in the folder of another has sources of its own.
        let is_root = folder == root;
        let own = |file: &Path| is_root || package_of(file) == Some(folder);
        if !sources.iter().any(|(file, _)| own(file)) {
            continue;
        }
        for name in declared(&text) {
            let other = OTHERWISE_NAMED.iter().find(|(package, _)| *package == name);
            let library = other.map_or_else(|| name.replace('-', "_"), |(_, library)| (*library).to_owned());
            if !sources.iter().any(|(file, code)| own(file) && names(code, &library)) {
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
}

#[test]
fn a_library_is_named_by_a_path_a_macro_or_a_use() {
    for source in [
        "use a_b::c;",
        "pub(crate) use a_b as b;",
        "use ::a_b::c;",
        "extern crate a_b;",
        "use {x as _, a_b as _};",
        "let x = a_b::c();",
        "fn f(x: ::a_b::C) {}",
        "a_b! { x }",
        "let c = '\"'; let x = a_b::c(); let d = '\"';",
        "fn f<'a>(x: &'a str) -> &'a a_b::C {}",
    ] {
        assert!(names(&code(source), "a_b"), "{source}");
    }
    for source in [
        "use a_bc::c;",
        "use xa_b::c;",
        "// use a_b::c;",
        "/* a /* b */ a_b::c */",
        "let x = \"\\\"a_b::c\";",
        "let x = r#\"\"a_b::c\"#;",
        "let a_b = 1;",
        "use crate::a_b::c;",
        "use c::{d, a_b};",
        "if a_b != 1 {}",
    ] {
        assert!(!names(&code(source), "a_b"), "{source}");
    }
}
