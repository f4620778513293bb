//! A training that learns nothing, or whose numbers are not finite, fails with a message that says why and where.

use crate::command::{library, nemesis, told};
use std::fs;
use std::path::Path;
use std::process::Output;

/// A run of the faulty plugin once for each misdeed, on one data set of the mini suite.
fn run(folder: &Path, misdeeds: &[&str], more: &[&str]) -> Output {
    let entry = |misdeed: &&str| format!("  - {{method: faulty, label: {misdeed}, options: {{misdeed: {misdeed}}}}}\n");
    let methods: String = misdeeds.iter().map(entry).collect();
    let suite = format!(
        "name: spoilt\ntitle: A spoilt run\ntable: few-shot\ndatasets: [eurosat]\nshots: [1]\nseeds: [1]\n\
         zero_shot: false\nmethods:\n{methods}"
    );
    fs::write(folder.join("spoilt.yaml"), suite).unwrap();
    let plugin = library("nemesis_faulty_plugin");
    let arguments = ["run", "--suite", "spoilt.yaml", "--plugin", &plugin, "--jobs", "1"];
    nemesis(folder, &[&arguments[..], more].concat()).output().unwrap()
}

/// What is said of the trainings, each by its misdeed.
fn failures(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", told(output));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut within = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        // Progress is told in between.
        let progress = line.trim_start().starts_with(|c: char| c.is_ascii_digit());
        within = line.starts_with("failed: train") || (within && line.starts_with("  ") && !progress);
        if within {
            lines.push(line);
        }
    }
    lines.join("\n")
}

#[test]
fn a_method_whose_parameters_get_no_gradient_leaves_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["forget-gradients", "zero-gradient", "no-graph"], &[]);
    insta::assert_snapshot!(failures(&output));
    assert!(!folder.path().join("out/records").exists(), "nothing is recorded");
}

#[test]
fn numbers_that_are_not_finite_are_told_by_where_they_arise() {
    let folder = tempfile::tempdir().unwrap();
    let misdeeds =
        ["loss-of-nan", "start-of-nan", "loss-of-nan-later", "gradient-of-nan", "report-of-nan", "large-loss"];
    insta::assert_snapshot!(failures(&run(folder.path(), &misdeeds, &[])));
    assert!(!folder.path().join("out/records").exists(), "nothing is recorded");
}

#[test]
fn gradients_that_no_loss_scale_makes_finite_leave_no_row() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(failures(&run(folder.path(), &["gradient-of-nan"], &["--precision", "amp"])));
}

/// Each would give a number that looks like any other.
#[test]
fn what_would_be_trained_or_told_wrongly_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let misdeeds = [
        "own-backward",
        "single-loss",
        "other-lengths",
        "report-of-loss",
        "twins",
        "replaced",
        "negative-rate",
        "other-shape",
        "state-of-metadata",
    ];
    // A batch has fewer images than there are, so that an epoch has several steps.
    let output = run(folder.path(), &misdeeds, &["--set", "faulty.protocol.batch_size=3"]);
    insta::assert_snapshot!(failures(&output));
    assert!(!folder.path().join("out/records").exists(), "nothing is recorded");
}

#[test]
fn whole_numbers_are_no_logits() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["whole-logits"], &[]);
    let text = told(&output);
    assert!(output.status.code() == Some(1) && text.contains("the logits are of the type Int64"), "{text}");
}

/// A method that changes what it is shown changes it for no other.
#[test]
fn features_that_a_method_changes_are_its_own() {
    let table = |misdeeds: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let output = run(folder.path(), misdeeds, &[]);
        assert!(output.status.success(), "{}", told(&output));
        let tables = String::from_utf8(output.stdout).unwrap();
        let row = tables.lines().find(|line| line.starts_with("EuroSAT")).unwrap().to_owned();
        row.split_whitespace().last().unwrap().to_owned()
    };
    assert_eq!(table(&["changed-features", "sound"]), table(&["sound"]));
}
