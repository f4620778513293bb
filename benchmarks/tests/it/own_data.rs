//! Data roots of one's own, without any of the data sets that are built in.

use crate::command::{assert_command, library, nemesis, told};
use crate::files::tree;
use crate::toy;
use std::fs;

#[test]
fn a_suite_runs_over_the_data_sets_of_ones_own_root() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    toy::data_root(dir, &["birds", "pets"]);
    let (weights, coop) = (toy::weights(), library("nemesis_method_coop"));
    let plan =
        ["plan", "--data", "data", "--weights", &weights, "--methods", "coop", "--plugin", &coop, "--shots", "1"];
    let output = nemesis(dir, &plan).output().unwrap();
    let said = told(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("birds") && said.contains("pets"), "{said}");
    assert!(!said.contains("left out") && !said.to_lowercase().contains("imagenet"), "{said}");
    // Of three classes one is new, which says nothing.
    assert_command!(dir, &[&plan[..], &["--suite", "base-to-new"]].concat());
    // A suite that trains on one data set is told which.
    assert_command!(dir, &[&plan[..], &["--suite", "cross-dataset"]].concat());
}

#[test]
fn a_class_without_test_images_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let root = toy::data_root(dir, &["birds"]);
    let file = root.join("birds/split.json");
    let mut split: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    split["test"].as_array_mut().unwrap().retain(|row| row[2] != "green");
    fs::write(&file, split.to_string()).unwrap();
    assert_command!(dir, &["data", "check", "birds", "--data", "data"]);
}

#[test]
fn few_shot_lists_under_another_name_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    toy::data_root(dir, &["birds"]);
    fs::create_dir_all(dir.join("lists/aves/split_fewshot")).unwrap();
    fs::write(dir.join("lists/aves/split_fewshot/shot_1-seed_1.json"), "{}").unwrap();
    let (weights, coop) = (toy::weights(), library("nemesis_method_coop"));
    let plan = ["plan", "--data", "data", "--datasets", "birds", "--weights", &weights, "--methods", "coop"];
    let plan = [&plan[..], &["--plugin", &coop, "--shots", "1", "--seeds", "1", "--few-shot-lists"]].concat();
    assert_command!(dir, &[&plan[..], &["lists"]].concat());
    assert_command!(dir, &[&plan[..], &["lists/aves"]].concat());
}

#[test]
fn a_first_run_that_fails_leaves_no_data_root() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    fs::create_dir_all(dir.join("photos")).unwrap();
    fs::write(dir.join("photos/0.tar"), "not a tar").unwrap();
    fs::write(dir.join("list.csv"), "url,caption\nhttps://x.org/a.jpg,a fox\n").unwrap();
    let before = tree(dir);
    assert_command!(dir, &["data", "add", "birds", "photos", "--data", "new/data"]);
    assert_command!(dir, &["data", "add", "birds", "list.csv", "--data", "new/data"]);
    assert_eq!(tree(dir), before);
}
