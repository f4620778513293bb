//! Data that change under finished records: what changed is computed again, and `data check` says so.

use crate::command::{assert_command, nemesis, told};
use crate::toy::{data_root, paint, run, weights};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The line that says how many cells were computed.
fn computed(folder: &Path, arguments: &[&str]) -> String {
    let output = nemesis(folder, arguments).output().unwrap();
    let text = told(&output);
    assert!(output.status.success(), "{text}");
    let line = text.lines().find(|line| line.contains("cells computed")).expect("a run says what it computed");
    line.split(", in ").next().unwrap().to_owned()
}

#[test]
fn images_that_were_overwritten_are_seen_anew() {
    let folder = tempfile::tempdir().unwrap();
    let root = data_root(folder.path(), &["toy", "other"]);
    let weights = weights();
    let both = |seeds| run(&weights, &["--datasets", "toy,other", "--seeds", seeds]);
    assert_eq!(computed(folder.path(), &both("1")), "6 cells computed, 0 reused");
    assert_eq!(computed(folder.path(), &both("1")), "0 cells computed, 6 reused");

    // A test image of one class: its data set is tested again, and nothing is trained.
    paint(&root.join("toy/red/test_0.png"), [1, 2, 3]);
    assert_eq!(computed(folder.path(), &both("1")), "2 cells computed, 4 reused");

    // All images of a class, and one more seed: nothing of this data set is left of the old images.
    for file in fs::read_dir(root.join("toy/red")).unwrap() {
        paint(&file.unwrap().path(), [9, 9, 9]);
    }
    assert_eq!(computed(folder.path(), &both("1,2")), "7 cells computed, 3 reused");

    // An image that no cell looks at changes nothing.
    for image in ["val_0.png", "val_1.png"] {
        paint(&root.join("toy/blue").join(image), [1, 1, 1]);
    }
    assert_eq!(computed(folder.path(), &both("1,2")), "0 cells computed, 10 reused");
}

#[test]
fn a_check_tells_what_differs_from_what_records_saw() {
    let folder = tempfile::tempdir().unwrap();
    let root = data_root(folder.path(), &["toy"]);
    let weights = weights();
    computed(folder.path(), &run(&weights, &["--datasets", "toy", "--seeds", "1"]));
    let check = ["data", "check", "--data", "data"];
    assert_command!(folder.path(), &check);
    paint(&root.join("toy/red/test_0.png"), [1, 2, 3]);
    fs::remove_file(root.join("toy/red/test_1.png")).unwrap();
    assert_command!(folder.path(), &check);
    let split = fs::read_to_string(root.join("toy/split.json")).unwrap();
    fs::write(root.join("toy/split.json"), split.replace("\"green\"", "\"lime\"")).unwrap();
    assert_command!(folder.path(), &check);
}

#[test]
fn records_without_their_lists_of_images_get_them_again() {
    let folder = tempfile::tempdir().unwrap();
    data_root(folder.path(), &["toy"]);
    let weights = weights();
    let run = run(&weights, &["--datasets", "toy", "--seeds", "1"]);
    computed(folder.path(), &run);
    let lists = folder.path().join("out/images");
    let kept = || fs::read_dir(&lists).unwrap().map(|list| list.unwrap().file_name()).collect::<BTreeSet<_>>();
    // One for the few-shot sample and one for the test images.
    let first = kept();
    assert_eq!(first.len(), 2);
    fs::remove_dir_all(&lists).unwrap();
    let check = nemesis(folder.path(), &["data", "check", "--data", "data"]).output().unwrap();
    assert!(told(&check).contains("which images some records saw is no longer known"), "{}", told(&check));
    assert_eq!(computed(folder.path(), &run), "0 cells computed, 3 reused");
    assert_eq!(kept(), first);
}
