//! `HyperQueue`: an array of tasks, each an equal run.
//!
//! Its program `hq` is asked, or for want of it the Python package `hyperqueue`, which has no such program.

use super::engine::{ask, job_number, run};
use super::submissions::QueuedRun;
use super::{Array, utf8};
use nemesis_core::{Error, Result};
use serde::Serialize;
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

/// The arguments of `hq` that submit the runs.
///
/// # Errors
///
/// When the profile asks for what `HyperQueue` does not have.
pub fn arguments(array: &Array<'_>) -> Result<Vec<String>> {
    let Array { folder, logs, command, name, profile } = *array;
    let (folder, logs) = (utf8(folder)?, utf8(logs)?);
    let foreign = [("partition", &profile.partition), ("account", &profile.account), ("qos", &profile.qos)];
    if let Some((name, _)) = foreign.into_iter().find(|(_, value)| value.is_some()) {
        return Err(Error::new(format!("HyperQueue has no {name}"))
            .about(format!("--{name}"))
            .help("its workers have one: give it to `hq alloc add slurm`"));
    }
    if !profile.setup.is_empty() {
        return Err(Error::new("HyperQueue runs no command before a task")
            .about("--setup")
            .help("start its workers in the environment that the runs need"));
    }
    let mut words = vec!["submit".to_owned(), format!("--array=1-{}", profile.tasks())];
    words.extend([format!("--name={name}"), format!("--cwd={folder}")]);
    words.extend([format!("--stdout={logs}/hq-%{{JOB_ID}}_%{{TASK_ID}}.out")]);
    words.extend([format!("--stderr={logs}/hq-%{{JOB_ID}}_%{{TASK_ID}}.log")]);
    words.extend(profile.cpus.map(|cpus| format!("--cpus={cpus}")));
    words.extend(profile.gpus.filter(|gpus| *gpus > 0).map(|gpus| format!("--resource=gpus/nvidia={gpus}")));
    words.extend(profile.megabytes()?.map(|megabytes| format!("--resource=mem={megabytes}")));
    words.extend(profile.seconds()?.map(|seconds| format!("--time-request={seconds}s")));
    words.extend(profile.engine_option.iter().cloned());
    words.extend(["--output-mode=quiet".to_owned(), "--".to_owned()]);
    words.extend(command.iter().cloned());
    Ok(words)
}

/// Submits the runs; returns the job's number.
///
/// # Errors
///
/// When neither `hq` nor the Python package is there, or the server refuses.
pub fn submit(array: &Array<'_>) -> Result<String> {
    if is_missing() {
        return submit_from_python(array);
    }
    job_number(&run(Command::new(HQ).args(arguments(array)?), HQ)?, HQ)
}

fn submit_from_python(array: &Array<'_>) -> Result<String> {
    arguments(array)?;
    let Array { folder, logs, command, name, profile } = *array;
    if !profile.engine_option.is_empty() {
        return Err(no_program().help("--engine-option needs it; HyperQueue's Python package takes none"));
    }
    let wanted = Wanted {
        cwd: utf8(folder)?,
        logs: utf8(logs)?,
        name,
        command,
        tasks: profile.tasks(),
        cpus: profile.cpus,
        gpus: profile.gpus,
        memory: profile.megabytes()?,
        seconds: profile.seconds()?,
    };
    let text = serde_json::to_vec(&wanted).map_err(|e| Error::new(format!("the runs cannot be submitted: {e}")))?;
    let failed = |e: std::io::Error| no_program().help(format!("nor can `python3` be used: {e}"));
    let mut python = Command::new("python3");
    python.args(["-c", include_str!("hq_submit.py")]).stdin(Stdio::piped());
    // The last line of what it says is its reason, unless a wish for backtraces adds others.
    python.env_remove("RUST_BACKTRACE");
    let mut child = python.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    // Should it end before it has read this, its message says why.
    child.stdin.take().map(|mut input| input.write_all(&text));
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return job_number(&String::from_utf8_lossy(&output.stdout), "HyperQueue");
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("python3 failed").trim();
    Err(if last.contains("No module named 'hyperqueue'") {
        no_program().help("put HyperQueue's program `hq` into PATH, or `pip install hyperqueue` for `python3`")
    } else {
        Error::new(format!("HyperQueue's Python package cannot submit the runs: {last}"))
            .help("HQ_SERVER_DIR names the folder of its server; server and package have to be of one version")
    })
}

/// What the Python script is told.
#[derive(Serialize)]
struct Wanted<'a> {
    cwd: String,
    logs: String,
    name: &'a str,
    command: &'a [String],
    tasks: u32,
    cpus: Option<u32>,
    gpus: Option<u32>,
    memory: Option<u64>,
    seconds: Option<u64>,
}

/// The jobs that are not over, each as one run with its state.
///
/// # Errors
///
/// When `hq` is missing or cannot reach its server.
pub(super) fn queue() -> Result<Vec<QueuedRun>> {
    // Jobs that are over are not in this list. Of a single job `hq` says nothing in this form.
    let said = ask(require()?.args(["job", "list", "--output-mode=quiet"]), HQ)?;
    let line = |line: &str| line.split_once(' ').map(|(job, state)| QueuedRun::new(job, job, state));
    Ok(said.lines().filter_map(line).collect())
}

/// Cancels a job.
///
/// # Errors
///
/// When `hq` is missing or refuses.
pub fn cancel(job: &str) -> Result<()> {
    run(require()?.args(["job", "cancel", job]), HQ).map(|_| ())
}

const HQ: &str = "hq";

fn require() -> Result<Command> {
    if is_missing() {
        return Err(no_program().help("its Python package can submit jobs, but neither list nor cancel them"));
    }
    Ok(Command::new(HQ))
}

fn no_program() -> Error {
    Error::new("cannot start `hq`: it is not in PATH")
}

/// Whether the program is not to be found.
fn is_missing() -> bool {
    let started = Command::new(HQ).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    started.is_err_and(|e| e.kind() == ErrorKind::NotFound)
}
