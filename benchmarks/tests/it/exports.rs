//! What a run leaves for other programs and for questions after it: `stats --images`, `log`, `cells`, `tensorboard`, `diff`.

use crate::command::{nemesis, told};
use crate::report_page;
use crate::skipped::skipped;
use crate::synthetic::Synthetic;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const COOP: (&str, &str) = ("coop", "CoOp");
const PEN: (&str, &str) = ("nemesis-pen", "Nemesis-PEN");

fn stdout(folder: &Path, arguments: &[&str]) -> String {
    let output = nemesis(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Text without ids, times and machines.
fn steady(text: &str) -> String {
    let replace =
        |text: &str, pattern: &str, by: &str| regex::Regex::new(pattern).unwrap().replace_all(text, by).into_owned();
    let text = replace(text, r"[0-9a-f]{64}", "[HASH]");
    let text = replace(&text, r"(?m)^  [0-9a-f]{12}  ", "  [ID]  ");
    let text = replace(&text, r"(?m)^(  in tables +\S+)-[0-9a-f]{6}$", "$1-[HASH]");
    let text = replace(&text, r"-[0-9a-f]{6}-images", "-[HASH]-images");
    replace(&text, r"(?m)^  computed .*$", "  computed     [WHEN AND WHERE]")
}

#[test]
fn one_run_told_in_every_way() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let arguments =
        ["--datasets", "dtd", "--methods", "coop,nemesis-pen", "--shots", "1", "--seeds", "1", "--limit", "10"];
    stdout(folder, &[&["run"], &arguments[..]].concat());

    insta::assert_snapshot!(
        "images",
        steady(&stdout(folder, &["stats", "--suite", "few-shot", "--images", "coop,nemesis-pen", "--format", "csv"]))
    );

    let document: Value = serde_json::from_str(&stdout(folder, &["cells", "--format", "json"])).unwrap();
    let cells = document["cells"].as_array().unwrap();
    // Two trainings, their evaluations, and zero-shot.
    assert_eq!((document["schema"].as_u64(), cells.len()), (Some(1), 5));
    csv_and_parquet_hold_the_same(folder, cells);
    fits_its_schema(&document, folder);

    let id_of = |kind: &str| {
        let cell = cells.iter().find(|cell| cell["kind"] == kind && cell["method"] == "coop").unwrap();
        cell["id"].as_str().unwrap()
    };
    insta::assert_snapshot!("log_of_a_training", steady(&stdout(folder, &["log", id_of("training")])));
    insta::assert_snapshot!("log_of_an_evaluation", steady(&stdout(folder, &["log", &id_of("evaluation")[..10]])));
    let json: Value = serde_json::from_str(&stdout(folder, &["log", id_of("evaluation"), "--json"])).unwrap();
    assert_eq!(json[1]["id"], id_of("training"));
    let output = nemesis(folder, &["log", "zz"]).output().unwrap();
    insta::assert_snapshot!(told(&output));

    the_page_tells_how_it_was_learned(folder, id_of("evaluation"));

    assert_eq!(stdout(folder, &["tensorboard", "--to", "runs"]), "2 trainings written to runs\n");
    tensorboard_reads_the_same(folder, id_of("training"));
}

fn the_page_tells_how_it_was_learned(folder: &Path, cell: &str) {
    const NAME: &str = "exports::one_run_told_in_every_way (page)";
    let page = folder.join("out/report.html");
    let Some(shown) = report_page::dom(NAME, &page, &format!("#cell={}", &cell[..12])) else { return };
    for part in ["By epoch", "cross entropy: first", "The learned context", "Nearest words", "What it got wrong"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

fn csv_and_parquet_hold_the_same(folder: &Path, cells: &[Value]) {
    stdout(folder, &["cells", "--to", "cells.parquet"]);
    let file = SerializedFileReader::new(fs::File::open(folder.join("cells.parquet")).unwrap()).unwrap();
    let csv = stdout(folder, &["cells"]);
    let mut csv = csv::Reader::from_reader(csv.as_bytes());
    let names: Vec<String> = csv.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(names, cells[0].as_object().unwrap().keys().cloned().collect::<Vec<_>>());
    let mut rows = 0;
    for ((cell, line), row) in cells.iter().zip(csv.records()).zip(file.get_row_iter(None).unwrap()) {
        for ((name, text), (column, field)) in names.iter().zip(&line.unwrap()).zip(row.unwrap().get_column_iter()) {
            assert_eq!(name, column);
            let field = match field {
                Field::Null => Value::Null,
                Field::Str(text) => Value::from(text.as_str()),
                Field::ULong(number) => Value::from(*number),
                Field::Double(number) => Value::from(*number),
                other => panic!("{name} is {other:?}"),
            };
            let known = &cell[name];
            assert!(is_same(&field, known), "{name}: {field} and {known}");
            let written = match known {
                Value::Null => Value::from(""),
                Value::String(text) => Value::from(text.as_str()),
                _ => Value::from(text.parse::<f64>().unwrap()),
            };
            assert!(is_same(&written, known) || (known.is_null() && text.is_empty()), "{name}: {text} and {known}");
            assert!(!known.is_string() || known == text, "{name}: {text} and {known}");
        }
        rows += 1;
    }
    assert_eq!(rows, cells.len());
}

/// Whether values are equal, numbers to the last digit but one: the reader of JSON here rounds that.
fn is_same(one: &Value, two: &Value) -> bool {
    match (one.as_f64(), two.as_f64()) {
        (Some(one), Some(two)) => (one - two).abs() <= 1e-15 * one.abs(),
        _ => one == two,
    }
}

/// The schema in docs is what the program prints, and cells are what it says.
fn fits_its_schema(document: &Value, folder: &Path) {
    let schema = stdout(folder, &["cells", "--schema"]);
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cells.schema.json");
    assert_eq!(fs::read_to_string(kept).unwrap(), schema, "nemesis cells --schema > docs/cells.schema.json");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let properties = schema["properties"]["cells"]["items"]["properties"].as_object().unwrap();
    for cell in document["cells"].as_array().unwrap() {
        for (name, value) in cell.as_object().unwrap() {
            let is = match value {
                Value::Null => "null",
                Value::String(_) => "string",
                Value::Number(number) if number.is_f64() => "number",
                Value::Number(_) => "integer",
                _ => panic!("{name} is {value}"),
            };
            let may = properties[name]["type"].to_string();
            assert!(may.contains(is) || (is == "integer" && may.contains("number")), "{name}: {value} is not {may}");
        }
    }
}

const READ: &str = "
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
print(json.dumps({tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()['scalars']}))
";

fn tensorboard_reads_the_same(folder: &Path, training: &str) {
    let record: Value =
        serde_json::from_slice(&fs::read(folder.join(format!("out/records/{training}.json"))).unwrap()).unwrap();
    let run = folder.join(format!("runs/dtd/coop-1-seed1-{}", &training[..12]));
    assert!(run.join("events.out.tfevents.0.nemesis").is_file());
    let python = ["python3", "python"].into_iter().find(|python| {
        Command::new(python).args(["-c", "import tensorboard"]).output().is_ok_and(|output| output.status.success())
    });
    let Some(python) = python else {
        return skipped("exports::one_run_told_in_every_way (TensorBoard)", "needs a Python with tensorboard");
    };
    let output = Command::new(python).args(["-c", READ]).arg(run).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    let epochs = record["outcome"]["epochs"].as_array().unwrap();
    for (tag, of) in [("loss", "loss"), ("learning_rate", "learning_rate")] {
        let scalars = read[tag].as_array().unwrap();
        assert_eq!(scalars.len(), epochs.len());
        for (step, (scalar, epoch)) in (1..).zip(scalars.iter().zip(epochs)) {
            assert_eq!(scalar[0], step);
            let single = |value: &Value| (value.as_f64().unwrap() as f32).to_bits();
            assert_eq!(single(&scalar[1]), single(&epoch[of]));
        }
    }
    assert_eq!(read["accuracy/dtd, all classes, first 10 of each class"].as_array().unwrap().len(), 1);
}

/// A folder of records of which the second method's accuracies are these.
fn folder_of(folder: &Path, accuracies: &[f64], limit: Option<u32>) {
    let mut records = Synthetic::new(folder);
    records.limit = limit;
    records.zero_shot("dtd", 42.0);
    records.few_shot(COOP, "dtd", 16, &[60.0, 61.0, 62.0]);
    records.few_shot(PEN, "dtd", 16, accuracies);
    records.save();
}

#[test]
fn folders_are_compared_cell_by_cell() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, accuracies, limit) in [
        ("a", &[63.0, 64.0, 65.0][..], None),
        ("noise", &[63.5, 63.0, 65.5], None),
        ("far", &[53.0, 54.5, 54.0], None),
        ("fewer", &[63.0, 64.0], None),
        ("recipe", &[63.0, 64.5, 65.0], Some(5)),
    ] {
        folder_of(&folder.join(name), accuracies, limit);
    }
    // Another question of the same suite, and its cells are of another recipe at the same places.
    let more = folder.join("more");
    folder_of(&more, &[63.0, 64.5, 65.0], Some(5));
    fs::rename(more.join("out/plans/few-shot.json"), more.join("out/plans/few-shot-5.json")).unwrap();
    folder_of(&more, &[63.0, 64.0, 65.0], None);
    let mut all = String::new();
    for other in ["a", "noise", "far", "fewer", "recipe", "more"] {
        let output =
            nemesis(folder, &["diff", "a/out", &format!("{other}/out"), "--format", "markdown"]).output().unwrap();
        all += &told(&output);
    }
    insta::assert_snapshot!("diff", all);
    // Three seeds that moved by the same image do not show more than it does.
    folder_of(&folder.join("alike"), &[63.05, 64.05, 65.05], None);
    let alike = told(&nemesis(folder, &["diff", "a/out", "alike/out"]).output().unwrap());
    assert!(alike.contains("0 beyond noise"), "{alike}");
    let output = nemesis(&more, &["report", "--format", "csv"]).output().unwrap();
    insta::assert_snapshot!("two_tables_as_csv", told(&output));
    let output = nemesis(folder, &["diff", "a/out", "nowhere"]).output().unwrap();
    insta::assert_snapshot!(told(&output));
    assert!(!folder.join("nowhere").exists());
}

/// Another suite or label makes no other cell.
#[test]
fn the_same_cells_are_compared_wherever_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    folder_of(&folder.join("a"), &[63.0, 64.0, 65.0], None);
    let mut records = Synthetic::new(&folder.join("renamed"));
    records.suite = "few-shot-all";
    records.zero_shot("dtd", 42.0);
    records.few_shot((COOP.0, "CoOp, as published"), "dtd", 16, &[60.0, 61.0, 62.0]);
    records.few_shot(PEN, "dtd", 16, &[63.0, 64.0, 65.0]);
    records.save();
    for [first, second] in [["a/out", "renamed/out"], ["renamed/out", "a/out"]] {
        let output = told(&nemesis(folder, &["diff", first, second]).output().unwrap());
        assert!(output.contains("exit code 0") && output.contains("7 equal (every prediction), 0 within"), "{output}");
    }
}
