//! Zero-shot columns: the data set's template, several templates, and those published for the data set.

use crate::command::{assert_command, nemesis, told};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn suite(zero_shot: &str) -> String {
    format!(
        "name: hand-written\ntitle: Hand-written prompts\ntable: few-shot\ndatasets: [dtd, eurosat]\nshots: [1]\n\
         seeds: [1]\nzero_shot: {zero_shot}\nmethods:\n  - {{method: tip-adapter}}\n"
    )
}

/// The zero-shot classifiers that a suite plans.
fn subjects(folder: &Path, zero_shot: &str) -> Vec<Value> {
    fs::write(folder.join("own.yaml"), suite(zero_shot)).unwrap();
    let plan = nemesis(folder, &["plan", "--suite", "own.yaml", "--json"]).output().unwrap();
    assert!(plan.status.success(), "{}", told(&plan));
    let cells: Vec<Value> = serde_json::from_slice(&plan.stdout).unwrap();
    let subjects = cells.iter().map(|planned| planned["cell"]["subject"].clone());
    subjects.filter(|subject| ["zero-shot", "ensemble"].iter().any(|from| subject["from"] == *from)).collect()
}

#[test]
fn each_list_of_prompts_is_a_column() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("own.yaml"), suite("[single, ensemble-7, ensemble-80, own]")).unwrap();
    let run = nemesis(folder.path(), &["run", "--suite", "own.yaml", "--limit", "10"]).output().unwrap();
    assert!(run.status.success(), "{}", told(&run));
    assert_command!(folder.path(), &["report"]);
    assert_command!(folder.path(), &["report", "--datasets", "dtd", "--methods", "tip-adapter"]);
    let seven = ["report", "--methods", "zero-shot, 7 templates", "--format", "csv"];
    let seven = told(&nemesis(folder.path(), &seven).output().unwrap());
    assert!(seven.contains("exit code 0") && seven.contains("\ndtd,0,\"Zero-shot, 7 templates\",done,"), "{seven}");
    assert!(!seven.contains("80 templates") && !seven.contains("Tip-Adapter"), "{seven}");
}

#[test]
fn true_stands_for_the_single_template_and_keeps_its_cells() {
    let folder = tempfile::tempdir().unwrap();
    let plain = subjects(folder.path(), "true");
    assert_eq!(plain, subjects(folder.path(), "[single]"));
    let templates = ["{} texture.", "a centered satellite photo of {}."];
    assert_eq!(plain, templates.map(|template| json!({ "from": "zero-shot", "template": template })));
    assert!(subjects(folder.path(), "false").is_empty());
    let own = subjects(folder.path(), "[own]");
    assert_eq!(own[1]["templates"].as_array().unwrap().len(), 3);
    assert_eq!(own[1]["templates"][0], "a centered satellite photo of {}.");
}

#[test]
fn a_list_of_unknown_prompts_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("own.yaml"), suite("[ensemble-9]")).unwrap();
    assert_command!(folder.path(), &["plan", "--suite", "own.yaml"]);
    // Nor may a method's column be taken for this one.
    let named = suite("true").replace("tip-adapter}", "tip-adapter, label: zero-shot}");
    fs::write(folder.path().join("own.yaml"), named).unwrap();
    assert_command!(folder.path(), &["plan", "--suite", "own.yaml"]);
}
