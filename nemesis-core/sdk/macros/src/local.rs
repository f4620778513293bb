//! Finds the crates that a crate takes from a folder rather than from a registry: their code changes without a version.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What is known by other means: an SDK says its own fingerprint, and its build script leaves nothing in a plugin.
const KNOWN: [&str; 2] = ["nemesis-sdk", "nemesis-build"];

/// The folders of all crates that the one in `root` is built with, directly or not, by their names.
pub(crate) fn dependencies_of(root: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for (name, folder) in direct(&folder) {
            if !KNOWN.contains(&name.as_str()) && !found.contains_key(&name) {
                open.push(folder.clone());
                found.insert(name, folder);
            }
        }
    }
    found
}

/// Those of one manifest, with those that it takes from its workspace.
fn direct(root: &Path) -> Vec<(String, PathBuf)> {
    let manifest = |folder: &Path| fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let mut found = Vec::new();
    for (name, place) in dependencies(&manifest(root), "dependencies") {
        match place {
            Place::Folder(path) => found.push((name, root.join(path))),
            Place::Workspace => {
                let of_workspace = |folder: &Path| {
                    let all = dependencies(&manifest(folder), "workspace.dependencies");
                    let inherited = all.into_iter().find(|(known, _)| *known == name)?;
                    if let (_, Place::Folder(path)) = inherited { Some(folder.join(path)) } else { None }
                };
                found.extend(root.ancestors().find_map(of_workspace).map(|folder| (name, folder)));
            }
        }
    }
    found
}

/// Where a dependency comes from, if that is no registry.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Folder(String),
    Workspace,
}

/// The dependencies in the tables of this name, those for one platform included. People write manifests, but in these
/// tables only in few ways, so no full TOML parser is needed.
fn dependencies(manifest: &str, table: &str) -> Vec<(String, Place)> {
    let mut found = Vec::new();
    // The dependency whose own table this is, if it has one.
    let mut within: Option<Option<String>> = None;
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.split_once(']')).map(|(header, _)| header) {
            let header = match header.strip_prefix("target.").and_then(|rest| rest.split_once(".dependencies")) {
                Some((_, rest)) => format!("dependencies{rest}"),
                None => header.to_owned(),
            };
            let rest = header.strip_prefix(table);
            within = match rest {
                Some("") => Some(None),
                Some(rest) => rest.strip_prefix('.').map(|name| Some(name.trim_matches('"').to_owned())),
                None => None,
            };
            continue;
        }
        let (Some(of), Some((key, value))) = (&within, line.split_once('=')) else { continue };
        let (key, value) = (key.trim(), value.trim());
        let (name, key) = match (of, key.split_once('.')) {
            (Some(name), _) => (name.as_str(), Some(key)),
            (None, Some((name, key))) => (name, Some(key)),
            (None, None) => (key, None),
        };
        let name = name.trim_matches('"').to_owned();
        match key {
            Some("path") => found.extend(quoted(value).map(|path| (name, Place::Folder(path)))),
            Some("workspace") => found.push((name, Place::Workspace)),
            None if value.starts_with('{') => {
                let field = |key: &str| {
                    let fields = value.trim_matches(['{', '}', ' ']).split(',');
                    let mut fields = fields.filter_map(|field| field.split_once('='));
                    fields.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
                };
                let place = field("path").and_then(|path| quoted(&path)).map(Place::Folder);
                found.extend(place.or_else(|| field("workspace").map(|_| Place::Workspace)).map(|place| (name, place)));
            }
            _ => {}
        }
    }
    found
}

/// The text between the first quotes.
fn quoted(value: &str) -> Option<String> {
    let quote = value.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    value[1..].split_once(quote).map(|(text, _)| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_folder_is_known() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\na = { path = \"../a\", features = [\"f\"] } # why\n\
            b.path = '../b'\nc = \"1.0\"\nd = { version = \"1\", path = \"../d\" }\nnemesis-sdk.workspace = true\n\
            [dependencies.e]\npath = \"../e\"\n[target.'cfg(unix)'.dependencies]\nf = { path = \"../f\" }\n\
            [dev-dependencies]\ng = { path = \"../g\" }\n[build-dependencies]\nh = { path = \"../h\" }\n";
        let folder = |name: &str| (name.to_owned(), Place::Folder(format!("../{name}")));
        let sdk = ("nemesis-sdk".to_owned(), Place::Workspace);
        let all = [folder("a"), folder("b"), folder("d"), sdk, folder("e"), folder("f")];
        assert_eq!(dependencies(manifest, "dependencies"), all);
    }

    #[test]
    fn crates_of_a_workspace_and_their_own_are_followed() {
        let folder = std::env::temp_dir().join(format!("nemesis-local-{}", std::process::id()));
        let write = |name: &str, manifest: &str| {
            fs::create_dir_all(folder.join(name)).unwrap();
            fs::write(folder.join(name).join("Cargo.toml"), manifest).unwrap();
        };
        write("", "[workspace.dependencies]\nnemesis-sdk = { path = \"sdk\" }\none = { path = \"one\" }\n");
        write("method", "[dependencies]\nnemesis-sdk.workspace = true\none = { workspace = true }\n");
        write("one", "[dependencies]\ntwo = { path = \"../two\" }\n");
        write("two", "[dependencies]\none = { path = \"../one\" }\n");
        let found = dependencies_of(&folder.join("method"));
        assert_eq!(found.keys().collect::<Vec<_>>(), ["one", "two"]);
        assert!(found["two"].join("Cargo.toml").is_file());
        fs::remove_dir_all(&folder).unwrap();
    }
}
