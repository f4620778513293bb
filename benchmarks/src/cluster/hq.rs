//! `HyperQueue`: an array of tasks, each an equal run.

use super::Profile;
use super::engine::{job_number, run};
use nemesis_core::{Error, Result};
use std::process::Command;

/// The arguments of `hq` that submit the runs.
///
/// # Errors
///
/// When the profile asks for what `HyperQueue` does not have.
pub fn arguments(profile: &Profile, folder: &str, logs: &str, name: &str, command: &[String]) -> Result<Vec<String>> {
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
    words.extend(profile.time.as_ref().map(|time| format!("--time-request={time}")));
    words.extend(profile.engine_option.iter().cloned());
    words.extend(["--output-mode=quiet".to_owned(), "--".to_owned()]);
    words.extend(command.iter().cloned());
    Ok(words)
}

/// Submits the runs; returns the job's number.
///
/// # Errors
///
/// When `hq` is missing or refuses.
pub fn submit(arguments: &[String]) -> Result<String> {
    job_number(&run(Command::new("hq").args(arguments), "hq")?, "hq")
}
