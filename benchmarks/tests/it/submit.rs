//! What `nemesis submit` hands to engines, and what it asks them afterwards. The engines are made up; `cargo xtask cluster`
//! has real ones.

use crate::command::{nemesis, program, told};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a command says, with the test's folder as `[DIR]` and the program as `[NEMESIS]`.
fn said(folder: &Path, arguments: &[&str]) -> String {
    let mut command = nemesis(folder, arguments);
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    // The folder of made-up programs comes first.
    let output = command.env("PATH", path).env_remove("HQ_SERVER_DIR").output().unwrap();
    let text = told(&output).replace(&program().display().to_string(), "[NEMESIS]");
    let text = text.replace(&folder.canonicalize().unwrap().display().to_string(), "[DIR]");
    text.replace(&folder.display().to_string(), "[DIR]")
}

/// Puts a shell script into the folder of made-up programs.
fn made_up(folder: &Path, name: &str, script: &str) {
    let path = folder.join("bin").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

const PROFILE: &str = "\
partition: gpu
account: me
gpus: 2
cpus: 8
memory: 32G
time: 4:00:00
setup: [module load cuda]
engine_option: [--constraint=a100]
";

#[test]
fn slurm_gets_an_array_of_what_profile_and_options_say() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cluster.yaml"), PROFILE).unwrap();
    let profile = ["--profile", "cluster.yaml", "--tasks", "3", "--partition", "long", "--dry-run"];
    let arguments = [&["submit", "slurm"][..], &profile, &["--", "--suite", "base-to-new", "--out", "my out"]].concat();
    insta::assert_snapshot!(said(folder.path(), &arguments), @"");
    assert!(!folder.path().join("my out").exists(), "a dry run leaves nothing");
}

#[test]
fn the_other_engines_get_the_same_runs() {
    let folder = tempfile::tempdir().unwrap();
    let run = ["--", "--datasets", "eurosat", "--out", "out"];
    let submit = |engine, options: &[&str]| {
        said(folder.path(), &[&["submit", engine, "--dry-run", "--tasks", "2"], options, &run].concat())
    };
    insta::assert_snapshot!(submit("hq", &["--cpus", "4", "--gpus", "1", "--memory", "2G", "--time", "1:00:00"]), @"");
    insta::assert_snapshot!(submit("parallel", &["--engine-option=--sshlogin=n1,n2"]), @"");
    insta::assert_snapshot!(submit("shell", &["--setup", "module load cuda"]), @"");
}

#[test]
fn what_cannot_be_submitted_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cluster.yaml"), "partition: gpu\npartitoin: gpu\n").unwrap();
    let refused = |arguments: &[&str]| said(folder.path(), &[&["submit"], arguments].concat());
    insta::assert_snapshot!(refused(&["slurm", "--profile", "cluster.yaml"]), @"");
    insta::assert_snapshot!(refused(&["slurm", "--tasks", "0"]), @"");
    insta::assert_snapshot!(refused(&["slurm", "--tasks", "2000", "--dry-run"]), @"");
    insta::assert_snapshot!(refused(&["hq", "--partition", "gpu"]), @"");
    insta::assert_snapshot!(refused(&["hq", "--memory", "much"]), @"");
    insta::assert_snapshot!(refused(&["slurm", "--dry-run", "--", "--shots", "x"]), @"");
}

#[test]
fn a_submission_is_followed_and_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    made_up(folder.path(), "sbatch", "cat \"$2\" > script; echo '4711;cluster'");
    made_up(
        folder.path(),
        "squeue",
        "printf '47|47_0|RUNNING n0\\n4711|4711_0|RUNNING n1\\n4711|4711_1|PENDING (Priority)\\n'",
    );
    made_up(folder.path(), "scancel", "echo \"$@\" > cancelled");
    made_up(
        folder.path(),
        "hq",
        "case \"$*\" in\n*--version*) ;;\nsubmit*) echo 12 ;;\n'job list --output-mode=quiet') printf '1 RUNNING\\n12 WAITING\\n' ;;\n\
         'job cancel 12') ;;\n*) echo \"error: $*\" >&2; exit 1 ;;\nesac",
    );
    let out = ["--", "--out", "out"];
    insta::assert_snapshot!(said(folder.path(), &[&["submit", "slurm"][..], &out].concat()), @"");
    insta::assert_snapshot!(said(folder.path(), &[&["submit", "hq"][..], &out].concat()), @"");
    let status = said(folder.path(), &["status", "--out", "out"]);
    let queue: Vec<&str> = status.lines().filter(|line| line.starts_with("job ")).collect();
    assert_eq!(queue, ["job 12: WAITING", "job 4711_0: RUNNING n1", "job 4711_1: PENDING (Priority)"]);
    insta::assert_snapshot!(said(folder.path(), &["cancel", "--out", "out"]), @"");
    assert_eq!(fs::read_to_string(folder.path().join("cancelled")).unwrap(), "4711\n");
    insta::assert_snapshot!(said(folder.path(), &["cancel", "--out", "out"]), @"");
}

