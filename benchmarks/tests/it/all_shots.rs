//! `--shots all`: what people and programs read says `all`, never the number that stands for it.

use crate::command::{library, nemesis, told, written};
use crate::toy;
use std::fs;
use std::path::Path;

/// The number that stands for all images inside of the program.
const INSIDE: &str = "4294967295";

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = nemesis(folder, arguments).output().unwrap();
    let told = told(&output);
    assert!(output.status.success(), "{arguments:?}: {told}");
    assert!(!told.contains(INSIDE), "{arguments:?}: {told}");
    told
}

/// Every file that the run has written, as far as it is text.
fn refuse_the_number(folder: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += refuse_the_number(&path);
        } else if let Ok(text) = fs::read_to_string(&path) {
            assert!(!path.display().to_string().contains(INSIDE), "{}", path.display());
            assert!(!text.contains(INSIDE), "{}: {text}", path.display());
            count += 1;
        }
    }
    count
}

#[test]
fn all_images_are_called_so_wherever_somebody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    toy::data_root(dir, &["toy"]);
    let (weights, coop) = (toy::weights(), library("nemesis_method_coop"));
    let asked = ["--data", "data", "--datasets", "toy", "--weights", &weights, "--protocol", "mini"];
    let asked = [&asked[..], &["--methods", "coop", "--plugin", &coop, "--seeds", "1", "--shots", "1,all"]].concat();
    let with = |command: &[&'static str]| -> Vec<&str> { [command, &asked[..]].concat() };
    done(dir, &with(&["plan"]));
    done(dir, &with(&["plan", "--json"]));
    let output = nemesis(dir, &with(&["run"])).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    assert!(!told(&output).contains(INSIDE), "{}", told(&output));
    assert!(told(&output).contains("all images"), "{}", told(&output));
    assert!(refuse_the_number(&dir.join("out")) > 8);

    let table: serde_json::Value = serde_json::from_slice(&fs::read(written(dir, &output, ".json")).unwrap()).unwrap();
    let groups: Vec<&str> =
        table["groups"].as_array().unwrap().iter().map(|group| group["key"].as_str().unwrap()).collect();
    assert_eq!(groups, ["0", "1", "all"]);
    let rows = fs::read_to_string(written(dir, &output, ".csv")).unwrap();
    assert!(rows.lines().any(|row| row.starts_with("toy,all,CoOp,")), "{rows}");
    let records = fs::read_dir(dir.join("out/records")).unwrap();
    let cells = records.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    assert!(cells.filter(|record| record.contains("\"shots\": \"all\"")).count() >= 2);

    let sheet = done(dir, &["report", "--statistics"]);
    assert!(sheet.lines().any(|line| line.contains("toy") && line.contains("all")), "{sheet}");
    done(dir, &["report", "--list"]);
    let gathered = done(dir, &["report", "--datasets", "toy", "--shots", "all"]);
    assert!(gathered.contains("all images"), "{gathered}");
    let exported = ["export", "--dataset", "toy", "--method", "coop", "--shots", "all", "--seed", "1", "--to", "coop"];
    done(dir, &exported);
    // The same run again finds what it has written.
    let again = done(dir, &with(&["run"]));
    assert!(again.contains("all images"), "{again}");

    let sample = ["data", "sample", "--dataset", "toy", "--shots", "all", "--seed", "1", "--data", "data"];
    assert_eq!(done(dir, &sample).lines().filter(|line| line.starts_with("train\t")).count(), 12);
    for number in [INSIDE, "4294967296"] {
        let asked = ["plan", "--data", "data", "--weights", &weights, "--shots", number];
        assert_eq!(nemesis(dir, &asked).output().unwrap().status.code(), Some(2));
    }
}
