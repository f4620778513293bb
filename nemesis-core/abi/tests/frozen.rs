//! The interface does not change without a change of its version.

use nemesis_abi::{ABI_MAJOR, ABI_MINOR, ABI_VERSION};

/// Every version of the interface that was ever released, with the hash of its text. Never change an entry: add one.
const RELEASED: &[(&str, &str)] = &[("1.0", "dd7ffa7bfe81dd976b42b6b297610b60")];

const SOURCES: [&str; 6] = [
    include_str!("../src/lib.rs"),
    include_str!("../src/text.rs"),
    include_str!("../src/data.rs"),
    include_str!("../src/host.rs"),
    include_str!("../src/method.rs"),
    include_str!("../src/entry.rs"),
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
