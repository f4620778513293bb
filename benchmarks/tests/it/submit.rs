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
    let text = text.replace(&folder.display().to_string(), "[DIR]");
    // The name of a job ends in a hash of the folder.
    let name = regex::Regex::new(r"(nemesis-[a-z-]+)-[0-9a-f]{8}\b").unwrap();
    name.replace_all(&text, "$1-[HASH]").into_owned()
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
    insta::assert_snapshot!(said(folder.path(), &arguments), @r#"
    exit code 0
    --- stdout
    #!/bin/bash
    #SBATCH --job-name=nemesis-base-to-new-[HASH]
    #SBATCH --array=0-2
    #SBATCH --output="[DIR]/my out/logs/%A_%a.log"
    #SBATCH --open-mode=append
    #SBATCH --requeue
    #SBATCH --ntasks=1
    #SBATCH --signal=B:USR1@120
    #SBATCH --partition=long
    #SBATCH --account=me
    #SBATCH --time=4:00:00
    #SBATCH --cpus-per-task=8
    #SBATCH --gres=gpu:2
    #SBATCH --mem=32G
    #SBATCH --constraint=a100

    cd [DIR] || exit 2
    module load cuda
    [ $? -eq 0 ] || { echo 'the command of --setup failed: module load cuda' >&2; exit 2; }
    cd [DIR] || exit 2

    set -u
    time_is_up=
    signalled=
    [NEMESIS] run --stop-within=100 --no-wait --device=cuda:all --suite base-to-new --out 'my out' &
    run=$!
    trap 'signalled=yes; time_is_up=yes; kill -TERM "$run"' USR1
    trap 'signalled=yes; kill -TERM "$run"' TERM INT
    wait "$run"
    status=$?
    while [ -n "$signalled" ]; do
        signalled=
        wait "$run"
        status=$?
    done
    if [ -n "$time_is_up" ] && [ "$status" -eq 143 ]; then
        echo "time is up: the element goes back into the queue" >&2
        exec scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
    fi
    exit "$status"
    --- stderr
    "#);
    assert!(!folder.path().join("my out").exists(), "a dry run leaves nothing");
}

