//! What stands under a table is about what is in it.

use crate::command::{nemesis, told, written};
use std::fs;
use std::path::Path;

/// The sentences under the table of a run.
fn remarks(folder: &Path, arguments: &[&str]) -> String {
    let some = ["run", "--datasets", "dtd", "--shots", "1", "--seeds", "1"];
    let output = nemesis(folder, &[&some, arguments].concat()).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let text = fs::read_to_string(written(folder, &output, ".md")).unwrap();
    text.lines()
        .skip_while(|line| !line.starts_with("Top-1"))
        .filter(|line| !line.is_empty())
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[test]
fn remarks_of_absent_methods_and_of_options_set_otherwise_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("coop_alone", remarks(folder.path(), &["--methods", "coop"]));
    insta::assert_snapshot!("pen_alone", remarks(folder.path(), &["--methods", "coop,nemesis-pen"]));
    let set = ["--methods", "nemesis-pen", "--set", "nemesis-pen.alpha=2", "--set", "nemesis-pen.n_ctx=4"];
    insta::assert_snapshot!("set_otherwise", remarks(folder.path(), &set));
}

#[test]
fn a_note_may_say_what_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let suite = "name: mine
title: Mine
table: few-shot
datasets: [dtd]
shots: [1]
seeds: [1]
methods:
  - method: coop
notes:
  - said of all
  - {text: said of PEN, methods: [nemesis-pen]}
  - {text: said of EuroSAT, datasets: [eurosat]}
  - {text: said of contexts, options: [n_ctx]}
";
    fs::write(folder.path().join("mine.yaml"), suite).unwrap();
    let told = remarks(folder.path(), &["--suite", "mine.yaml"]);
    for (words, there) in [("of all", true), ("of PEN", false), ("of EuroSAT", false), ("of contexts", true)] {
        assert_eq!(told.contains(words), there, "{words}: {told}");
    }
    assert!(folder.path().join("out/mine.md").exists(), "the suite as it stands has its own name");
    fs::write(folder.path().join("mine.yaml"), suite.replace("datasets: [eurosat]", "dataset: [eurosat]")).unwrap();
    let refused = nemesis(folder.path(), &["run", "--suite", "mine.yaml"]).output().unwrap();
    insta::assert_snapshot!("unknown_key_of_a_note", crate::command::told(&refused));
}
