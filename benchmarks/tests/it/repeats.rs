//! What is asked for twice counts once, whoever says it; ranges of numbers; and variables that are no settings.

use crate::command::{assert_command, nemesis, told};
use std::fs;
use std::path::Path;

/// The lines of `nemesis plan` that tell what is asked for, and its warnings.
fn plan(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = nemesis(folder, &[&["plan"], arguments].concat()).envs(variables.iter().copied()).output().unwrap();
    let told = told(&output);
    let wanted =
        ["exit code", "warning", "error", "  ", "data sets", "shots", "seeds", "CoOp", "trainings", "evaluations"];
    told.lines()
        .filter(|line| wanted.iter().any(|start| line.starts_with(start)))
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[test]
fn options_that_repeat_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["--datasets", "dtd,eurosat,dtd", "--methods", "coop,coop", "--shots", "16,1,16", "--seeds", "1,1,2,2"];
    insta::assert_snapshot!(plan(folder.path(), &arguments, &[]));
}

#[test]
fn variables_that_repeat_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("NEMESIS_DATASETS", "dtd,dtd"), ("NEMESIS_SHOTS", "1,1"), ("NEMESIS_SEEDS", "1-3,2")];
    insta::assert_snapshot!(plan(folder.path(), &["--methods", "coop"], &variables));
}

#[test]
fn files_that_repeat_themselves() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("nemesis.yaml"), "out: here\nseeds: [1, 1]\n").unwrap();
    let suite = "name: mine
title: Mine
table: few-shot
datasets: [dtd, dtd]
shots: [1, 2-3, 2]
seeds: 1-2
zero_shot: true
methods:
  - method: coop
  - method: coop
  - {method: coop, label: CoOp again}
  - {method: nemesis-pen, sweep: {alpha: [1, 1.0]}}
";
    fs::write(folder.path().join("mine.yaml"), suite).unwrap();
    insta::assert_snapshot!(plan(folder.path(), &["--suite", "mine.yaml"], &[]));
}

#[test]
fn an_option_of_a_method_set_to_two_values() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["plan", "--set", "coop.n_ctx=4", "--set", "coop.n_ctx=8"]);
}

#[test]
fn ranges_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| {
        let output = nemesis(folder.path(), &[&["plan"], arguments].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap().lines().next().unwrap_or_default().to_owned() + "\n"
    };
    let mut all = String::new();
    for wrong in ["5-1", "1-", "-1", "1-1000000", "1,,2", "", "one", "99999999999999999999"] {
        all += &refused(&["--seeds", wrong]);
    }
    all += &refused(&["--shots", "0,1"]);
    all += &refused(&["--shots", "4294967296"]);
    insta::assert_snapshot!(all);
}

#[test]
fn ranges_that_are_none_in_a_variable_and_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(plan(folder.path(), &[], &[("NEMESIS_SEEDS", "5-1")]));
    insta::assert_snapshot!(plan(folder.path(), &[], &[("NEMESIS_SHOTS", "0")]));
    fs::write(folder.path().join("nemesis.yaml"), "seeds: [1, 2]\nshots: [1, 8-4]\n").unwrap();
    insta::assert_snapshot!(plan(folder.path(), &[], &[]));
    fs::write(folder.path().join("nemesis.yaml"), "seeds: []\n").unwrap();
    insta::assert_snapshot!(plan(folder.path(), &[], &[]));
    fs::remove_file(folder.path().join("nemesis.yaml")).unwrap();
    let suite = "name: mine\ntitle: Mine\ntable: few-shot\ndatasets: [dtd]\nshots: [0-2]\nseeds: 1\nmethods: []\n";
    fs::write(folder.path().join("mine.yaml"), suite).unwrap();
    insta::assert_snapshot!(plan(folder.path(), &["--suite", "mine.yaml"], &[]));
}

#[test]
fn a_variable_that_is_no_setting() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(plan(folder.path(), &[], &[("NEMESIS_SHOT", "16")]));
    insta::assert_snapshot!(plan(folder.path(), &[], &[("NEMESIS_FAVOURITE_COLOUR", "green")]));
}

#[test]
fn variables_for_building_plugins_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("NEMESIS_SDK", "x"), ("NEMESIS_ABI", "1"), ("NEMESIS_LIBTORCH", "2.11.0")];
    let told = plan(folder.path(), &["--datasets", "dtd", "--methods", "coop", "--shots", "1"], &variables);
    assert!(told.starts_with("exit code 0"), "{told}");
}
