//! Finds the dependencies of one package in a lock file.

use std::collections::BTreeSet;

/// A package in a lock file, with its dependencies as written there.
#[derive(Default)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    /// Empty for packages of the workspace itself.
    source: &'a str,
    dependencies: Vec<&'a str>,
}

/// A line with name, version and source for each external package that `root` depends on, directly or not. `None` if
/// the lock file does not contain `root`.
///
/// Nothing else in the workspace matters, so adding a method does not change the hashes of others.
pub(crate) fn dependencies_of(lock: &str, root: &str) -> Option<String> {
    let packages = parse(lock);
    let mut found = BTreeSet::new();
    let mut open = vec![packages.iter().find(|package| package.name == root && package.source.is_empty())?];
    while let Some(package) = open.pop() {
        if found.insert((package.name, package.version, package.source)) {
            open.extend(package.dependencies.iter().filter_map(|dependency| resolve(&packages, dependency)));
        }
    }
    let of_others = found.into_iter().filter(|(_, _, source)| !source.is_empty());
    let lines: Vec<_> = of_others.map(|(name, version, source)| format!("{name} {version} {source}\n")).collect();
    Some(lines.concat())
}

/// The package that a dependency names: `name`, or `name version` or more if the name is not enough.
fn resolve<'a, 'b>(packages: &'b [Package<'a>], dependency: &str) -> Option<&'b Package<'a>> {
    let mut words = dependency.split(' ');
    let (name, version) = (words.next(), words.next());
    packages
        .iter()
        .find(|package| Some(package.name) == name && version.is_none_or(|version| version == package.version))
}

/// Cargo writes lock files itself, with one key per line, so no full TOML parser is needed.
fn parse(lock: &str) -> Vec<Package<'_>> {
    let mut packages: Vec<Package<'_>> = Vec::new();
    for line in lock.lines() {
        if line == "[[package]]" {
            packages.push(Package::default());
        }
        let Some(package) = packages.last_mut() else { continue };
        match line.split_once(" = ") {
            Some(("name", value)) => package.name = value.trim_matches('"'),
            Some(("version", value)) => package.version = value.trim_matches('"'),
            Some(("source", value)) => package.source = value.trim_matches('"'),
            Some(_) => {}
            // List elements are on their own lines.
            None => package.dependencies.extend(line.strip_prefix(" \"").and_then(|line| line.strip_suffix("\","))),
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"version = 4

[[package]]
name = "deep"
version = "1.0.0"
source = "registry"
checksum = "c"

[[package]]
name = "deep"
version = "2.0.0"
source = "registry"

[[package]]
name = "method"
version = "0.1.0"
dependencies = [
 "sdk",
]

[[package]]
name = "other"
version = "0.1.0"
dependencies = [
 "deep 2.0.0",
]

[[package]]
name = "sdk"
version = "0.1.0"
dependencies = [
 "deep 1.0.0",
]
"#;

    #[test]
    fn dependencies_are_found_through_the_workspace() {
        assert_eq!(dependencies_of(LOCK, "method").as_deref(), Some("deep 1.0.0 registry\n"));
        assert_eq!(dependencies_of(LOCK, "other").as_deref(), Some("deep 2.0.0 registry\n"));
        assert_eq!(dependencies_of(LOCK, "deep"), None);
    }

    #[test]
    fn the_lock_file_of_this_workspace_is_read() {
        let lock = include_str!("../../../../Cargo.lock");
        let found = dependencies_of(lock, "nemesis-macros").unwrap();
        assert!(found.lines().any(|line| line.starts_with("blake3 1.")) && !found.contains("nemesis"), "{found}");
    }
}
