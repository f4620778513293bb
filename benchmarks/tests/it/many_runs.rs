//! Several runs on one folder: they divide the jobs, and none is lost with a run that dies or sleeps.

use crate::command::{nemesis, records, told, written};
use crate::processes::{left_behind, mark, processes};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A run of 8 trainings with 9 evaluations, in 4 jobs and one for zero-shot CLIP.
const SMALL: [&str; 11] = [
    "run",
    "--datasets",
    "eurosat",
    "--methods",
    "coop,nemesis-pen",
    "--shots",
    "1,2",
    "--seeds",
    "1,2",
    "--jobs",
    "1",
];
const CELLS: usize = 17;

fn run(folder: &Path, more: &[&str]) -> Command {
    let mut run = nemesis(folder, &[&SMALL[..], more].concat());
    run.stdout(Stdio::piped()).stderr(Stdio::piped());
    run
}

/// How many cells a run says that it has computed.
fn computed(output: &Output) -> usize {
    let told = told(output);
    assert!(output.status.success(), "{told}");
    let says = |line: &&str| [" cell computed, ", " cells computed, "].iter().any(|words| line.contains(words));
    let line = told.lines().find(says).unwrap_or_else(|| panic!("{told}"));
    line.split(' ').next().unwrap().parse().unwrap()
}

fn table(folder: &Path, output: &Output) -> String {
    fs::read_to_string(written(folder, output, ".json")).unwrap()
}

fn wait_for_records(folder: &Path, run: &mut Child, wanted: usize) {
    let start = Instant::now();
    while records(folder) < wanted {
        assert!(run.try_wait().unwrap().is_none(), "the run has ended");
        assert!(start.elapsed() < Duration::from_secs(60), "{wanted} records do not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal to all processes of the marked run in `folder`.
fn signal(folder: &Path, name: &str) {
    // What has been stopped starts no more processes, so that the second time there are no others.
    for _ in 0..2 {
        for process in processes(folder) {
            let id = process.file_name().unwrap().to_string_lossy().into_owned();
            let _ = Command::new("kill").args(["-s", name, &id]).stderr(Stdio::null()).status();
        }
    }
}

/// Stops all processes of the marked run in `folder` at a moment at which it is at a job.
fn stop_at_work(folder: &Path, run: &mut Child) {
    let start = Instant::now();
    let is_at_work = || fs::read_dir(folder.join("out/leases/jobs")).into_iter().flatten().next().is_some();
    loop {
        assert!(run.try_wait().unwrap().is_none(), "the run has ended");
        assert!(start.elapsed() < Duration::from_secs(60), "it takes no job");
        if is_at_work() {
            signal(folder, "STOP");
            if is_at_work() {
                return;
            }
            signal(folder, "CONT");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The files of leases that are left.
fn leases(folder: &Path) -> Vec<String> {
    let of = |name: &str| fs::read_dir(folder.join("out/leases").join(name)).into_iter().flatten().flatten();
    let names = of("runs").chain(of("jobs"));
    names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn runs_on_one_folder_divide_its_jobs() {
    let alone = tempfile::tempdir().unwrap();
    let expected = run(alone.path(), &[]).output().unwrap();
    assert_eq!(computed(&expected), CELLS);

    let folder = tempfile::tempdir().unwrap();
    let runs: Vec<Child> = (0..3).map(|_| run(folder.path(), &[]).spawn().unwrap()).collect();
    let outputs: Vec<Output> = runs.into_iter().map(|run| run.wait_with_output().unwrap()).collect();
    let parts: Vec<usize> = outputs.iter().map(computed).collect();
    assert_eq!(parts.iter().sum::<usize>(), CELLS, "no cell is computed twice: {parts:?}");
    assert!(parts.iter().filter(|part| **part > 0).count() > 1, "one run did it all: {parts:?}");
    for output in &outputs {
        assert_eq!(table(folder.path(), output), table(alone.path(), &expected));
    }
    assert_eq!(leases(folder.path()), [""; 0]);
}

#[test]
fn the_jobs_of_a_run_that_dies_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut first = run(folder, &[]).spawn().unwrap();
    wait_for_records(folder, &mut first, 2);
    first.kill().unwrap();
    first.wait().unwrap();
    let before = records(folder);
    let start = Instant::now();
    let second = run(folder, &[]).output().unwrap();
    assert_eq!(computed(&second), CELLS - before);
    assert!(start.elapsed() < Duration::from_secs(60), "it waited for a process that is certainly dead");
    assert_eq!(leases(folder), [""; 0]);
}

/// Its lease is lost while it sleeps. When it wakes up, another run is at its job or has done it.
#[test]
fn a_run_that_wakes_up_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut first = run(folder, &["--lease-timeout", "1"]);
    mark(&mut first, folder);
    let mut sleeper = first.spawn().unwrap();
    wait_for_records(folder, &mut sleeper, 2);
    signal(folder, "STOP");
    let second = run(folder, &["--lease-timeout", "1"]).output().unwrap();
    assert!(computed(&second) > 0);
    signal(folder, "CONT");
    let first = sleeper.wait_with_output().unwrap();
    computed(&first);
    assert_eq!(table(folder, &first), table(folder, &second));
    assert_eq!(records(folder), CELLS);
    assert_eq!(left_behind(folder), [""; 0]);
    assert_eq!(leases(folder), [""; 0]);
}

#[test]
fn a_run_need_not_wait_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small = ["--shots", "1", "--seeds", "1"];
    let mut first = run(folder, &small);
    mark(&mut first, folder);
    let mut first = first.spawn().unwrap();
    stop_at_work(folder, &mut first);
    // There are two jobs: this run takes the one that the other does not hold.
    let second = run(folder, &[&small[..], &["--no-wait"]].concat()).output().unwrap();
    let done = records(folder);
    signal(folder, "CONT");
    let told = told(&second);
    assert!(second.status.success(), "{told}");
    assert!(told.contains("1 job is with other runs, of which the last one prints the table"), "{told}");
    assert!(second.stdout.is_empty(), "a table of a part: {told}");
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success());
    assert!(done < records(folder), "the second run has done everything: {told}");
    assert!(!first.stdout.is_empty(), "the last run prints the table");
}
