//! What happened in between leaves no trace in a table: workers, kills, resumed runs.

use crate::command::{nemesis, told, written};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Some cells of the mini suite that take a few seconds.
const SOME: [&str; 7] = ["run", "--datasets", "dtd,eurosat", "--shots", "1,2", "--seeds", "1"];

fn table_of_run(folder: &Path, jobs: &str) -> String {
    let arguments: Vec<&str> = SOME.into_iter().chain(["--jobs", jobs]).collect();
    let output = nemesis(folder, &arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    fs::read_to_string(written(folder, &output, ".json")).unwrap()
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_table() {
    let undisturbed = tempfile::tempdir().unwrap();
    let expected = table_of_run(undisturbed.path(), "1");

    let folder = tempfile::tempdir().unwrap();
    let arguments: Vec<&str> = SOME.into_iter().chain(["--jobs", "2"]).collect();
    let mut records = 0;
    // Moments spread over a run, the same on every machine relative to nothing: what they hit differs, which is fine.
    for milliseconds in [400, 900, 1300, 700, 1700, 2100, 500, 1100, 1900, 800] {
        let mut run = nemesis(folder.path(), &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        run.kill().unwrap();
        run.wait().unwrap();
        let now = fs::read_dir(folder.path().join("out/records")).map_or(0, Iterator::count);
        assert!(now >= records, "records never go");
        records = now;
    }
    assert_eq!(table_of_run(folder.path(), "2"), expected);
}
