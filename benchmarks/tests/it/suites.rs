//! The other suites on the mini root, each from one command. They share a folder, so that what one has trained the
//! next only evaluates.

use crate::command::{nemesis, told, written};
use crate::gallery;
use std::fs;
use std::path::Path;

/// Runs a suite and returns its Markdown.
fn table(folder: &Path, arguments: &[&str]) -> String {
    let output = nemesis(folder, &[&["run", "--suite"], arguments].concat()).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    // A part of a suite has a name of its own.
    fs::read_to_string(written(folder, &output, ".md")).unwrap()
}

#[test]
fn every_suite_from_one_command() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    insta::assert_snapshot!("base_to_new", table(folder, &["base-to-new"]));
    insta::assert_snapshot!("domain_generalization", table(folder, &["domain-generalization"]));
    insta::assert_snapshot!("norm_curve", table(folder, &["norm-curve"]));
    insta::assert_snapshot!("ablation", table(folder, &["ablation", "--datasets", "dtd,eurosat"]));
    let effect = table(folder, &["low-norm-effect", "--datasets", "dtd,eurosat,ucf101", "--shots", "1,16"]);
    insta::assert_snapshot!("low_norm_effect", effect);

    // All tables can be printed again, and nothing was left to compute.
    let report = nemesis(folder, &["report"]).output().unwrap();
    assert!(report.status.success(), "{}", told(&report));
    let again = nemesis(folder, &["run", "--suite", "base-to-new"]).output().unwrap();
    assert!(String::from_utf8_lossy(&again.stderr).contains("0 cells computed"), "{}", told(&again));
    gallery::shows(folder, "suites");
}
