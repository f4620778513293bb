//! `--format`: the formats that files are written in are those that can be printed.

use crate::command::{assert_command, nemesis, told};
use crate::synthetic::Synthetic;
use std::fs;
use std::path::Path;

fn records(folder: &Path) {
    let mut records = Synthetic::new(folder);
    records.zero_shot("dtd", 42.0);
    records.few_shot(("coop", "CoOp"), "dtd", 16, &[12.0, 64.05, 64.15]);
    records.few_shot(("nemesis-pen", "Nemesis-PEN"), "dtd", 16, &[62.5, 63.05]);
    records.save();
}

#[test]
fn what_is_printed_is_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    records(folder.path());
    for (format, ending) in [("markdown", "md"), ("csv", "csv"), ("latex", "tex"), ("json", "json")] {
        // The run is not complete, which the exit code says.
        let output = nemesis(folder.path(), &["report", "--format", format]).output().unwrap();
        let written = fs::read_to_string(folder.path().join(format!("out/few-shot.{ending}"))).unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), written, "{format}: {}", told(&output));
        assert!(!written.is_empty());
    }
}

#[test]
fn statistics_as_latex() {
    let folder = tempfile::tempdir().unwrap();
    records(folder.path());
    assert_command!(folder.path(), &["report", "--statistics", "--format", "latex"]);
}

#[test]
fn pairs_as_latex() {
    let folder = tempfile::tempdir().unwrap();
    records(folder.path());
    assert_command!(folder.path(), &["report", "--paired", "coop,nemesis-pen", "--format", "latex"]);
}

#[test]
fn a_format_that_there_is_not() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["report", "--format", "latx"]);
}
