//! The interface does not change without a change of its version.

use nemesis_abi::{ABI_MAJOR, ABI_MINOR, ABI_VERSION};

/// Every version of the interface that was ever released, with the hash of its text. Never change an entry: add one.
const RELEASED: &[(&str, &str)] =
    &[("1.0", "dd7ffa7bfe81dd976b42b6b297610b60"), ("1.1", "b4c7394a5febbe401283bc7789ad99e0")];

const SOURCES: [&str; 7] = [
    include_str!("../src/lib.rs"),
    include_str!("../src/text.rs"),
    include_str!("../src/data.rs"),
    include_str!("../src/host.rs"),
    include_str!("../src/method.rs"),
    include_str!("../src/entry.rs"),
    include_str!("../src/towers.rs"),
];

/// The interface as code alone: without comments and line breaks.
fn interface() -> String {
    let lines = SOURCES.iter().flat_map(|source| source.lines()).map(str::trim);
    let code = lines.filter(|line| !line.starts_with("//"));
    code.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_change_of_the_interface_is_a_new_version() {
    let found = blake3::hash(interface().as_bytes()).to_hex();
    let released = RELEASED.iter().find(|(version, _)| *version == ABI_VERSION).map(|(_, hash)| *hash);
    assert_eq!(
        released,
        Some(&found[..32]),
        "The C interface differs from the one released as {ABI_VERSION}. If it grew at the end of a struct, raise \
         ABI_MINOR; if anything else changed, ABI_MAJOR, and the number in the entry symbol. Then add the new version \
         here with the hash {}.",
        &found[..32]
    );
}

#[test]
fn the_version_is_the_same_as_text() {
    assert_eq!(ABI_VERSION, format!("{ABI_MAJOR}.{ABI_MINOR}"));
}

/// The header of version 1.0, and what it has become.
const HEADERS: [&str; 2] = [include_str!("released/1.0/nemesis.h"), include_str!("../include/nemesis.h")];

/// The code of a header, without comments, and its types one by one.
fn declarations(header: &str) -> Vec<String> {
    let code = header.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with(['*', '/']));
    let code = code.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    code.split("typedef ").skip(1).map(str::to_owned).collect()
}

/// A plugin of version 1.0 reads and makes the structs of its own header, so those of today must begin with them.
#[test]
fn structs_only_grew_at_their_ends_since_the_first_version() {
    let [released, current] = HEADERS.map(declarations);
    assert!(released.len() > 10);
    for old in &released {
        // The fields up to the end of the struct, which carries its name.
        let Some((fields, name)) = old.rsplit_once('}') else {
            assert!(current.contains(old), "{old}");
            continue;
        };
        let name = name.split(';').next().unwrap_or_default().trim();
        let now = current.iter().find(|new| new.contains(&format!("}} {name};")));
        assert!(now.is_some_and(|new| new.starts_with(fields)), "{name} does not begin as it did in version 1.0");
    }
}
