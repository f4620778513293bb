//! A plugin costs its cell and nothing else, whatever it does. On Linux alone, which tells of processes in files and limits
//! memory.

use crate::command::{library, nemesis, regex_escape, told, wrote_nothing};
use crate::processes::{alive, left_behind, mark, processes, read};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Asserts a snapshot in which the faulty plugin lies nowhere in particular.
macro_rules! assert_snapshot_of_files {
    ($text:expr) => {{
        let plugin = library("nemesis_faulty_plugin");
        insta::with_settings!({ filters => [(regex_escape(Path::new(&plugin)).as_str(), "[PLUGIN]")] }, {
            insta::assert_snapshot!($text);
        });
    }};
}

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

/// The run of that suite, whose processes can be told by their mark.
fn run(folder: &Path, limits: &[&str]) -> Command {
    let mut command = nemesis(folder, &[&["run", "--suite", "spoilt.yaml"], limits].concat());
    mark(&mut command, folder);
    command
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
                assert!(record["checksum"].take().is_string());
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

    let misdeeds = [
        "abort-in-create",
        "exit-in-create",
        "hang-in-create",
        "abort",
        "segfault",
        "exit",
        "panic",
        "hang",
        "hoard",
        "loss-of-nan",
        "logits-of-nan",
        "logits-too-wide",
    ];
    write_suite(folder.path(), &misdeeds);
    let plugin = library("nemesis_faulty_plugin");
    let limits = ["--plugin", &plugin, "--jobs", "1", "--plugin-timeout", "5", "--cell-timeout", "12"];
    let output = run(folder.path(), &[&limits[..], &["--memory", "3GB"]].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert_eq!(left_behind(folder.path()), [""; 0], "processes are left behind");

    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    insta::with_settings!({ filters => [
        (r"rs:\d+:\d+", "rs:[LINE]"),
    ]}, { insta::assert_snapshot!(table) });
    assert_snapshot_of_files!(warnings(&output));

    let (expected, found) = (results(&undisturbed.path().join("out")), results(&folder.path().join("out")));
    // Zero-shot, and training and evaluation of two methods.
    assert_eq!(expected.keys().filter(|name| name.starts_with("records")).count(), 5);
    for (name, content) in &expected {
        assert_eq!(found.get(name), Some(content), "{name}");
    }
    // The trainings of those that lie in evaluations alone are cells like any other.
    assert_eq!(found.keys().filter(|name| name.starts_with("records")).count(), 7);
}

/// The warnings on standard error, which also tells progress.
fn warnings(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut within = false;
    let mut warnings = Vec::new();
    for line in text.lines() {
        within = line.starts_with("warning: ") || (within && line.starts_with("  "));
        if within {
            warnings.push(line);
        }
    }
    warnings.join("\n")
}

/// What happens when the library is loaded is told to it in a variable of this name.
const WHEN_LOADED: &str = "FAULT_WHEN_LOADED";

#[test]
fn a_plugin_that_is_lost_when_it_is_loaded_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = library("nemesis_faulty_plugin");
    let mut told_of = Vec::new();
    for (command, misdeed) in [
        (&["run", "--plugin", &plugin][..], "abort"),
        // Sound plugins must keep within it, on a busy machine, too.
        (&["run", "--plugin-timeout", "3", "--plugin", &plugin], "hang"),
        (&["plugin", "describe", &plugin], "abort"),
    ] {
        let mut command = nemesis(folder.path(), command);
        mark(&mut command, folder.path());
        let output = command.env(WHEN_LOADED, misdeed).output().unwrap();
        told_of.push(told(&output));
        assert_eq!(left_behind(folder.path()), [""; 0], "processes are left behind");
    }
    assert_snapshot_of_files!(told_of.join("\n"));
    assert!(wrote_nothing(folder.path()), "nothing is written");
}

#[test]
fn a_plugin_that_crashes_beside_another_is_not_mistaken_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = library("nemesis_faulty_plugin");
    let mut plan = nemesis(folder.path(), &["plan", "--json", "--plugin", &plugin]);
    let output = plan.env(WHEN_LOADED, "abort-beside-another").output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", told(&output));
}

#[test]
fn a_plugin_that_a_worker_cannot_load_costs_its_cells_alone() {
    let folder = tempfile::tempdir().unwrap();
    write_suite(folder.path(), &[]);
    let plugin = library("nemesis_faulty_plugin");
    let output = run(folder.path(), &["--plugin", &plugin]).env(WHEN_LOADED, "abort-in-worker").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
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
        std::thread::sleep(Duration::from_millis(10));
    }
    // Where memory runs out, a worker goes before its coordinator.
    let scores = processes(folder.path()).iter().map(|process| read(process, "oom_score_adj")).collect::<Vec<_>>();
    let own = read(Path::new("/proc/self"), "oom_score_adj");
    assert!(scores.contains(&own) && scores.contains(&b"800\n".to_vec()), "{scores:?}");

    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(left_behind(folder.path()), [""; 0], "processes are left behind");
}
