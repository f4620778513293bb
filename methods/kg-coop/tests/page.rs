//! Checks the page `docs/your-own-method.md` against this crate: whoever follows it gets exactly these sources.

use nemesis_scaffold::{Home, Name, create};
use std::fs;

const PAGE: &str = include_str!("../../../docs/your-own-method.md");
const SDK: [&str; 2] = [
    include_str!("../../../nemesis-core/sdk/src/gradients.rs"),
    include_str!("../../../nemesis-core/sdk/src/towers.rs"),
];
const SOURCE: &str = include_str!("../src/lib.rs");

/// The page's listings in this language.
fn listings(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    PAGE.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// For each line of the source, whether a listing shows it.
fn shown() -> Vec<bool> {
    let source: Vec<_> = SOURCE.lines().collect();
    let mut shown = vec![false; source.len()];
    for listing in listings("rust") {
        let lines: Vec<_> = listing.lines().collect();
        let start = source.windows(lines.len()).position(|window| window == lines);
        let start = start.unwrap_or_else(|| panic!("the sources do not contain this listing:\n{listing}"));
        shown[start..start + lines.len()].fill(true);
    }
    shown
}

#[test]
fn every_listing_stands_in_the_sources() {
    assert!(shown().iter().any(|shown| *shown));
}

/// Listings that the example method does not need are in the SDK's documentation, where they are compiled and run.
#[test]
fn the_other_listings_stand_in_the_documentation_of_the_sdk() {
    let lines = SDK.iter().flat_map(|file| file.lines()).filter_map(|line| line.strip_prefix("//!"));
    let documentation: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let listings = listings("rust,no_run");
    assert!(!listings.is_empty());
    for listing in listings {
        assert!(
            documentation.join("\n").contains(listing),
            "the SDK's documentation does not contain this listing:\n{listing}"
        );
    }
}

#[test]
fn what_no_listing_shows_is_the_template_s() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("kg-coop");
    create(&Name::parse("kg-coop").unwrap(), &folder, &Home::Workspace).unwrap();
    let template = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
    let mut template = template.lines();
    for (line, _) in SOURCE.lines().zip(shown()).filter(|(line, shown)| !shown && !line.is_empty()) {
        assert!(template.any(|kept| kept == line), "the line `{line}` is in neither a listing nor the template");
    }
    assert_eq!(fs::read_to_string(folder.join("build.rs")).unwrap(), include_str!("../build.rs"));
}
