//! The suite `cross-dataset`: what is learned on the mini `imagenet` is tested there and on other data sets.

use crate::command::{assert_command, nemesis, told};
use std::fs;

/// The suite with two of its ten targets, one seed, and fewer shots.
fn small() -> String {
    let suite = include_str!("../../suites/cross-dataset.yaml");
    let others = ["caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101", "fgvc_aircraft", "sun397"];
    let line = |name: &str| format!("      - {name}\n");
    let smaller = others.iter().chain(&["ucf101"]).fold(suite.to_owned(), |suite, name| suite.replace(&line(name), ""));
    smaller.replace("shots: [16]", "shots: [1]").replace("seeds: [1, 2, 3]", "seeds: [1]")
}

#[test]
fn the_average_is_over_the_targets_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("small.yaml"), small()).unwrap();
    let run = nemesis(folder.path(), &["run", "--suite", "small.yaml", "--methods", "coop"]).output().unwrap();
    assert!(run.status.success(), "{}", told(&run));
    assert_command!(folder.path(), &["report"]);
    // Zero-shot was trained nowhere, and is compared on every target.
    let images = ["stats", "--images", "zero-shot,coop", "--format", "csv"];
    let images = told(&nemesis(folder.path(), &images).output().unwrap());
    for place in ["ImageNet,", "DTD (trained on ImageNet),", "EuroSAT (trained on ImageNet),"] {
        assert!(images.contains(place), "{images}");
    }
}

#[test]
fn all_ten_targets_are_planned() {
    let folder = tempfile::tempdir().unwrap();
    let plan = nemesis(folder.path(), &["plan", "--suite", "cross-dataset"]).output().unwrap();
    let told = told(&plan);
    assert!(plan.status.success(), "{told}");
    let line = |start: &str| told.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{told}"));
    assert_eq!(
        line("data sets"),
        "data sets    imagenet, caltech101, oxford_pets, stanford_cars, oxford_flowers, food101, fgvc_aircraft, sun397, dtd, \
         eurosat, ucf101"
    );
    // Three methods and three seeds; each is tested on eleven data sets, and so is zero-shot CLIP.
    assert!(line("trainings").contains(" 9 in all"), "{told}");
    assert!(line("evaluations").contains(" 110 in all"), "{told}");
}

#[test]
fn a_source_that_is_a_target_and_a_second_source_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["plan", "--suite", "cross-dataset", "--datasets", "dtd"]);
    assert_command!(folder.path(), &["plan", "--suite", "cross-dataset", "--datasets", "imagenet,imagenetv2"]);
}
