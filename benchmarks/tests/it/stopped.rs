//! Runs that a signal ends.

use crate::command::{nemesis, records, told, without_settings};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Cells of the mini suite that take longer than this test.
const MANY: [&str; 7] = ["run", "--datasets", "dtd,eurosat", "--shots", "8,16", "--jobs", "2"];

fn signal(process: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &process.id().to_string()]).status().unwrap().success());
}

/// A run that has left a few records. Tests may have been started so that they notice no hangup, as with `nohup`.
fn begun(folder: &Path) -> Child {
    let run = nemesis(folder, &MANY);
    let mut noticing = without_settings(Command::new("env"));
    noticing.args(["--default-signal=HUP", "--"]).arg(run.get_program()).args(run.get_args()).current_dir(folder);
    let run = noticing.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while records(folder) < 3 {
        assert!(start.elapsed() < Duration::from_secs(120), "no records");
        std::thread::sleep(Duration::from_millis(20));
    }
    run
}

/// The processes whose parent is `process`.
fn children(process: &Child) -> Vec<String> {
    let path = format!("/proc/{0}/task/{0}/children", process.id());
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_signal_ends_a_run_with_what_is_done() {
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let folder = tempfile::tempdir().unwrap();
        let mut run = begun(folder.path());
        let workers = children(&run);
        signal(&run, name);
        let mut told = String::new();
        run.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(run.wait().unwrap().code(), Some(code), "{told}");
        let expected = format!("{} of 74 cells done; the same command resumes", records(folder.path()));
        assert_eq!(told.lines().last(), Some(expected.as_str()), "{told}");
        let tables = fs::read_dir(folder.path().join("out")).unwrap();
        let is_table = |path: &Path| path.extension().is_some_and(|ending| ending == "md");
        assert!(!tables.into_iter().any(|entry| is_table(&entry.unwrap().path())), "no table is made of a part");
        for worker in workers {
            assert!(!Path::new("/proc").join(&worker).exists(), "the worker {worker} is still there");
        }
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = begun(folder.path());
    signal(&run, "INT");
    signal(&run, "INT");
    let status = run.wait().unwrap();
    // The first may have been enough already.
    assert!(status.code() == Some(130) || status.signal() == Some(2), "{status:?}");
    let line = BufReader::new(run.stdout.take().unwrap()).lines().next();
    assert!(line.is_none(), "nothing goes to standard output");
}

/// Queues signal every process of a job, and a script of the job passes the signal on once more.
#[test]
fn an_echo_of_a_signal_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = begun(folder.path());
    (0..3).for_each(|_| signal(&run, "TERM"));
    let status = run.wait().unwrap();
    assert_eq!(status.code(), Some(143), "{status:?}");
}

#[test]
fn a_run_that_was_started_so_outlives_its_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let few = ["run", "--datasets", "dtd", "--shots", "1", "--seeds", "1", "--methods", "coop"];
    let run = nemesis(folder.path(), &few);
    let mut shell = without_settings(Command::new("sh"));
    // What `nohup` does.
    shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(run.get_program()).args(run.get_args());
    let run = shell.current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while children(&run).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "no worker");
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(&run, "HUP");
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

/// A queue signals every process of a job: this one perhaps last, and a worker perhaps before it listens.
#[test]
fn a_worker_that_is_told_to_end_costs_no_cell() {
    let folder = tempfile::tempdir().unwrap();
    let few = ["run", "--datasets", "dtd", "--shots", "1,16", "--seeds", "1", "--methods", "coop", "--jobs", "1"];
    let mut run = nemesis(folder.path(), &few).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let is_worker = |process: &String| {
        let words = fs::read_to_string(Path::new("/proc").join(process).join("cmdline")).unwrap_or_default();
        words.split('\0').nth(1) == Some("worker")
    };
    let mut told_to_end = Vec::new();
    // As soon as it is there, while it computes, and in between.
    for pause in [0, 2000, 300] {
        let worker = loop {
            if let Some(worker) = children(&run).into_iter().find(|p| is_worker(p) && !told_to_end.contains(p)) {
                break Some(worker);
            }
            if run.try_wait().unwrap().is_some() {
                break None;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        std::thread::sleep(Duration::from_millis(pause));
        if let Some(worker) = &worker {
            // It may have ended by now.
            Command::new("kill").arg(worker).stderr(Stdio::null()).status().unwrap();
        }
        told_to_end.extend(worker);
    }
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    assert!(!told_to_end.is_empty() && !told(&output).contains("failed"), "{}", told(&output));
    assert_eq!(fs::read_dir(folder.path().join("out/failures")).map_or(0, Iterator::count), 0);
}