/// HyperQueue's package from PyPI has no program `hq`.
#[test]
fn hyperqueue_is_reached_through_python_if_its_program_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("python/hyperqueue");
    fs::create_dir_all(package.join("ffi")).unwrap();
    let classes = "\
class Job:
    def __init__(self, **options): self.options, self.tasks = options, []
    def program(self, command, **options): self.tasks.append((command, options))
class Client:
    def __init__(self, server_dir): self.server_dir = server_dir
    def submit(self, job):
        import types
        with open('submitted', 'w') as file:
            print(self.server_dir, job.options['max_fails'], len(job.tasks), job.tasks[0][0][1:], file=file)
            for _, options in job.tasks:
                print(options['stdout'].rsplit('/')[-1], options['stderr'].rsplit('/')[-1], vars(options['resources']), file=file)
        return types.SimpleNamespace(id=3)
";
    let request = "class ResourceRequest:\n    def __init__(self, **options): self.__dict__.update(options)\n";
    fs::write(package.join("__init__.py"), classes).unwrap();
    fs::write(package.join("ffi/__init__.py"), "").unwrap();
    fs::write(package.join("ffi/protocol.py"), request).unwrap();
    let submit = |python: Option<&Path>| {
        let options = ["--tasks", "2", "--cpus", "3", "--memory", "1G", "--time", "0:02:00"];
        let arguments = [&["submit", "hq"][..], &options, &["--", "--jobs", "1", "--out", "out"]].concat();
        let mut command = nemesis(folder.path(), &arguments);
        // Of the machine's programs, only Python's is at hand.
        let bin = folder.path().join("bin");
        fs::create_dir_all(&bin).unwrap();
        let found = std::env::var("PATH").unwrap();
        let real = std::env::split_paths(&found).map(|place| place.join("python3")).find(|file| file.is_file());
        let _ = std::os::unix::fs::symlink(real.expect("the tests need python3"), bin.join("python3"));
        command.env("PATH", &bin).env("HQ_SERVER_DIR", "servers/1").env_remove("PYTHONPATH");
        if let Some(python) = python {
            command.env("PYTHONPATH", python);
        }
        told(&command.output().unwrap()).replace(&folder.path().canonicalize().unwrap().display().to_string(), "[DIR]")
    };
    insta::assert_snapshot!(submit(None), @"");
    insta::assert_snapshot!(submit(Some(&folder.path().join("python"))), @"");
    insta::assert_snapshot!(fs::read_to_string(folder.path().join("submitted")).unwrap(), @"");
}

/// A job's script that runs with made-up programs, until it has started the run.
fn started(folder: &Path) -> Child {
    let dry_run = said(folder, &["submit", "slurm", "--tasks", "1", "--dry-run", "--", "--out", "out"]);
    let script = dry_run.split_once("--- stdout\n").unwrap().1.split_once("--- stderr").unwrap().0;
    // The run ends like ours when it is told to: late, and with 143.
    made_up(folder, "run", "trap 'sleep 0.3; exit 143' TERM\ntouch at-work\nfor i in $(seq 100); do sleep 0.1; done");
    made_up(folder, "scontrol", "echo \"$@\" > requeued");
    let script = script.replace("[NEMESIS]", "run").replace("[DIR]", &folder.display().to_string());
    fs::write(folder.join("script.sh"), script).unwrap();
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.arg("script.sh").current_dir(folder).env("PATH", path).stderr(Stdio::null());
    let child = command.env("SLURM_ARRAY_JOB_ID", "47").env("SLURM_ARRAY_TASK_ID", "0").spawn().unwrap();
    let since = Instant::now();
    while !folder.join("at-work").exists() {
        assert!(since.elapsed() < Duration::from_secs(20), "the run is not started");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn an_element_is_requeued_when_its_time_is_up_and_ends_when_it_is_cancelled() {
    for (signal, status, requeued) in [("USR1", 0, Some("requeue 47_0\n")), ("TERM", 143, None)] {
        let folder = tempfile::tempdir().unwrap();
        let mut script = started(folder.path());
        Command::new("kill").args(["-s", signal, &script.id().to_string()]).status().unwrap();
        assert_eq!(script.wait().unwrap().code(), Some(status), "{signal}");
        assert_eq!(fs::read_to_string(folder.path().join("requeued")).ok().as_deref(), requeued, "{signal}");
    }
}
