//! Data sets that are not there, or not whole, cost their rows alone.

use crate::command::assert_command;
use crate::toy::{data_root, run, weights};
use std::fs;

#[test]
fn others_are_computed_and_the_rows_stay_empty() {
    let folder = tempfile::tempdir().unwrap();
    let root = data_root(folder.path(), &["toy", "absent", "torn", "holed"]);
    fs::remove_dir_all(root.join("absent")).unwrap();
    fs::write(root.join("torn/split.json"), "{").unwrap();
    fs::remove_file(root.join("holed/red/test_1.png")).unwrap();
    let weights = weights();
    assert_command!(folder.path(), &run(&weights, &["--datasets", "toy,absent,torn,holed", "--seeds", "1"]));
}

#[test]
fn a_run_with_nothing_left_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = data_root(folder.path(), &["holed", "torn"]);
    fs::remove_file(root.join("holed/red/test_1.png")).unwrap();
    fs::write(root.join("torn/split.json"), "{").unwrap();
    let weights = weights();
    assert_command!(folder.path(), &run(&weights, &["--datasets", "holed", "--seeds", "1"]));
    assert_command!(folder.path(), &run(&weights, &["--datasets", "torn", "--seeds", "1"]));
    assert!(!folder.path().join("out/plans").exists());
}
