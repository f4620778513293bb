//! What a lock file says of one package: what it rests on.

use std::collections::BTreeSet;

/// A package in a lock file; its dependencies are as they stand there.
#[derive(Default)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    /// Empty for packages of the workspace itself.
    source: &'a str,
    dependencies: Vec<&'a str>,
}

/// A line for each package of others that `root` rests on, directly or not: name, version and source. `None` where the
/// lock file does not know `root`.
///
/// What else is in the workspace leaves no trace, so that a method which is added there moves no other's hash.
pub(crate) fn rests_on(lock: &str, root: &str) -> Option<String> {
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

/// The package that a dependency names: `name`, or `name version` or more where the name alone would not do.
fn resolve<'a, 'b>(packages: &'b [Package<'a>], dependency: &str) -> Option<&'b Package<'a>> {
    let mut words = dependency.split(' ');
    let (name, version) = (words.next(), words.next());
    packages
        .iter()
        .find(|package| Some(package.name) == name && version.is_none_or(|version| version == package.version))
}

/// Cargo writes lock files itself, one key a line; of TOML no more is needed.
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
            // The elements of a list stand on lines of their own.
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
    fn what_is_rested_on_is_found_through_the_workspace() {
        assert_eq!(rests_on(LOCK, "method").as_deref(), Some("deep 1.0.0 registry\n"));
        assert_eq!(rests_on(LOCK, "other").as_deref(), Some("deep 2.0.0 registry\n"));
        assert_eq!(rests_on(LOCK, "deep"), None);
    }

    #[test]
    fn the_lock_file_of_this_workspace_is_read() {
        let lock = include_str!("../../../../Cargo.lock");
        let found = rests_on(lock, "nemesis-macros").unwrap();
        assert!(found.lines().any(|line| line.starts_with("blake3 1.")) && !found.contains("nemesis"), "{found}");
    }
}
