//! What a check of a data set finds: counts, the split's origin, missing and damaged images.

use nemesis_core::dataset::{Registry, Report, SplitOrigin, SplitSizes, check, split_fingerprint};
use std::fs;
use std::path::Path;

const PNG: &[u8] = include_bytes!("fixtures/parity/preprocess/im2.png");
const JPEG: &[u8] = include_bytes!("fixtures/parity/preprocess/im4.jpg");
const SPLIT: &str = r#"{"train": [["a.png", 0, "ant"], ["b.jpg", 1, "bear"]],
    "val": [["c.png", 0, "ant"]], "test": [["d.jpg", 1, "bear"]]}"#;

/// A data root with a whole data set `toy`.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("toy")).unwrap();
    for (name, bytes) in
        [("split.json", SPLIT.as_bytes()), ("a.png", PNG), ("b.jpg", JPEG), ("c.png", PNG), ("d.jpg", JPEG)]
    {
        fs::write(root.path().join("toy").join(name), bytes).unwrap();
    }
    root
}

fn registry(more: &str) -> Registry {
    let text = format!(
        "[{{name: toy, title: Toy, folder: toy, layout: {{split_file: {{file: split.json, images: .}}}}, {more} \
         classes: 2, samples: {{train: 2, val: 1, test: 1}}, template: '{{}}', licence: none, home: here}}]"
    );
    Registry::parse(&text, Path::new("datasets.yaml")).unwrap()
}

fn checked(root: &Path, decode: bool) -> Report {
    check(registry("").get("toy").unwrap(), root, decode).unwrap()
}

#[test]
fn a_whole_data_set_is_whole() {
    let root = root();
    for decode in [false, true] {
        let report = checked(root.path(), decode);
        assert!(report.is_whole(), "{report:?}");
        assert_eq!(report.samples, SplitSizes { train: 2, val: 1, test: 1 });
    }
}

#[test]
fn missing_images_and_other_counts_are_found() {
    let root = root();
    fs::remove_file(root.path().join("toy/c.png")).unwrap();
    let report = checked(root.path(), false);
    assert_eq!(report.missing, [Path::new("c.png")]);
    assert!(!report.is_whole());

    let fewer = SPLIT.replace(r#"["c.png", 0, "ant"]"#, "");
    fs::write(root.path().join("toy/split.json"), fewer).unwrap();
    let report = checked(root.path(), false);
    assert_eq!((report.missing.len(), report.samples.val), (0, 0));
    assert!(!report.is_whole());
}

#[test]
fn truncated_empty_and_foreign_files_are_damaged_and_named() {
    let root = root();
    let write = |name: &str, bytes: &[u8]| fs::write(root.path().join("toy").join(name), bytes).unwrap();
    // Pillow does without the last bytes of a PNG, but not without pixel data.
    write("a.png", &PNG[..PNG.len() - 40]);
    write("b.jpg", &JPEG[..JPEG.len() / 2]);
    write("c.png", b"");
    write("d.jpg", b"<html>404</html>");
    let report = checked(root.path(), false);
    let names: Vec<_> = report.damaged.iter().map(|(path, _)| path.to_str().unwrap()).collect();
    assert_eq!(names, ["a.png", "b.jpg", "c.png", "d.jpg"]);
    for (path, error) in &report.damaged {
        assert_eq!(error.file(), Some(&*root.path().join("toy").join(path)));
    }
    // What follows a whole JPEG does no harm, and is decoded to make sure.
    write("b.jpg", &[JPEG, b"trailing"].concat());
    assert_eq!(checked(root.path(), false).damaged.len(), 3);
}

#[test]
fn a_damaged_middle_is_found_by_decoding() {
    let root = root();
    let mut png = PNG.to_vec();
    let middle = png.len() / 2;
    png[middle..middle + 40].fill(0);
    fs::write(root.path().join("toy/a.png"), png).unwrap();
    assert!(checked(root.path(), false).is_whole());
    assert_eq!(checked(root.path(), true).damaged.len(), 1);
}

#[test]
fn the_published_split_is_known_by_its_fingerprint_however_it_is_formatted() {
    let root = root();
    let toy = registry("").get("toy").unwrap().open(root.path()).unwrap();
    let published = registry(&format!("published: {},", split_fingerprint(&*toy)));
    let origin = |registry: &Registry| check(registry.get("toy").unwrap(), root.path(), false).unwrap().split;
    assert_eq!(origin(&registry("")), SplitOrigin::Unknown);
    assert_eq!(origin(&published), SplitOrigin::Published);
    fs::write(root.path().join("toy/split.json"), SPLIT.replace(' ', "\n")).unwrap();
    assert_eq!(origin(&published), SplitOrigin::Published);
    fs::write(root.path().join("toy/split.json"), SPLIT.replace("c.png", "d.png")).unwrap();
    assert_eq!(origin(&published), SplitOrigin::NotPublished);
    fs::rename(root.path().join("toy/split.json"), root.path().join("toy/split_prepared.json")).unwrap();
    assert_eq!(origin(&registry("")), SplitOrigin::Prepared);
    assert_eq!(origin(&published), SplitOrigin::Prepared);
}

#[test]
fn the_built_in_fingerprints_are_whole() {
    let registry = Registry::built_in().unwrap();
    let known: Vec<&str> = registry.entries().iter().filter_map(|entry| entry.published.as_deref()).collect();
    assert_eq!(known.len(), 7);
    assert!(known.iter().all(|hash| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit())));
}
