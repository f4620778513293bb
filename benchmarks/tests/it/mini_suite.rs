//! The mini suite from end to end: the table that the README shows, and what must hold for its numbers.

use crate::command::{nemesis, nemesis_by_itself, told};
use crate::gallery;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The whole default run. It takes a few minutes, as the README's first command does.
#[test]
fn the_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let output = nemesis_by_itself(folder.path(), &["run"]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let markdown = fs::read_to_string(folder.path().join("out/few-shot.md")).unwrap();
    insta::assert_snapshot!("few_shot_table", markdown);
    the_numbers_make_sense(folder.path());
    the_readme_shows(&String::from_utf8_lossy(&output.stdout));

    // A second run computes nothing and prints the same; so does a report.
    let again = nemesis(folder.path(), &["run"]).output().unwrap();
    assert!(String::from_utf8_lossy(&again.stderr).contains("0 cells computed"), "{}", told(&again));
    assert_eq!(again.stdout, output.stdout);
    let report = nemesis(folder.path(), &["report"]).output().unwrap();
    assert_eq!(report.stdout, output.stdout);
    gallery::shows(folder.path(), "few-shot");
}

/// The README's first listing is real output; its lines that begin with `…` stand for what it leaves out.
fn the_readme_shows(output: &str) {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let (_, listing) = readme.split_once("$ cargo xtask reproduce\n").unwrap();
    let (listing, _) = listing.split_once("```").unwrap();
    let mut rest = output;
    for part in listing.split_inclusive('\n').collect::<Vec<_>>().split(|line| line.starts_with('…')) {
        let part = part.concat();
        let part = part.trim();
        let Some(start) = rest.find(part) else {
            panic!("the README shows what no run prints, or in another order:\n{part}\n\n{output}")
        };
        rest = &rest[start + part.len()..];
    }
}

/// The suite is there to show learning: zero-shot neither useless nor perfect, and prompts that learn.
fn the_numbers_make_sense(folder: &Path) {
    let table: Value = serde_json::from_slice(&fs::read(folder.join("out/few-shot.json")).unwrap()).unwrap();
    let rows = table["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 12);
    let mean = |row: &Value, group: usize, column: usize| row["values"][group][column]["mean"].as_f64().unwrap();
    for row in rows {
        let zero_shot = mean(row, 0, 0);
        assert!((12.0..99.0).contains(&zero_shot), "zero-shot on {}: {zero_shot}", row["label"]);
    }
    let average = rows.last().unwrap();
    let (zero_shot, coop) = (mean(average, 0, 0), mean(average, 5, 0));
    assert!((30.0..75.0).contains(&zero_shot), "zero-shot on average: {zero_shot}");
    assert!(coop >= zero_shot + 10.0, "CoOp at 16 shots: {coop}, zero-shot: {zero_shot}");
}
