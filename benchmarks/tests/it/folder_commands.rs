//! `status`, `clean`, `submit` and `cancel` as whole commands, on records and runs made without any computing.

use crate::command::{nemesis, regex_escape, told};
use crate::synthetic::Synthetic;
use nemesis_core::record::{Checkpoint, Machine, Store};
use nemesis_core::train::Standing;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tch::Tensor;

const COOP: (&str, &str) = ("coop", "CoOp");

/// Records of one table, of which one is missing.
fn records(folder: &Path) {
    let mut records = Synthetic::new(folder);
    records.zero_shot("dtd", 42.0);
    records.few_shot(COOP, "dtd", 16, &[61.5, 58.0, 60.5]);
    records.save();
    let mut all = files(&folder.join("out/records"));
    all.sort();
    fs::remove_file(&all[0]).unwrap();
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// A run of another machine, whose last heartbeat was so many seconds ago.
fn run(folder: &Path, process: u32, silent: u64, activity: &Value) {
    let state = json!({
        "run": format!("run-{process}"), "host": "node7", "boot": "another", "process": process, "locked": false, "every": 10.0, "beat": 12,
        "seconds": 125, "activity": activity
    });
    run_that_says(folder, silent, &state);
}

fn run_that_says(folder: &Path, silent: u64, state: &Value) {
    let runs = folder.join("out/leases/runs");
    fs::create_dir_all(&runs).unwrap();
    let file = runs.join(format!("{}.json", state["run"].as_str().unwrap()));
    fs::write(&file, state.to_string()).unwrap();
    let at = SystemTime::now() - Duration::from_secs(silent);
    fs::File::options().append(true).open(file).unwrap().set_modified(at).unwrap();
}

fn at_work() -> Value {
    json!({
        "question": "few-shot", "started_by": "Slurm 4711_0", "computed": 3, "failed": 1,
        "work": [{"worker": 0, "cell": "train CoOp on dtd, 16 shots, seed 1", "since": 65, "part": 0.25}]
    })
}

/// The program's name is put before those of the machine.
fn on_path(folder: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = nemesis(folder, arguments);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", folder.join("bin").display()));
    command
}

/// Programs of Slurm that say what they were asked for.
#[cfg(unix)]
fn slurm(folder: &Path, programs: &[(&str, &str)]) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(folder.join("bin")).unwrap();
    for (name, script) in programs {
        let file = folder.join("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// A queue that takes job 4711, and lists it beside that of somebody else.
#[cfg(unix)]
fn slurm_with_a_job(folder: &Path) {
    let submitted = "sed -n 's/^#SBATCH --job-name=//p' \"$2\" > name && echo '4711;cluster'";
    let queue = "n=$(cat name); echo \"4711|4711_0|$n|RUNNING node7\"; echo \"4711|4711_[1-3]|$n|PENDING (Priority)\"; \
                 echo '1|1|other|RUNNING node1'";
    slurm(folder, &[("sbatch", submitted), ("squeue", queue), ("scancel", "exit 0")]);
}

/// A snapshot without what differs from machine to machine.
macro_rules! assert_told {
    ($folder:expr, $output:expr) => {{
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(&regex_escape($folder), "[DIR]");
        settings.add_filter(&regex_escape(&crate::command::program()), "[NEMESIS]");
        settings.add_filter(r"; [\d.]+ \S+ free", "; [SIZE] free");
        settings.add_filter(r"[\d.]+ \S+ on disk", "[SIZE] on disk");
        settings.add_filter(r"(?m)(: \d+), [\d.]+ k?B; costs", "$1, [SIZE]; costs");
        settings.add_filter(r"\b[0-9a-f]{64}\b", "[HASH]");
        settings.add_filter(r"slurm-[0-9a-f]{8}\.sh", "slurm-[HASH].sh");
        settings.add_filter(r"(nemesis-[a-z-]+)-[0-9a-f]{8}\b", "$1-[HASH]");
        settings.bind(|| insta::assert_snapshot!(told(&$output)));
    }};
}

#[test]
fn the_status_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_told!(folder, nemesis(folder, &["status"]).output().unwrap());
    records(folder);
    assert_told!(folder, nemesis(folder, &["status"]).output().unwrap());
    run(folder, 11, 2, &at_work());
    run(folder, 12, 3600, &json!({"question": "few-shot", "computed": 1, "failed": 0, "work": []}));
    assert_told!(folder, nemesis(folder, &["status"]).output().unwrap());

    let output = nemesis(folder, &["status", "--json"]).output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["questions"][0]["done"], 3);
    assert_eq!((&status["runs"][0]["lost"], &status["runs"][1]["lost"]), (&json!(false), &json!(true)));
}

/// A run is lost after the silence that it was started to put up with. Its jobs are free until another run takes them.
#[test]
fn what_a_lost_run_held_is_free_until_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    records(folder);
    run(folder, 11, 2, &at_work());
    run(folder, 12, 3600, &json!({"question": "few-shot", "computed": 1, "failed": 0, "work": []}));
    let patient = json!({
        "run": "run-13", "host": "node7", "boot": "another", "process": 13, "locked": false, "every": 10.0, "patience": 3600.0,
        "beat": 12, "seconds": 125, "activity": at_work()
    });
    run_that_says(folder, 600, &patient);
    let jobs = folder.join("out/leases/jobs");
    fs::create_dir_all(&jobs).unwrap();
    for (lease, run, what) in [("a-1", 12, "dtd, 1 shot"), ("b-9", 12, "dtd, 2 shots"), ("b-10", 11, "dtd, 2 shots")] {
        let job = json!({"run": format!("run-{run}"), "group": "dtd", "what": what});
        fs::write(jobs.join(format!("{lease}.json")), job.to_string()).unwrap();
    }
    let status = told(&nemesis(folder, &["status"]).output().unwrap());
    let lost =
        ", lost, last heard of 60 min ago\n  its job dtd, 1 shot is free\n  its job dtd, 2 shots is taken over\n";
    assert!(status.contains(lost) && status.contains(", silent for 10 min\n"), "{status}");
    let output = nemesis(folder, &["status", "--json"]).output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lost: Vec<&Value> = status["runs"].as_array().unwrap().iter().map(|run| &run["lost"]).collect();
    assert_eq!(lost, [false, true, false]);
    assert_eq!(status["runs"][0]["jobs"], json!(["dtd, 2 shots"]));
}

