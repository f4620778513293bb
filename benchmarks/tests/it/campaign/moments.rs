//! Runs on one folder, killed, stopped and cheated at random moments.

use super::{Chance, OnDisk, Undisturbed, faults, files, is_left_to_the_campaign, lend_pictures, report, signal};
use crate::command::records;
use crate::processes::processes;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The run of which there are several, in all the places that lead to the folder.
const OPTIONS: [&str; 4] = ["--lease-timeout", "3", "--checkpoint-every", "0"];

const KILL: i32 = 9;
const TERM: i32 = 15;

/// More seeds if there are more faults, which are to hit runs in the middle.
fn question(faults: usize) -> Undisturbed {
    let seeds = format!("1-{}", faults.div_ceil(2));
    Undisturbed::of(&["--datasets", "eurosat", "--methods", "coop", "--shots", "1,2", "--seeds", &seeds])
}

/// A run, what it says, and the signals that it was sent.
struct Run {
    process: Child,
    messages: File,
    sent: Vec<i32>,
}

impl Run {
    fn spawn(undisturbed: &Undisturbed, place: &Path, mark: &Path) -> Self {
        let messages = tempfile::tempfile().unwrap();
        let mut run = undisturbed.run(place, &OPTIONS);
        crate::processes::mark(&mut run, mark);
        let process = run.stdout(Stdio::null()).stderr(messages.try_clone().unwrap()).spawn().unwrap();
        Self { process, messages, sent: Vec::new() }
    }

    fn is_over(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    fn send(&mut self, number: i32) {
        // The number of a process that is gone may be another's by now.
        if self.is_over() {
            return;
        }
        signal(&self.process.id().to_string(), &number.to_string());
        self.sent.push(number);
    }

    /// Waits for its end, which must be one that the manual knows, or that of a signal that it was sent.
    fn assert_ends_well(mut self) {
        let status = self.process.wait().unwrap();
        self.messages.rewind().unwrap();
        let mut told = Vec::new();
        self.messages.read_to_end(&mut told).unwrap();
        let told = String::from_utf8_lossy(&told);
        let by_signal = status.signal().or(status.code().map(|code| code - 128));
        let is_known = matches!(status.code(), Some(0..=2)) || by_signal.is_some_and(|it| self.sent.contains(&it));
        assert!(is_known && !told.contains("panicked"), "{status:?} after the signals {:?}: {told}", self.sent);
    }
}

/// Cuts a file in half, flips one of its bits, or puts another file of its kind in its place. Returns whether it did: the
/// file may be gone.
fn damage(path: &Path, others: &[PathBuf], chance: &mut Chance) -> bool {
    let Ok(sound) = fs::read(path) else { return false };
    let mut bytes = sound.clone();
    match chance.below(3) {
        0 => bytes.truncate(sound.len() / 2),
        1 if !sound.is_empty() => {
            let at = chance.below(sound.len());
            bytes[at] ^= 1 << chance.below(8);
        }
        _ => bytes = fs::read(&others[chance.below(others.len())]).unwrap_or_default(),
    }
    if bytes == sound {
        bytes.truncate(sound.len() / 2);
    }
    // Under another inode, as a restored backup would be: a file that others have mapped must not change under them.
    let other = path.with_extension("damaged");
    let is_damaged = bytes != sound;
    fs::write(&other, bytes).unwrap();
    fs::rename(other, path).unwrap();
    is_damaged
}

/// Damages the features and checkpoints in a folder. Returns how many files it has damaged.
fn damage_all(folder: &Path, chance: &mut Chance) -> usize {
    let mut damaged = 0;
    for (kind, ending) in [("pool", "safetensors"), ("checkpoints", "checkpoint")] {
        let all = files(&folder.join("out").join(kind), ending);
        damaged += all.iter().filter(|path| damage(path, &all, chance)).count();
    }
    damaged
}

/// What disturbed runs went through.
#[derive(Default)]
struct Disturbed {
    /// How many faults hit a run at work.
    hits: usize,
    /// How many files were damaged.
    damaged: usize,
}

impl Disturbed {
    fn details(&self) -> String {
        format!("{} at work, {} files damaged", self.hits, self.damaged)
    }
}

/// Disturbs four runs in `folder`, which the `places` lead to, so many times. All of them end as runs may end.
fn disturb(undisturbed: &Undisturbed, folder: &Path, places: &[PathBuf], faults: usize) -> Disturbed {
    let all = undisturbed.records;
    let mut chance = Chance::new();
    let mut runs: Vec<Run> = (0..4).map(|run| Run::spawn(undisturbed, &places[run % places.len()], folder)).collect();
    let mut over = Vec::new();
    let mut disturbed = Disturbed::default();
    for fault in 0..faults {
        // Each fault comes after some progress since the one before, so that all of them hit the run in the middle.
        let start = Instant::now();
        while records(folder) < (all * fault / (faults + 1)).max(1) && start.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(chance.below(400) as u64));
        let at = chance.below(runs.len());
        let before = records(folder);
        let mut hit = before < all && !runs[at].is_over();
        let what = match fault % 6 {
            0..3 => {
                runs[at].send(KILL);
                "a run was killed"
            }
            3 => {
                runs[at].send(TERM);
                "a run was told to end"
            }
            4 => {
                let damaged = damage_all(folder, &mut chance);
                disturbed.damaged += damaged;
                hit = hit && damaged > 0;
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
                let mut other = Run::spawn(undisturbed, &places[at % places.len()], folder);
                std::thread::sleep(Duration::from_secs(5));
                for process in &asleep {
                    signal(process, "CONT");
                }
                // It would compute all that is left before it ends, and leave nothing for further faults.
                other.send(KILL);
                over.push(other);
                "all runs slept past their leases"
            }
        };
        disturbed.hits += usize::from(hit);
        println!("fault {fault}: {what} at {before} of {all} cells{}", if hit { "" } else { ", idle" });
        for (run, place) in runs.iter_mut().zip(places.iter().cycle()) {
            if run.is_over() {
                over.push(std::mem::replace(run, Run::spawn(undisturbed, place, folder)));
            }
        }
    }
    for run in over.into_iter().chain(runs) {
        run.assert_ends_well();
    }
    disturbed
}

#[test]
fn faults_leave_no_trace_in_a_table() {
    let faults = faults(6);
    let undisturbed = question(faults);
    let folder = tempfile::tempdir().unwrap();
    lend_pictures(folder.path());
    let disturbed = disturb(&undisturbed, folder.path(), &[folder.path().to_owned()], faults);
    assert!(disturbed.hits > faults / 3, "only {} faults hit a run at work", disturbed.hits);
    // The features of test images stay once they are encoded, so that there is something to damage.
    assert!(faults < 5 || disturbed.damaged > 0, "no features and no checkpoints were damaged");
    let table = undisturbed.assert_in(folder.path(), &OPTIONS);
    let kinds = "kill -9, SIGTERM, SIGSTOP, damaged features and checkpoints";
    report(kinds, faults, &table, &disturbed.details());
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
    let disturbed = disturb(&undisturbed, &machines.behind, &machines.at, faults);
    std::thread::sleep(2 * lag);
    let table = undisturbed.assert_in(&machines.at[0], &OPTIONS);
    report("the same on two machines, file server lags 1 s", faults, &table, &disturbed.details());
}
