//! Two machines that share a file server and see what the other does late.

use super::{OnDisk, Undisturbed, faults, is_left_to_the_campaign, lend_pictures, report};
use crate::command::told;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Output};
use std::time::Duration;

fn spawn(undisturbed: &Undisturbed, place: &Path) -> Child {
    let mut run = undisturbed.run(place, &["--lease-timeout", "5"]);
    run.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
}

/// How many cells a run says that it has computed.
fn computed(output: &Output) -> usize {
    let told = told(output);
    assert!(output.status.success(), "{told}");
    let line = told.lines().find(|line| line.contains(" cells computed, "));
    line.map_or(0, |line| line.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn runs_on_two_machines_end_with_the_same_table() {
    if is_left_to_the_campaign("network::runs_on_two_machines_end_with_the_same_table") {
        return;
    }
    let test = "network::runs_on_two_machines_end_with_the_same_table";
    let rounds = faults(2).div_ceil(2).min(10);
    let seeds = format!("1-{}", 2 * rounds);
    let undisturbed =
        Undisturbed::of(&["--datasets", "eurosat", "--methods", "coop", "--shots", "1", "--seeds", &seeds]);
    let mut twice = 0;
    let mut table = Vec::new();
    for round in 0..rounds {
        let lag = Duration::from_millis(500 + 500 * round as u64);
        let Some(machines) = OnDisk::mount(2, lag, test) else { return };
        lend_pictures(&machines.behind);
        let runs: Vec<Child> = machines.at.iter().map(|place| spawn(&undisturbed, place)).collect();
        let parts: Vec<usize> = runs.into_iter().map(|run| computed(&run.wait_with_output().unwrap())).collect();
        println!("lag {lag:?}: {parts:?} of {} cells", undisturbed.records);
        twice += parts.iter().sum::<usize>() - undisturbed.records;
        std::thread::sleep(lag);
        table = undisturbed.assert_in(&machines.at[1], &["--lease-timeout", "5"]);
    }
    let details = format!("{twice} of {} cells were computed twice", rounds * undisturbed.records);
    report("two machines, file server lags 0.5 to 5 s", rounds, &table, &details);
}

/// The disk does what the tests above rely on: the other machine's changes come late, one's own at once.
#[test]
fn changes_of_another_machine_come_late() {
    let lag = Duration::from_millis(600);
    let Some(machines) = OnDisk::mount(2, lag, "network::changes_of_another_machine_come_late") else { return };
    let [here, there] = &machines.at[..] else { unreachable!() };
    let read = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).ok();
    let names = |folder: &Path| fs::read_dir(folder).unwrap().count();
    let put = |folder: &Path, name: &str, text: &str| {
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join(name)).unwrap();
    };
    put(here, "a", "one");
    assert_eq!((read(there, "a").as_deref(), read(there, "b"), names(there)), (Some("one"), None, 1));
    put(here, "a", "two");
    put(here, "b", "new");
    assert_eq!((read(here, "a").as_deref(), read(here, "b").as_deref(), names(here)), (Some("two"), Some("new"), 2));
    assert_eq!((read(there, "a").as_deref(), read(there, "b")), (Some("one"), None));
    std::thread::sleep(2 * lag);
    assert_eq!((read(there, "a").as_deref(), read(there, "b").as_deref(), names(there)), (Some("two"), Some("new"), 2));
    // Links are made by one machine only, and locks reach the processes of one machine only.
    assert!(fs::hard_link(here.join("a"), here.join("link")).is_ok());
    assert!(fs::hard_link(there.join("a"), there.join("link")).is_err());
    let lock = |folder: &Path| File::open(folder.join("a")).unwrap();
    let held = lock(here);
    held.lock().unwrap();
    assert!(lock(here).try_lock().is_err());
    assert!(lock(there).try_lock().is_ok());
}