/// For a program that follows a run: a line each time, until no run is left.
#[test]
fn a_watched_status_as_json_is_a_line_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    records(folder);
    let output = nemesis(folder, &["status", "--watch", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    let status: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(status["runs"], json!([]));
}

#[test]
fn what_may_be_cleaned() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_told!(folder, nemesis(folder, &["clean"]).output().unwrap());
    records(folder);
    run(folder, 12, 3600, &json!({"question": "few-shot", "computed": 1, "failed": 0, "work": []}));
    let out = folder.join("out");
    let id = "ab".repeat(32);
    // Killed before it could say who it is.
    fs::write(out.join("leases/runs/0123456789abcdef.alive"), "").unwrap();
    fs::write(out.join("records/.tmp-abc"), "half").unwrap();
    fs::create_dir_all(out.join("checkpoints")).unwrap();
    fs::write(out.join(format!("checkpoints/{id}.checkpoint")), "twenty-six bytes of epochs").unwrap();
    fs::write(out.join(format!("predictions/{id}.bin")), "01").unwrap();
    fs::create_dir_all(out.join("states")).unwrap();
    fs::write(out.join(format!("states/{id}.safetensors")), "learned").unwrap();
    fs::create_dir_all(out.join("submissions")).unwrap();
    fs::write(out.join("submissions/slurm-0a1b2c3d.sh"), "#!/bin/sh").unwrap();
    fs::create_dir_all(out.join("logs")).unwrap();
    fs::write(out.join("logs/4711_0.log"), "3 cells computed").unwrap();
    fs::create_dir_all(out.join("failures")).unwrap();
    let done = files(&out.join("records")).into_iter().find(|file| file.extension().is_some()).unwrap();
    fs::write(out.join("failures").join(done.file_name().unwrap()), "the disk was full").unwrap();
    fs::create_dir_all(out.join("pool")).unwrap();
    fs::write(out.join("pool/part.safetensors"), vec![0; 2000]).unwrap();
    assert_told!(folder, nemesis(folder, &["clean"]).output().unwrap());
    assert!(out.join("records/.tmp-abc").exists(), "nothing goes unless one says so");
    assert_told!(folder, nemesis(folder, &["clean", "--remove"]).output().unwrap());
    assert!(out.join(format!("checkpoints/{id}.checkpoint")).exists());
    assert!(!out.join("records/.tmp-abc").exists());
    assert_eq!(fs::read_dir(out.join("leases/runs")).unwrap().count(), 0);
    assert_told!(folder, nemesis(folder, &["clean", "--remove", "--checkpoints"]).output().unwrap());
    assert!(out.join("logs/4711_0.log").exists());
    assert_told!(folder, nemesis(folder, &["clean", "--remove", "--logs"]).output().unwrap());
    assert_told!(folder, nemesis(folder, &["clean", "--checkpoints"]).output().unwrap());
}

