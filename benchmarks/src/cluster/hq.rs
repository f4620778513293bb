//! `HyperQueue`: an array of tasks, each an equal run.
//!
//! Its program `hq` is asked, or for want of it the Python package `hyperqueue`, which has no such program.

use super::engine::{ask, job_number, run};
use super::submissions::QueuedRun;
use super::{Array, Profile, utf8};
use nemesis_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::env;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The arguments of `hq` that submit the runs.
///
/// # Errors
///
/// When the profile asks for what `HyperQueue` does not have.
pub fn arguments(array: &Array<'_>) -> Result<Vec<String>> {
    let Array { folder, logs, command, name, profile } = *array;
    let (folder, logs) = (utf8(folder)?, utf8(logs)?);
    refuse_what_it_lacks(profile)?;
    let mut words = vec!["submit".to_owned(), format!("--array=1-{}", profile.tasks())];
    words.extend([format!("--name={name}"), format!("--cwd={folder}")]);
    words.extend([format!("--stdout={logs}/hq-%{{JOB_ID}}_%{{TASK_ID}}.out")]);
    words.extend([format!("--stderr={logs}/hq-%{{JOB_ID}}_%{{TASK_ID}}.log")]);
    if let Some(cpus) = profile.cpus {
        words.push(format!("--cpus={cpus}"));
        // Otherwise a task may use all cores of its machine, and takes as many threads.
        if !profile.engine_option.iter().any(|option| option.starts_with("--pin")) {
            words.push("--pin=taskset".to_owned());
        }
    }
    words.extend(profile.gpus.filter(|gpus| *gpus > 0).map(|gpus| format!("--resource=gpus/nvidia={gpus}")));
    words.extend(profile.megabytes()?.map(|megabytes| format!("--resource=mem={megabytes}")));
    words.extend(profile.seconds()?.map(|seconds| format!("--time-request={seconds}s")));
    words.extend(profile.engine_option.iter().cloned());
    words.extend(["--output-mode=quiet".to_owned(), "--".to_owned()]);
    words.extend(command.iter().cloned());
    Ok(words)
}

fn refuse_what_it_lacks(profile: &Profile) -> Result<()> {
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
    if profile.grace.is_some() {
        return Err(Error::new("HyperQueue does not tell a task that its time is nearly up")
            .about("--grace")
            .help("leave it out; a run that is ended resumes at its last checkpoint, see `--checkpoint-every`"));
    }
    if profile.engine_option.iter().any(|option| option.starts_with("--server-dir")) {
        return Err(Error::new("`nemesis status` and `nemesis cancel` would ask another server")
            .about("--engine-option")
            .help("name the server's folder by HQ_SERVER_DIR in place of `--server-dir`"));
    }
    Ok(())
}

/// The folder of the server that gets what is submitted from here. Its number of a job means nothing to another one.
pub fn server() -> Option<String> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = variable(SERVER).or_else(|| Some(variable("HOME")?.join(".hq-server")))?;
    std::path::absolute(folder).ok()?.to_str().map(str::to_owned)
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
    let said = run(Command::new(HQ).args(arguments(array)?), HQ)?;
    job_number(&said, HQ).map(|(job, _)| job)
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
        return job_number(&String::from_utf8_lossy(&output.stdout), "HyperQueue").map(|(job, _)| job);
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

/// A job as `hq` lists it, as far as it is needed here.
#[derive(Deserialize)]
struct Listed {
    id: u64,
    name: String,
    /// How many of its tasks are in each state.
    #[serde(default)]
    task_stats: BTreeMap<String, u64>,
}

/// The jobs that are not over, each as one run with its state.
///
/// # Errors
///
/// When `hq` is missing, cannot reach its server, or lists them in another form.
pub(super) fn queue(server: Option<&str>) -> Result<Vec<QueuedRun>> {
    // Jobs that are over are not in this list.
    let said = ask(at(server)?.args(["job", "list", "--output-mode=json"]), HQ);
    listed(&said.map_err(|e| e.help("if its server is gone for good, delete the notes `hq-*.json` in `submissions`"))?)
}

fn listed(said: &str) -> Result<Vec<QueuedRun>> {
    let unknown = |e: serde_json::Error| Error::new(format!("`{HQ}` lists its jobs in a form that is not known: {e}"));
    let jobs: Vec<Listed> = serde_json::from_str(said).map_err(unknown)?;
    let run = |Listed { id, name, task_stats }| {
        let tasks = task_stats.iter().filter(|(_, tasks)| **tasks > 0);
        let state = tasks.map(|(state, tasks)| format!("{tasks} {state}")).collect::<Vec<_>>().join(", ");
        QueuedRun { job: id.to_string(), name, id: id.to_string(), state }
    };
    Ok(jobs.into_iter().map(run).collect())
}

/// Cancels a job.
///
/// # Errors
///
/// When `hq` is missing or refuses.
pub(super) fn cancel(job: &str, server: Option<&str>) -> Result<()> {
    run(at(server)?.args(["job", "cancel", job]), HQ).map(|_| ())
}

const HQ: &str = "hq";

/// The variable that names the folder of a server.
const SERVER: &str = "HQ_SERVER_DIR";

/// The program, which is to ask this server.
fn at(server: Option<&str>) -> Result<Command> {
    if is_missing() {
        return Err(no_program().help("its Python package can submit jobs, but neither list nor cancel them"));
    }
    let mut command = Command::new(HQ);
    command.envs(server.map(|folder| (SERVER, folder)));
    Ok(command)
}

fn no_program() -> Error {
    Error::new("cannot start `hq`: it is not in PATH")
}

/// Whether the program is not to be found.
fn is_missing() -> bool {
    let started = Command::new(HQ).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    started.is_err_and(|e| e.kind() == ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_read_from_what_hq_lists() {
        let said = r#"[{"id": 12, "name": "nemesis-few-shot-0a1b2c3d", "task_count": 4, "is_open": false, "cancel_reason": null,
            "task_stats": {"running": 1, "finished": 0, "failed": 0, "canceled": 0, "aborted": 0, "waiting": 3}}]"#;
        let [run]: [QueuedRun; 1] = listed(said).unwrap().try_into().unwrap();
        let QueuedRun { job, name, id, state } = run;
        assert_eq!([job, id, name], ["12", "12", "nemesis-few-shot-0a1b2c3d"]);
        assert_eq!(state, "1 running, 3 waiting");
        assert!(listed("[]").unwrap().is_empty());
        assert!(listed("{}").is_err());
    }
}
