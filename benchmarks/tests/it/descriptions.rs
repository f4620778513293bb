//! Descriptions of classes: a zero-shot column from a text asset beside the suite.

use crate::command::{assert_command, nemesis, told, written};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const SUITE: &str = "name: described
title: Described classes
table: few-shot
datasets: [dtd, eurosat]
shots: [1]
seeds: [1]
zero_shot: [single, descriptions]
descriptions: {eurosat: texts/eurosat.json}
methods:
  - {method: tip-adapter}
";

/// Descriptions of the mini EuroSAT's classes.
fn descriptions(folder: &Path) -> Value {
    let plan = nemesis(folder, &["plan", "--datasets", "eurosat", "--methods", "coop"]).output().unwrap();
    assert!(plan.status.success(), "{}", told(&plan));
    let split = fs::read_to_string(folder.join("out/mini/eurosat/split_zhou_EuroSAT.json")).unwrap();
    let split: Value = serde_json::from_str(&split).unwrap();
    let names = split["train"].as_array().unwrap().iter().map(|item| item[2].as_str().unwrap());
    let own = |name: &str| json!([format!("A satellite photo of {name}."), format!("{name}, seen from above.")]);
    Value::Object(names.map(|name| (name.to_owned(), own(name))).collect())
}

fn write(folder: &Path, suite: &str, descriptions: &Value) {
    fs::create_dir_all(folder.join("texts")).unwrap();
    fs::write(folder.join("described.yaml"), suite).unwrap();
    fs::write(folder.join("texts/eurosat.json"), descriptions.to_string()).unwrap();
}

/// The ids of the evaluations of descriptions.
fn ids(folder: &Path) -> Vec<Value> {
    let plan = nemesis(folder, &["plan", "--suite", "described.yaml", "--json"]).output().unwrap();
    assert!(plan.status.success(), "{}", told(&plan));
    let cells: Vec<Value> = serde_json::from_slice(&plan.stdout).unwrap();
    let described = cells.iter().filter(|planned| planned["cell"]["subject"]["from"] == "described");
    described.map(|planned| planned["id"].clone()).collect()
}

#[test]
fn descriptions_are_a_column_and_part_of_the_id() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut texts = descriptions(folder);
    write(folder, SUITE, &texts);
    assert_command!(folder, &["run", "--suite", "described.yaml", "--limit", "10"]);
    // Each class under the description of another: sentences are what classifies.
    let (names, own): (Vec<_>, Vec<_>) = texts.as_object().unwrap().clone().into_iter().unzip();
    let wrong = names.iter().cloned().zip(own.iter().cycle().skip(1).cloned());
    write(folder, SUITE, &Value::Object(wrong.collect()));
    let run = nemesis(folder, &["run", "--suite", "described.yaml", "--limit", "10"]).output().unwrap();
    assert!(run.status.success(), "{}", told(&run));
    let table = fs::read_to_string(written(folder, &run, ".json")).unwrap();
    let table: Value = serde_json::from_str(&table).unwrap();
    let accuracy = table["rows"][1]["values"][0][1]["mean"].as_f64().unwrap();
    assert!(accuracy < 20.0, "{accuracy}");

    write(folder, SUITE, &texts);
    let before = ids(folder);
    assert_eq!(before.len(), 1, "no file describes the other data set");
    let class = texts.as_object().unwrap().keys().next().unwrap().clone();
    texts[&class][1] = json!("Something else.");
    write(folder, SUITE, &texts);
    assert_ne!(ids(folder), before);
}

#[test]
fn descriptions_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let texts = descriptions(folder);
    let mut fewer = texts.clone();
    let class = texts.as_object().unwrap().keys().next_back().unwrap().clone();
    fewer.as_object_mut().unwrap().remove(&class);
    write(folder, SUITE, &fewer);
    assert_command!(folder, &["plan", "--suite", "described.yaml"]);
    let mut long = texts;
    long[&class] = json!(["word ".repeat(80)]);
    write(folder, SUITE, &long);
    let refused = told(&nemesis(folder, &["plan", "--suite", "described.yaml"]).output().unwrap());
    assert!(refused.contains("takes 82 tokens") && refused.contains("at most 77 tokens"), "{refused}");
    write(folder, &SUITE.replace("descriptions: {eurosat: texts/eurosat.json}\n", ""), &fewer);
    assert_command!(folder, &["plan", "--suite", "described.yaml"]);
}

/// With next to no share of its adapter, CLIP-Adapter is the zero-shot classifier of its texts.
#[test]
fn a_method_reads_descriptions_and_its_id_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let adapter = "  - {method: clip-adapter, options: {templates: descriptions, ratio: 1.0e-6}}";
    let suite = SUITE.replace("[dtd, eurosat]", "[eurosat]").replace("  - {method: tip-adapter}", adapter);
    // Each class under the description of another: sentences are what classifies.
    let (names, own): (Vec<_>, Vec<_>) = descriptions(folder).as_object().unwrap().clone().into_iter().unzip();
    let mut texts = Value::Object(names.into_iter().zip(own.iter().cycle().skip(1).cloned()).collect());
    write(folder, &suite, &texts);
    assert_command!(folder, &["run", "--suite", "described.yaml", "--limit", "10"]);
    let trainings = || {
        let plan = nemesis(folder, &["plan", "--suite", "described.yaml", "--json"]).output().unwrap();
        assert!(plan.status.success(), "{}", told(&plan));
        let cells: Vec<Value> = serde_json::from_slice(&plan.stdout).unwrap();
        cells.into_iter().filter(|planned| planned["cell"]["kind"] == "training").collect::<Vec<_>>()
    };
    let before = trainings();
    let class = texts.as_object().unwrap().keys().next().unwrap().clone();
    texts[&class][1] = json!("Something else.");
    // Without the column, which is not the only reader.
    write(folder, &suite.replace("[single, descriptions]", "true"), &texts);
    assert_ne!(trainings()[0]["id"], before[0]["id"]);
    write(folder, &suite.replace("[eurosat]", "[dtd]").replace("[single, descriptions]", "true"), &texts);
    assert_command!(folder, &["plan", "--suite", "described.yaml"]);
    write(folder, &suite.replace("templates: descriptions, ", "").replace("[single, descriptions]", "true"), &texts);
    assert_command!(folder, &["plan", "--suite", "described.yaml"]);
}