/// A table that is asked for anew shows other cells: the old ones may go, what they share with it stays.
#[test]
fn records_that_no_table_shows_go_if_one_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut old = Synthetic::new(folder);
    old.epochs = 2;
    old.few_shot(COOP, "dtd", 16, &[61.5, 58.0, 60.5]);
    old.save();
    let mut new = Synthetic::new(folder);
    new.epochs = 2;
    new.few_shot(COOP, "dtd", 16, &[61.5]);
    new.save();
    assert_eq!(files(&folder.join("out/records")).len(), 6);
    assert_told!(folder, nemesis(folder, &["clean"]).output().unwrap());
    assert_told!(folder, nemesis(folder, &["clean", "--remove"]).output().unwrap());
    assert_eq!(files(&folder.join("out/records")).len(), 6);
    let table = || nemesis(folder, &["report"]).output().unwrap().stdout;
    let before = table();
    assert_told!(folder, nemesis(folder, &["clean", "--remove", "--records-without-a-table"]).output().unwrap());
    assert_eq!((files(&folder.join("out/records")).len(), table() == before), (2, true));
}

/// What a disk or a hand has changed goes with the records that need it, and a run computes them again.
#[test]
fn what_is_damaged_goes_if_one_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut records = Synthetic::new(folder);
    records.epochs = 2;
    records.few_shot(COOP, "dtd", 16, &[61.5, 58.0, 60.5]);
    records.save();
    let out = folder.join("out");
    let of = |folder: &str| files(&out.join(folder)).into_iter();
    for file in [of("records").min(), of("states").min(), of("predictions").max()] {
        let file = file.unwrap();
        let mut bytes = fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(file, bytes).unwrap();
    }
    let count = || ["records", "states", "predictions"].map(|folder| files(&out.join(folder)).len());
    let before = count();
    assert_told!(folder, nemesis(folder, &["clean"]).output().unwrap());
    assert_told!(folder, nemesis(folder, &["clean", "--verify", "--remove"]).output().unwrap());
    assert_eq!(count(), before);
    assert_told!(folder, nemesis(folder, &["clean", "--verify", "--remove", "--damaged"]).output().unwrap());
    assert_told!(folder, nemesis(folder, &["clean", "--verify"]).output().unwrap());
    assert!(count()[0] < before[0], "{before:?} {:?}", count());
}

#[test]
fn what_would_be_submitted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("cluster.yaml"), "partition: gpu\ngpus: 1\nsetup: [module load cuda]\n").unwrap();
    let slurm = ["submit", "slurm", "--profile", "cluster.yaml", "--time", "4:00:00", "--dry-run", "--"];
    let run = ["--suite", "few-shot", "--split-seeds", "--out", "out"];
    assert_told!(folder, nemesis(folder, &[&slurm[..], &run].concat()).output().unwrap());
    for (engine, asked) in [("hq", &["--cpus", "2"][..]), ("parallel", &[]), ("shell", &[])] {
        let arguments = [&["submit", engine, "--tasks", "2", "--dry-run"], asked, &["--", "--out", "out dir"]].concat();
        assert_told!(folder, nemesis(folder, &arguments).output().unwrap());
    }
    assert!(!folder.join("out").exists() && !folder.join("out dir").exists(), "nothing is written");
    fs::write(folder.join("cluster.yaml"), "partition: gpu\ngpu: 1\n").unwrap();
    assert_told!(folder, nemesis(folder, &[&slurm[..], &run].concat()).output().unwrap());
    for wrong in [&["submit", "slurm", "--", "--suit", "few-shot"][..], &["submit", "slurm", "--", "--seeds", "2-1"]] {
        assert_told!(folder, nemesis(folder, wrong).output().unwrap());
    }
}

