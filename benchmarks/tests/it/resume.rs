//! What happened in between leaves no trace in a table: workers, kills, resumed runs.

use crate::command::{nemesis, records, told, written};
use crate::processes::{alive, left_behind, mark};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often the run is killed; `cargo xtask campaign kills` sets it.
const KILLS: &str = "XTASK_KILLS";

/// Cells of the mini suite, more of them where there are more kills to hit a run in the middle.
fn run(folder: &Path, kills: usize, jobs: &str) -> Command {
    let seeds = format!("1-{}", kills.div_ceil(4));
    let mut run = nemesis(folder, &["run", "--datasets", "dtd,eurosat", "--shots", "1,2", "--seeds", &seeds]);
    run.args(["--jobs", jobs]);
    mark(&mut run, folder);
    run
}

fn table_of_run(folder: &Path, kills: usize, jobs: &str) -> String {
    let output = run(folder, kills, jobs).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    fs::read_to_string(written(folder, &output, ".json")).unwrap()
}

/// Waits until the run has left so many records and a worker is at another, which it has to be before it ends.
fn wait_for_records(folder: &Path, run: &mut Child, wanted: usize) {
    let start = Instant::now();
    let works = || alive(folder).iter().any(|command| command.contains(" worker "));
    while records(folder) < wanted || !works() {
        assert!(run.try_wait().unwrap().is_none(), "the run ended before it was killed");
        assert!(start.elapsed() < Duration::from_secs(120), "{wanted} records do not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_table() {
    let kills = std::env::var(KILLS).map_or(3, |kills| kills.parse().expect(KILLS));
    let undisturbed = tempfile::tempdir().unwrap();
    let expected = table_of_run(undisturbed.path(), kills, "1");
    let all = records(undisturbed.path());

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut done = 0;
    for kill in 1..=kills {
        let mut run = run(folder, kills, "2").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Spread over the run, and each kill after some progress of its own.
        wait_for_records(folder, &mut run, (done + 1).max(all * kill / (kills + 1)));
        run.kill().unwrap();
        run.wait().unwrap();
        assert_eq!(left_behind(folder), [""; 0], "workers outlive a killed run");
        let now = records(folder);
        println!("kill {kill}: {now} of {all} cells were done");
        assert!(done < now && now < all, "the kill hit no run in the middle: {done}, then {now} of {all}");
        done = now;
    }
    assert_eq!(table_of_run(folder, kills, "2"), expected);
    assert_eq!(records(folder), all, "nothing is done twice under another name");
}
