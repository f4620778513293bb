//! A plugin costs its cell and nothing else, whatever it does. On Linux alone, which tells of processes in files and limits
//! memory.

use crate::command::{library, nemesis, told};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A suite of two sound methods, with some that are not in between.
fn write_suite(folder: &Path, misdeeds: &[&str]) {
    let entry = |misdeed: &&str| format!("  - {{method: faulty, label: {misdeed}, options: {{misdeed: {misdeed}}}}}\n");
    let faulty: String = misdeeds.iter().map(entry).collect();
    let suite = format!(
        "name: spoilt\ntitle: A spoilt run\ntable: few-shot\ndatasets: [eurosat]\nshots: [1]\nseeds: [1]\n\
         zero_shot: true\nmethods:\n  - {{method: coop}}\n{faulty}  - {{method: nemesis-pen}}\n"
    );
    fs::write(folder.join("spoilt.yaml"), suite).unwrap();
}

/// The run of that suite, whose processes can be told by [`left_behind`].
fn run(folder: &Path, limits: &[&str]) -> Command {
    let mut command = nemesis(folder, &[&["run", "--suite", "spoilt.yaml"], limits].concat());
    command.env(MARK, folder);
    command
}

const MARK: &str = "PROCESS_OF_TEST";

/// The processes that a run in `folder` has left behind, after some time to end.
fn left_behind(folder: &Path) -> Vec<String> {
    let start = Instant::now();
    loop {
        let alive = alive(folder);
        if alive.is_empty() || start.elapsed() > Duration::from_secs(10) {
            return alive;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn alive(folder: &Path) -> Vec<String> {
    let mark = format!("{MARK}={}", folder.display());
    let read = |process: &Path, file: &str| fs::read(process.join(file)).unwrap_or_default();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let marked =
        processes.filter(|process| read(process, "environ").split(|byte| *byte == 0).any(|v| v == mark.as_bytes()));
    marked.map(|process| String::from_utf8_lossy(&read(&process, "cmdline")).replace('\0', " ")).collect()
}

/// Everything that a run leaves of its cells, but for the time that they took.
fn results(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut results = BTreeMap::new();
    for kind in ["records", "predictions", "states"] {
        for entry in fs::read_dir(out.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            let mut content = fs::read(&path).unwrap();
            if kind == "records" {
                let mut record: Value = serde_json::from_slice(&content).unwrap();
                assert!(record["provenance"]["seconds"].take().is_f64());
                content = record.to_string().into_bytes();
            }
            results.insert(path.strip_prefix(out).unwrap().display().to_string(), content);
        }
    }
    results
}

#[test]
fn faulty_plugins_cost_their_cells_and_no_others() {
    let (undisturbed, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_suite(undisturbed.path(), &[]);
    let output = run(undisturbed.path(), &[]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));

    let misdeeds =
        ["abort", "segfault", "exit", "panic", "hang", "hoard", "loss-of-nan", "logits-of-nan", "logits-too-wide"];
    write_suite(folder.path(), &misdeeds);
    let plugin = library("nemesis_faulty_plugin");
    let limits = ["--plugin", &plugin, "--jobs", "1", "--cell-timeout", "20", "--cell-memory", "6"];
    let output = run(folder.path(), &limits).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert_eq!(left_behind(folder.path()), [""; 0], "processes are left behind");

    let table = String::from_utf8(output.stdout).unwrap();
    insta::with_settings!({ filters => [
        (r"rs:\d+:\d+", "rs:[LINE]"),
    ]}, { insta::assert_snapshot!(table) });

    let (expected, found) = (results(&undisturbed.path().join("out")), results(&folder.path().join("out")));
    // Zero-shot, and training and evaluation of two methods.
    assert_eq!(expected.keys().filter(|name| name.starts_with("records")).count(), 5);
    for (name, content) in &expected {
        assert_eq!(found.get(name), Some(content), "{name}");
    }
    // The trainings of those that lie in evaluations alone are cells like any other.
    assert_eq!(found.keys().filter(|name| name.starts_with("records")).count(), 7);
}

#[test]
fn nothing_outlives_a_killed_run() {
    let folder = tempfile::tempdir().unwrap();
    write_suite(folder.path(), &["hang"]);
    let mut run = run(folder.path(), &["--plugin", &library("nemesis_faulty_plugin")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !alive(folder.path()).iter().any(|command| command.starts_with("sleep")) {
        assert!(start.elapsed() < Duration::from_secs(120) && run.try_wait().unwrap().is_none(), "it does not hang");
        std::thread::sleep(Duration::from_millis(50));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(left_behind(folder.path()), [""; 0], "processes are left behind");
}
