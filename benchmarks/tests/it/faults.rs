//! Four runs on one folder, killed, stopped and cheated at random moments: the table is that of an undisturbed run.

use crate::command::{nemesis, records, told, written};
use crate::processes::{left_behind, mark, processes};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How many faults there are; `cargo xtask campaign faults` sets it.
const FAULTS: &str = "NEMESIS_FAULTS";

/// Numbers that look random and are the same in every run of this test.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// More seeds if there are more faults, which are to hit runs in the middle.
fn run(folder: &Path, faults: usize) -> Command {
    let seeds = format!("1-{}", faults.div_ceil(2));
    let mut run = nemesis(folder, &["run", "--datasets", "eurosat", "--methods", "coop", "--shots", "1,2"]);
    run.args(["--seeds", &seeds, "--jobs", "1", "--lease-timeout", "2", "--checkpoint-every", "0"]);
    mark(&mut run, folder);
    run
}

fn spawn(folder: &Path, faults: usize) -> Child {
    run(folder, faults).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn signal(process: &str, name: &str) {
    let _ = Command::new("kill").args(["-s", name, process]).stderr(Stdio::null()).status();
}

/// The files of a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|other| other == ending)).collect()
}

/// Cuts a file in half, or flips one of its bits.
fn damage(path: &Path, chance: &mut Chance) {
    let Ok(mut bytes) = fs::read(path) else { return };
    if chance.below(2) == 0 {
        bytes.truncate(bytes.len() / 2);
    } else if !bytes.is_empty() {
        let at = chance.below(bytes.len());
        bytes[at] ^= 1 << chance.below(8);
    }
    // Under another inode, as a restored backup would be: a file that others have mapped must not change under them.
    let other = path.with_extension("damaged");
    fs::write(&other, bytes).unwrap();
    fs::rename(other, path).unwrap();
}

#[test]
fn faults_leave_no_trace_in_a_table() {
    let faults = std::env::var(FAULTS).map_or(6, |faults| faults.parse().expect(FAULTS));
    let alone = tempfile::tempdir().unwrap();
    let expected = run(alone.path(), faults).output().unwrap();
    assert!(expected.status.success(), "{}", told(&expected));
    let (expected, all) = (fs::read(written(alone.path(), &expected, ".json")).unwrap(), records(alone.path()));

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // The pictures are made once for both.
    fs::create_dir(folder.join("out")).unwrap();
    std::os::unix::fs::symlink(alone.path().join("out/mini"), folder.join("out/mini")).unwrap();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut runs: Vec<Child> = (0..4).map(|_| spawn(folder, faults)).collect();
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
                let parts = files(&folder.join("out/pool"), "safetensors");
                let checkpoints = files(&folder.join("out/checkpoints"), "checkpoint");
                for path in parts.iter().chain(&checkpoints) {
                    damage(path, &mut chance);
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
                let mut other = spawn(folder, faults);
                std::thread::sleep(Duration::from_secs(4));
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
        for run in &mut runs {
            if run.try_wait().unwrap().is_some() {
                *run = spawn(folder, faults);
            }
        }
    }
    for mut run in runs {
        run.wait().unwrap();
    }
    assert!(hits > faults / 3, "only {hits} faults hit a run at work");
    let last = run(folder, faults).output().unwrap();
    assert!(last.status.success(), "{}", told(&last));
    assert!(fs::read(written(folder, &last, ".json")).unwrap() == expected, "the tables differ");
    assert_eq!(records(folder), all, "nothing is done under another name");
    assert_eq!(left_behind(folder), [""; 0]);
    let cleaned = told(&nemesis(folder, &["clean", "--remove"]).output().unwrap());
    assert!(cleaned.starts_with("exit code 0"), "{cleaned}");
    println!("{cleaned}");
    for left in ["leases/runs", "leases/jobs", "checkpoints"] {
        assert_eq!(fs::read_dir(folder.join("out").join(left)).into_iter().flatten().count(), 0, "{left}");
    }

    // A record that is damaged is named, and computed again once it is gone.
    let record = &files(&folder.join("out/records"), "json")[0];
    let bytes = fs::read(record).unwrap();
    fs::write(record, &bytes[..bytes.len() / 2]).unwrap();
    let refused = told(&run(folder, faults).output().unwrap());
    if !refused.starts_with("exit code 0") {
        assert!(refused.contains(record.file_name().unwrap().to_str().unwrap()), "{refused}");
    }
    fs::remove_file(record).unwrap();
    let last = run(folder, faults).output().unwrap();
    assert!(last.status.success(), "{}", told(&last));
    assert!(fs::read(written(folder, &last, ".json")).unwrap() == expected, "the tables differ");
}
