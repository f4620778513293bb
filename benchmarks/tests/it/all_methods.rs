//! The suites of all methods: a row of each on the mini root, what their publications set for single data sets and shots,
//! and what cannot stand in a table of new classes.

use crate::command::{assert_command, nemesis, told, written};
use crate::synthetic::Synthetic;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The trainings that a command plans, as method, data set and shots with the rest.
fn trainings(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let plan = nemesis(folder, &[&["plan", "--json"], arguments].concat()).output().unwrap();
    assert!(plan.status.success(), "{}", told(&plan));
    let cells: Vec<Value> = serde_json::from_slice(&plan.stdout).unwrap();
    cells.into_iter().map(|planned| planned["cell"].clone()).filter(|cell| cell["kind"] == "training").collect()
}

/// The one training of a method on a data set with so many shots.
fn training<'a>(trainings: &'a [Value], method: &str, dataset: &str, shots: u64) -> &'a Value {
    let fits = |cell: &&Value| cell["method"]["id"] == method && cell["dataset"] == dataset && cell["shots"] == shots;
    trainings.iter().find(fits).unwrap_or_else(|| panic!("no training of {method} on {dataset} with {shots} shots"))
}

#[test]
fn every_method_has_a_column_on_the_mini_root() {
    let folder = tempfile::tempdir().unwrap();
    let part = ["--datasets", "dtd,eurosat", "--shots", "2", "--seeds", "1", "--limit", "10"];
    let run = nemesis(folder.path(), &[&["run", "--suite", "few-shot-all"], &part[..]].concat()).output().unwrap();
    assert!(run.status.success(), "{}", told(&run));
    insta::assert_snapshot!(fs::read_to_string(written(folder.path(), &run, ".md")).unwrap());
    // CoOp's code would load a part of what these have learned.
    for method in ["promptsrc", "plot", "linear-probe"] {
        assert_command!(folder.path(), &["export", "--dataset", "dtd", "--method", method, "--to", "exported"]);
    }
    assert!(!folder.path().join("exported").exists());
}

#[test]
fn settings_of_a_publication_hold_at_their_data_sets_and_shots() {
    let folder = tempfile::tempdir().unwrap();
    let suite = ["--suite", "few-shot-all", "--seeds", "1", "--methods", "prograd,task-res,tip-adapter,promptsrc"];
    let part = ["--datasets", "imagenet,oxford_flowers,dtd", "--shots", "4,16"];
    let all = trainings(folder.path(), &[&suite[..], &part[..]].concat());
    let option =
        |method, dataset, shots, name: &str| training(&all, method, dataset, shots)["method"]["options"][name].clone();
    assert_eq!(option("prograd", "dtd", 4, "lambda"), 1.0);
    assert_eq!(option("prograd", "dtd", 16, "lambda"), 0.8);
    assert_eq!(option("prograd", "imagenet", 16, "lambda"), 1.0);
    assert_eq!(option("task-res", "oxford_flowers", 16, "residual_scale"), 1.0);
    assert_eq!(option("task-res", "dtd", 16, "residual_scale"), 0.5);
    assert_eq!(option("tip-adapter", "imagenet", 4, "templates"), "ensemble-7");
    assert_eq!(option("tip-adapter", "dtd", 4, "init_alpha"), 2.0);
    let protocol = |method, dataset, name: &str| training(&all, method, dataset, 16)["protocol"][name].clone();
    assert_eq!(protocol("task-res", "imagenet", "learning_rate"), 2e-4);
    assert_eq!(protocol("task-res", "dtd", "learning_rate"), 2e-3);
    assert_eq!(protocol("promptsrc", "imagenet", "average_mean"), 30.0);
    assert_eq!(protocol("promptsrc", "dtd", "average_mean"), 45.0);
    // The protocol of the mini suite keeps its own length, and has a smaller one for this method.
    assert_eq!(protocol("promptsrc", "dtd", "epochs"), 4);
    let set = [&suite[..], &part[..], &["--set", "prograd.lambda=0.5", "--set", "task-res.protocol.learning_rate=0.1"]];
    let all = trainings(folder.path(), &set.concat());
    assert_eq!(training(&all, "prograd", "dtd", 16)["method"]["options"]["lambda"], 0.5);
    assert_eq!(training(&all, "task-res", "imagenet", 16)["protocol"]["learning_rate"], 0.1);
}

#[test]
fn every_suite_of_all_methods_is_planned() {
    let folder = tempfile::tempdir().unwrap();
    for (suite, methods) in [("few-shot-all", 20), ("base-to-new-all", 13), ("plot", 3), ("cocoop", 7)] {
        let part = ["--suite", suite, "--datasets", "food101,ucf101", "--shots", "16", "--seeds", "1"];
        assert_eq!(trainings(folder.path(), &part).len(), 2 * methods, "{suite}");
    }
}

#[test]
fn what_is_learned_for_each_class_is_left_out_of_a_table_of_new_classes() {
    let folder = tempfile::tempdir().unwrap();
    let some = ["--suite", "base-to-new", "--datasets", "eurosat", "--seeds", "1", "--limit", "5"];
    let mixed = [&["run"], &some[..], &["--methods", "clip-adapter,clap,coop", "--set", "coop.csc=true"]].concat();
    assert_command!(folder.path(), &mixed);
    let none = [&["run"], &some[..], &["--methods", "linear-probe"]].concat();
    assert_command!(folder.path(), &none);
    // Targets with classes of their own are new classes, too.
    let abroad = ["plan", "--suite", "cross-dataset", "--methods", "task-res,clip-adapter"];
    let abroad = told(&nemesis(folder.path(), &abroad).output().unwrap());
    assert!(abroad.contains("TaskRes is left out") && !abroad.contains("CLIP-Adapter is left out"), "{abroad}");
}

#[test]
fn settings_for_a_data_set_that_there_is_not_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let suite = "name: mine
title: Mine
table: few-shot
datasets: [dtd]
shots: [1]
seeds: [1]
methods:
  - method: task-res
    as_published:
      - {datasets: [oxford_flower], options: {residual_scale: 1.0}}
";
    fs::write(folder.path().join("mine.yaml"), suite).unwrap();
    assert_command!(folder.path(), &["plan", "--suite", "mine.yaml"]);
    fs::write(folder.path().join("mine.yaml"), suite.replace("oxford_flower", "dtd").replace("1.0", "up")).unwrap();
    assert_command!(folder.path(), &["plan", "--suite", "mine.yaml"]);
}

/// `EuroSAT` with 4 shots of `MaPLe` is 54.87 in one paper and 84.50 in another.
#[test]
fn two_sources_of_one_cell_are_both_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::plain(folder.path());
    records.published = Some("ViT-B/16");
    records.few_shot(("maple", "MaPLe"), "eurosat", 4, &[70.0, 72.0, 74.0]);
    records.save();
    assert_command!(folder.path(), &["compare", "--against", "tcp-eurosat-4-shots,promptsrc-eurosat-4-shots"]);
}
