//! Runs on one folder, killed, stopped and cheated at random moments.

use super::{Chance, OnDisk, Undisturbed, faults, files, is_left_to_the_campaign, lend_pictures, report, signal};
use crate::command::records;
use crate::processes::processes;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The run of which there are several, in all the places that lead to the folder.
const OPTIONS: [&str; 4] = ["--lease-timeout", "3", "--checkpoint-every", "0"];

/// More seeds if there are more faults, which are to hit runs in the middle.
fn question(faults: usize) -> Undisturbed {
    let seeds = format!("1-{}", faults.div_ceil(2));
    Undisturbed::of(&["--datasets", "eurosat", "--methods", "coop", "--shots", "1,2", "--seeds", &seeds])
}

fn spawn(undisturbed: &Undisturbed, place: &Path, mark: &Path) -> Child {
    let mut run = undisturbed.run(place, &OPTIONS);
    crate::processes::mark(&mut run, mark);
    run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Cuts a file in half, flips one of its bits, or puts another file of its kind in its place.
fn damage(path: &Path, others: &[PathBuf], chance: &mut Chance) {
    let Ok(mut bytes) = fs::read(path) else { return };
    match chance.below(3) {
        0 => bytes.truncate(bytes.len() / 2),
        1 if !bytes.is_empty() => {
            let at = chance.below(bytes.len());
            bytes[at] ^= 1 << chance.below(8);
        }
        _ => bytes = fs::read(&others[chance.below(others.len())]).unwrap_or_default(),
    }
    // Under another inode, as a restored backup would be: a file that others have mapped must not change under them.
    let other = path.with_extension("damaged");
    fs::write(&other, bytes).unwrap();
    fs::rename(other, path).unwrap();
}

/// Disturbs four runs in `folder`, which the `places` lead to, so many times. Returns how many faults hit a run at work.
fn disturb(undisturbed: &Undisturbed, folder: &Path, places: &[PathBuf], faults: usize) -> usize {
    let all = undisturbed.records;
    let mut chance = Chance::new();
    let mut runs: Vec<Child> = (0..4).map(|run| spawn(undisturbed, &places[run % places.len()], folder)).collect();
    let mut hits = 0;
    for fault in 0..faults {
        // Each fault comes after some progress since the one before, so that all of them hit the run in the middle.
        let start = Instant::now();
        while records(folder) < (all * fault / (faults + 1)).max(1) && start.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(chance.below(400) as u64));
        let at = chance.below(runs.len());
        let before = records(folder);
        let hit = before < all && runs[at].try_wait().unwrap().is_none();
        hits += usize::from(hit);
        let what = match fault % 6 {
            0..3 => {
                runs[at].kill().unwrap();
                "a run was killed"
            }
            3 => {
                signal(&runs[at].id().to_string(), "TERM");
                "a run was told to end"
            }
            4 => {
                for (kind, ending) in [("pool", "safetensors"), ("checkpoints", "checkpoint")] {
                    let all = files(&folder.join("out").join(kind), ending);
                    for path in &all {
                        damage(path, &all, &mut chance);
                    }
                }
                "features and checkpoints were damaged"
            }
            _ => {
                // All of them sleep past their leases; the run that starts next takes over what they hold.
                let asleep: Vec<String> = processes(folder)
                    .iter()
                    .map(|process| process.file_name().unwrap().to_string_lossy().into_owned())
                    .collect();
                for process in &asleep {
                    signal(process, "STOP");
                }
                let mut other = spawn(undisturbed, &places[at % places.len()], folder);
                std::thread::sleep(Duration::from_secs(5));
                for process in &asleep {
                    signal(process, "CONT");
                }
                // It would compute all that is left before it ends, and leave nothing for further faults.
                other.kill().unwrap();
                other.wait().unwrap();
                "all runs slept past their leases"
            }
        };
        println!("fault {fault}: {what} at {before} of {all} cells{}", if hit { "" } else { ", idle" });
        for (run, place) in runs.iter_mut().zip(places.iter().cycle()) {
            if run.try_wait().unwrap().is_some() {
                *run = spawn(undisturbed, place, folder);
            }
        }
    }
    for mut run in runs {
        run.wait().unwrap();
    }
    hits
}

#[test]
fn faults_leave_no_trace_in_a_table() {
    let faults = faults(6);
    let undisturbed = question(faults);
    let folder = tempfile::tempdir().unwrap();
    lend_pictures(folder.path());
    let hits = disturb(&undisturbed, folder.path(), &[folder.path().to_owned()], faults);
    assert!(hits > faults / 3, "only {hits} faults hit a run at work");
    let table = undisturbed.assert_in(folder.path(), &OPTIONS);
    report("kill -9, SIGTERM, SIGSTOP, damaged features and checkpoints", faults, &table, &format!("{hits} at work"));
}

/// The same on two machines, which see what the other does late.
#[test]
fn faults_leave_no_trace_on_two_machines() {
    if is_left_to_the_campaign("moments::faults_leave_no_trace_on_two_machines") {
        return;
    }
    let faults = faults(12);
    let undisturbed = question(faults);
    let lag = Duration::from_secs(1);
    let Some(machines) = OnDisk::mount(2, lag, "moments::faults_leave_no_trace_on_two_machines") else { return };
    lend_pictures(&machines.behind);
    let hits = disturb(&undisturbed, &machines.behind, &machines.at, faults);
    std::thread::sleep(2 * lag);
    let table = undisturbed.assert_in(&machines.at[0], &OPTIONS);
    report("the same on two machines, file server lags 1 s", faults, &table, &format!("{hits} at work"));
}