#[test]
fn the_other_engines_get_the_same_runs() {
    let folder = tempfile::tempdir().unwrap();
    let run = ["--", "--datasets", "eurosat", "--out", "out"];
    let submit = |engine, options: &[&str]| {
        said(folder.path(), &[&["submit", engine, "--dry-run", "--tasks", "2"], options, &run].concat())
    };
    insta::assert_snapshot!(submit("hq", &["--cpus", "4", "--gpus", "1", "--memory", "2G", "--time", "1:00:00"]), @r"
    exit code 0
    --- stdout
    hq submit --array=1-2 --name=nemesis-few-shot-[HASH] --cwd=[DIR] '--stdout=[DIR]/out/logs/hq-%{JOB_ID}_%{TASK_ID}.out' '--stderr=[DIR]/out/logs/hq-%{JOB_ID}_%{TASK_ID}.log' --cpus=4 --pin=taskset --resource=gpus/nvidia=1 --resource=mem=2048 --time-request=3600s --output-mode=quiet -- [NEMESIS] run --no-wait --device=cuda:0 --datasets eurosat --out out
    --- stderr
    ");
    insta::assert_snapshot!(submit("parallel", &["--engine-option=--sshlogin=n1,n2"]), @r"
    exit code 0
    --- stdout
    parallel --jobs 2 --line-buffer --sshlogin=n1,n2 ::: 'cd [DIR] && [NEMESIS] run --no-wait --datasets eurosat --out out' 'cd [DIR] && [NEMESIS] run --no-wait --datasets eurosat --out out'
    --- stderr
    ");
    insta::assert_snapshot!(submit("shell", &["--setup", "module load cuda"]), @r"
    exit code 0
    --- stdout
    cd [DIR] && { eval 'module load cuda' || { echo 'the command of --setup failed: module load cuda' >&2; (exit 2); }; } && cd [DIR] && [NEMESIS] run --no-wait --datasets eurosat --out out
    cd [DIR] && { eval 'module load cuda' || { echo 'the command of --setup failed: module load cuda' >&2; (exit 2); }; } && cd [DIR] && [NEMESIS] run --no-wait --datasets eurosat --out out
    --- stderr
    ");
}

#[test]
fn what_cannot_be_submitted_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cluster.yaml"), "partition: gpu\npartitoin: gpu\n").unwrap();
    let refused = |arguments: &[&str]| said(folder.path(), &[&["submit"], arguments].concat());
    insta::assert_snapshot!(refused(&["slurm", "--profile", "cluster.yaml"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: unknown key `partitoin`
      --> cluster.yaml:2
      expected: one of tasks, partition, account, qos, time, cpus, gpus, memory, grace, engine_option, setup
      help: did you mean `partition`?
    ");
    insta::assert_snapshot!(refused(&["slurm", "--tasks", "0"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: `tasks` is 0, so nothing would be computed
      expected: 1 or more
    ");
    insta::assert_snapshot!(refused(&["slurm", "--tasks", "2000", "--dry-run"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: an array of 2000 runs is too large
      expected: at most 1001, Slurm's default limit
      help: each run takes one job after the other, so far fewer runs than jobs will do
    ");
    insta::assert_snapshot!(refused(&["hq", "--partition", "gpu"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: HyperQueue has no partition
      help: its workers have one: give it to `hq alloc add slurm`
    ");
    insta::assert_snapshot!(refused(&["hq", "--grace", "60"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: HyperQueue does not tell a task that its time is nearly up
      help: leave it out; a run that is ended resumes at its last checkpoint, see `--checkpoint-every`
    ");
    insta::assert_snapshot!(refused(&["hq", "--engine-option=--server-dir=x"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: `nemesis status` and `nemesis cancel` would ask another server
      help: name the server's folder by HQ_SERVER_DIR in place of `--server-dir`
    ");
    insta::assert_snapshot!(refused(&["hq", "--memory", "much"]), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: `memory` is "much"
      expected: a whole number and K, M, G or T, as in 16G
    "#);
    let first = |arguments: &[&str]| {
        let said = refused(arguments);
        let line = said.lines().find(|line| line.starts_with("error: ")).unwrap_or(&said).to_owned();
        assert!(said.starts_with("exit code 2"), "{said}");
        line
    };
    for (arguments, expected) in [
        (&["--grace", "0"][..], "`grace` is 0, so a run would be killed before it could save its trainings"),
        (&["--engine-option=--array=1-3"], "`nemesis submit` sets `--array` itself"),
        (&["--engine-option=--arr=0-5"], "`nemesis submit` sets `--array` itself"),
        (&["--engine-option=-a0-9"], "`nemesis submit` sets `-a` itself"),
        (&["--engine-option=--array 0-99"], "`nemesis submit` sets `--array` itself"),
        (&["--engine-option=--output x"], "`nemesis submit` sets `--output` itself"),
        (&["--engine-option=--exclusive --array=0-99"], "`nemesis submit` sets `--array` itself"),
        (&["--engine-option=--job-name=mine"], "`nemesis submit` sets `--job-name` itself"),
        (&["--engine-option=-J mine"], "`nemesis submit` sets `-J` itself"),
        (&["--engine-option=--no-requeue"], "`nemesis submit` sets `--no-requeue` itself"),
        (&["--engine-option=script.sh"], "`script.sh` is no option"),
        (&["--time", "4h"], "`time` is \"4h\""),
        (&["--grace", "60", "--", "--stop-within", "61"], "a run may take 61 s to stop, and is killed after 60"),
    ] {
        let line = first(&[&["slurm", "--dry-run"], arguments].concat());
        assert_eq!(line, format!("error: {expected}"));
    }
    insta::assert_snapshot!(refused(&["slurm", "--dry-run", "--", "--shots", "x"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: invalid value 'x' for '--shots <NUMBERS>': `x` is neither a number nor a range, expected whole numbers from 0 on, as in 1,2,4-8
      help: `nemesis run --help` shows its arguments
    ");
}

/// Programs of Slurm and of `HyperQueue` that know what was submitted, and jobs of others.
fn engines(folder: &Path) {
    let name = "name=$(cat name)";
    made_up(folder, "sbatch", "sed -n 's/^#SBATCH --job-name=//p' \"$2\" > name; echo '4711;west'");
    let queue = "printf '%s\\n' 'CLUSTER: west' \"47|47_0|$name|RUNNING n0\" \"4711|4711_0|$name|RUNNING n1\" \\\n\
                 \"4711|4711_1|$name|PENDING (Priority)\"";
    made_up(folder, "squeue", &format!("echo \"$@\" > asked\n{name}\n{queue}"));
    made_up(folder, "scancel", "echo \"$@\" > cancelled");
    let list = "printf '[{\"id\": 1, \"name\": \"%s\", \"task_stats\": {\"running\": 1}},\
                {\"id\": 12, \"name\": \"%s\", \"task_stats\": {\"running\": 0, \"waiting\": 4}}]\\n' \"$name\" \"$name\"";
    let hq = format!(
        "case \"$*\" in\n*--version*) ;;\nsubmit*) for word; do case $word in --name=*) echo \"${{word#--name=}}\" > name ;; esac; done\necho 12 ;;\n\
         'job list --output-mode=json') {name}\n{list} ;;\n'job cancel 12') touch hq-cancelled ;;\n*) echo \"error: $*\" >&2; exit 1 ;;\nesac"
    );
    made_up(folder, "hq", &hq);
}

#[test]
fn a_submission_is_followed_and_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    engines(folder.path());
    let submit = |engine| said(folder.path(), &["submit", engine, "--", "--out", "out"]);
    let cancel = || said(folder.path(), &["cancel", "--out", "out"]);
    insta::assert_snapshot!(submit("slurm"), @r"
    exit code 0
    --- stdout
    submitted job 4711 with 4 runs; logs go to [DIR]/out/logs
    --- stderr
    ");
    insta::assert_snapshot!(submit("hq"), @r"
    exit code 0
    --- stdout
    submitted job 12 with 4 runs; logs go to [DIR]/out/logs
    --- stderr
    ");
    let status = || said(folder.path(), &["status", "--out", "out"]);
    let running = status();
    let queue: Vec<&str> = running.lines().filter(|line| line.starts_with("job ")).collect();
    assert_eq!(queue, ["job 12: 4 waiting", "job 4711_0: RUNNING n1", "job 4711_1: PENDING (Priority)"]);
    assert!(fs::read_to_string(file("asked")).unwrap().starts_with("--clusters=west "));
    made_up(folder.path(), "squeue", "");
    assert!(status().contains("\njob 4711: over; logs are in out/logs\n"), "{}", status());
    insta::assert_snapshot!(cancel(), @r"
    exit code 0
    --- stdout
    job 12 is cancelled
    job 4711 is over
    --- stderr
    ");
    assert!(file("hq-cancelled").exists() && !file("cancelled").exists(), "what is over is not cancelled");
    insta::assert_snapshot!(cancel(), @r"
    exit code 0
    --- stdout
    nothing was submitted for this folder, and no run on this machine is at work on it
    --- stderr
    ");
    engines(folder.path());
    submit("slurm");
    insta::assert_snapshot!(cancel(), @r"
    exit code 0
    --- stdout
    job 4711 is cancelled
    --- stderr
    ");
    assert_eq!(fs::read_to_string(file("cancelled")).unwrap(), "--clusters=west 4711\n");
}

/// Numbers begin anew with each server, so that of a job is soon that of another one.
#[test]
fn a_job_of_the_same_number_is_not_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    engines(folder.path());
    for engine in ["slurm", "hq"] {
        said(folder.path(), &["submit", engine, "--", "--out", "out"]);
    }
    fs::write(folder.path().join("name"), "nemesis-few-shot-of-another-folder").unwrap();
    insta::assert_snapshot!(said(folder.path(), &["cancel", "--out", "out"]), @r"
    exit code 0
    --- stdout
    job 12 is over
    job 4711 is over
    --- stderr
    ");
    let cancelled = ["cancelled", "hq-cancelled"].map(|file| folder.path().join(file).exists());
    assert_eq!(cancelled, [false, false]);
}

#[test]
fn the_jobs_of_other_users_are_theirs() {
    let folder = tempfile::tempdir().unwrap();
    made_up(folder.path(), "squeue", "touch asked");
    let notes = folder.path().join("out/submissions");
    fs::create_dir_all(&notes).unwrap();
    let note = r#"{"engine": "slurm", "job": "4711", "tasks": 4, "name": "nemesis-few-shot-0a1b2c3d",
        "user": {"id": 4294967294, "name": "anna"}}"#;
    fs::write(notes.join("slurm-4711.json"), note).unwrap();
    let status = said(folder.path(), &["status", "--out", "out"]);
    assert!(status.contains("\njob 4711: submitted by anna\n"), "{status}");
    insta::assert_snapshot!(said(folder.path(), &["cancel", "--out", "out"]), @r"
    exit code 1
    --- stdout
    --- stderr
    warning: job 4711 could not be cancelled: it is anna's
    ");
    assert!(!folder.path().join("asked").exists());
}

#[test]
fn the_number_of_a_job_that_cannot_be_noted_is_told() {
    let folder = tempfile::tempdir().unwrap();
    made_up(folder.path(), "sbatch", "rm -r out/submissions; touch out/submissions; echo 4711");
    let said = said(folder.path(), &["submit", "slurm", "--", "--out", "out"]);
    let expected = "error: job 4711 is in the queue, but `nemesis status` and `nemesis cancel` do not know it: cannot ";
    assert!(said.starts_with("exit code 2") && said.contains(expected), "{said}");
}

#[test]
fn commands_before_a_run_may_end_as_they_like() {
    let folder = tempfile::tempdir().unwrap();
    let ran = |setup: &str| {
        let submit = ["submit", "shell", "--tasks", "1", "--setup", setup, "--", "--out", "out"];
        let said = said(folder.path(), &submit);
        let line = said.lines().find(|line| line.starts_with("cd ")).unwrap_or_else(|| panic!("{said}"));
        let line = line.replace("[DIR]", &folder.path().display().to_string()).replace("[NEMESIS]", "echo");
        let output = Command::new("sh").args(["-c", &line]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    for setup in ["true", "true # 12.1", "true;", "A='b c'; test \"$A\" = 'b c'"] {
        assert_eq!(ran(setup), (Some(0), "run --no-wait --out out\n".to_owned()), "{setup}");
    }
    assert_eq!(ran("false # 12.1"), (Some(2), String::new()));
}

#[test]
fn gnu_parallel_says_how_many_runs_did_not_end_well() {
    let folder = tempfile::tempdir().unwrap();
    let submitted = |status: &str| {
        made_up(folder.path(), "parallel", &format!("exit {status}"));
        said(folder.path(), &["submit", "parallel", "--", "--out", "out"])
    };
    insta::assert_snapshot!([submitted("0"), submitted("2"), submitted("255")].join("\n"));
}

/// The Python package `hyperqueue` brings no program `hq`.
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
    let missing = folder.path().join("missing");
    fs::create_dir(&missing).unwrap();
    fs::write(missing.join("hyperqueue.py"), "raise ModuleNotFoundError(\"No module named 'hyperqueue'\")\n").unwrap();
    let submit = |python: &Path| {
        let options = ["--tasks", "2", "--cpus", "3", "--memory", "1G", "--time", "0:02:00"];
        let arguments = [&["submit", "hq"][..], &options, &["--", "--jobs", "1", "--out", "out"]].concat();
        let mut command = nemesis(folder.path(), &arguments);
        // Of the machine's programs, only Python's is at hand.
        let found = std::env::var("PATH").unwrap();
        made_up(folder.path(), "python3", &format!("PATH='{found}' exec python3 \"$@\""));
        command.env("PATH", folder.path().join("bin")).env("HQ_SERVER_DIR", "servers/1").env("PYTHONPATH", python);
        told(&command.output().unwrap()).replace(&folder.path().canonicalize().unwrap().display().to_string(), "[DIR]")
    };
    insta::assert_snapshot!(submit(&missing), @r"
    exit code 2
    --- stdout
    --- stderr
    error: cannot start `hq`: it is not in PATH
      help: put HyperQueue's program `hq` into PATH, or `pip install hyperqueue` for `python3`
    ");
    insta::assert_snapshot!(submit(&folder.path().join("python")), @r"
    exit code 0
    --- stdout
    submitted job 3 with 2 runs; logs go to [DIR]/out/logs
    --- stderr
    ");
    let submitted = fs::read_to_string(folder.path().join("submitted")).unwrap();
    insta::assert_snapshot!(submitted.replace(&program().display().to_string(), "[NEMESIS]"), @r#"
    servers/1 None 2 ['-c', 'exec ${HQ_CPUS:+taskset -c "$HQ_CPUS"} "$@"', 'sh', '[NEMESIS]', 'run', '--no-wait', '--jobs', '1', '--out', 'out']
    hq-%{JOB_ID}_1.out hq-%{JOB_ID}_1.log {'cpus': 3, 'resources': {'mem': 1024}, 'min_time': datetime.timedelta(seconds=120)}
    hq-%{JOB_ID}_2.out hq-%{JOB_ID}_2.log {'cpus': 3, 'resources': {'mem': 1024}, 'min_time': datetime.timedelta(seconds=120)}
    "#);
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

#[test]
fn what_slurm_would_misread_is_quoted_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dry = |options: &[&str], out: &str| {
        said(folder.path(), &[&["submit", "slurm", "--dry-run"], options, &["--", "--out", out]].concat())
    };
    let output = |out: &str| {
        let script = dry(&[], out);
        script.lines().find(|line| line.starts_with("#SBATCH --output")).map(str::to_owned).unwrap_or(script)
    };
    assert_eq!(output("it's"), "#SBATCH --output=\"[DIR]/it's/logs/%A_%a.log\"");
    assert_eq!(output("a#b"), "#SBATCH --output=\"[DIR]/a#b/logs/%A_%a.log\"");
    insta::assert_snapshot!(output("a \"b\""), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: Slurm cannot be given this path
      --> [DIR]/a "b"/logs
      expected: UTF-8 without ", % and \
    "#);
    insta::assert_snapshot!(dry(&["--time", "1:00"], "out"), @r"
    exit code 2
    --- stdout
    --- stderr
    error: a run is told to stop 120 s before its 60 s are up, which is at once
      help: ask for more time, or for less `--grace`
    ");
    insta::assert_snapshot!(dry(&["--time", "4h"], "out"), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: `time` is "4h"
      expected: minutes, or as in 4:00:00 or 1-12:00:00
    "#);
    insta::assert_snapshot!(dry(&["--cpus", "0"], "out"), @r"
    exit code 2
    --- stdout
    --- stderr
    error: `cpus` is 0, so nothing would be computed
      expected: 1 or more
    ");
}

#[test]
fn an_element_whose_setup_fails_computes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let submit = ["submit", "slurm", "--dry-run", "--setup", "no-such-command", "--", "--datasets", "eurosat"];
    let script = nemesis(folder.path(), &submit).output().unwrap();
    assert!(script.status.success(), "{}", told(&script));
    fs::write(folder.path().join("job.sh"), script.stdout).unwrap();
    let ended = Command::new("bash").arg("job.sh").current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.ends_with("the command of --setup failed: no-such-command\n"), "{said}");
    assert!(!folder.path().join("out/records").exists());
}

#[test]
fn without_a_queue_nothing_is_asked_of_one() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(said(folder.path(), &["submit", "shell", "--partition", "gpu", "--", "--out", "out"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: `partition` is asked for, and no queue is there to give it
      help: `nemesis submit slurm` asks a queue; of `nemesis run`, `--device`, `--jobs` and `--memory` divide a machine
    ");
    // Both runs would be on the first GPU.
    let two = ["submit", "parallel", "--tasks", "2", "--gpus", "1", "--", "--out", "out"];
    assert!(said(folder.path(), &two).contains("error: `gpus` is asked for, and no queue is there to give it"));
}