#[cfg(unix)]
#[test]
fn a_job_is_submitted_followed_and_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    slurm_with_a_job(folder);
    let submit = ["submit", "slurm", "--", "--out", "out"];
    assert_told!(folder, on_path(folder, &submit).output().unwrap());
    assert_told!(folder, on_path(folder, &["status"]).output().unwrap());
    assert_told!(folder, on_path(folder, &["cancel", "--job", "4712"]).output().unwrap());
    assert_told!(folder, on_path(folder, &["cancel"]).output().unwrap());
    assert_told!(folder, on_path(folder, &["cancel"]).output().unwrap());

    // What the queue refuses is said, and the job is not forgotten.
    on_path(folder, &submit).output().unwrap();
    slurm(folder, &[("scancel", "echo 'scancel: error: no server' >&2; exit 1")]);
    assert_told!(folder, on_path(folder, &["cancel"]).output().unwrap());
    slurm(folder, &[("squeue", "echo nobody >&2; exit 1")]);
    let unanswered = told(&on_path(folder, &["cancel"]).output().unwrap());
    assert!(unanswered.contains("job 4711 could not be cancelled: `squeue` failed: nobody"), "{unanswered}");
    assert_told!(folder, on_path(folder, &["status"]).output().unwrap());
    slurm(folder, &[("sbatch", "echo 'sbatch: error: invalid partition' >&2; exit 1")]);
    assert_told!(folder, on_path(folder, &submit).output().unwrap());
}

/// Where it is at work, the queue's signal has reached it already. A second one would end it at once.
#[cfg(target_os = "linux")]
#[test]
fn a_stopped_run_of_a_cancelled_job_gets_no_second_signal() {
    use std::os::unix::process::ExitStatusExt;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    slurm_with_a_job(folder);
    on_path(folder, &["submit", "slurm", "--", "--out", "out"]).output().unwrap();
    let runs = folder.join("out/leases/runs");
    fs::create_dir_all(&runs).unwrap();
    let alive = fs::File::create(runs.join("run-here.alive")).unwrap();
    alive.try_lock().unwrap();
    // It holds the lock from here on, as a run does.
    let mut run = std::process::Command::new("sleep").arg("60").stdout(alive).spawn().unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let state = json!({
        "run": "run-here", "host": "node1", "boot": boot.trim(), "process": run.id(), "locked": true, "every": 10.0, "beat": 12,
        "seconds": 125, "activity": at_work()
    });
    run_that_says(folder, 3600, &state);
    let status = told(&on_path(folder, &["status"]).output().unwrap());
    assert!(status.contains(", silent for 60 min\n"), "its process lives: {status}");
    let cancel = || told(&on_path(folder, &["cancel"]).output().unwrap());
    assert_eq!(cancel(), "exit code 0\n--- stdout\njob 4711 is cancelled\n--- stderr\n");
    assert!(run.try_wait().unwrap().is_none());
    assert_eq!(cancel(), format!("exit code 0\n--- stdout\nprocess {} is told to end\n--- stderr\n", run.id()));
    assert_eq!(run.wait().unwrap().signal(), Some(15));
}

#[test]
fn a_folder_of_plans_may_hold_none() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("out/plans")).unwrap();
    for (command, code) in [("status", 0), ("clean", 0), ("report", 2)] {
        let output = nemesis(folder.path(), &[command]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{command}: {}", told(&output));
    }
}

#[test]
fn commands_on_a_folder_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["status", "clean", "cancel"] {
        assert_told!(folder.path(), nemesis(folder.path(), &[command, "--out", "nowhere"]).output().unwrap());
    }
    for command in ["report", "stats", "figure", "cells", "tensorboard"] {
        let output = nemesis(folder.path(), &[command, "--out", "nowhere"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {}", told(&output));
        assert!(!folder.path().join("nowhere").exists(), "{command} made the folder");
    }
}

/// What an interrupted training has kept on the way belongs to no record yet, and the record that it ends in names it.
#[test]
fn what_an_interrupted_training_has_kept_stays() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    records(folder);
    let store = Store::open(folder.join("out")).unwrap();
    let state = |value: f64| vec![("ctx".to_owned(), Tensor::from(value))];
    let [kept, nobodys] = [1.0, 2.0].map(|value| store.put_state(&state(value)).unwrap());
    let numbers = json!({"epochs": 1, "parameters": {}, "scaler": null, "course": [0, null], "history": []});
    let standing = Standing { tensors: Vec::new(), numbers: serde_json::from_value(numbers).unwrap() };
    let machine = Machine::here("cpu", 1, None);
    let checkpoint = Checkpoint { standing, kept: BTreeMap::from([(1, kept.clone())]), seconds: 1.0, machine };
    store.put_checkpoint(&"ab".repeat(32).parse().unwrap(), &checkpoint).unwrap();
    let cleaned = told(&nemesis(folder, &["clean", "--remove"]).output().unwrap());
    assert!(store.state_path(&kept).exists() && !store.state_path(&nobodys).exists(), "{cleaned}");
}
