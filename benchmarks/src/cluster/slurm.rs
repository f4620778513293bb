//! Slurm: one array job, whose elements are equal runs.

use super::engine::{ask, job_number, run};
use super::submissions::QueuedRun;
use super::{Array, Profile, command_line, quoted, setup_failed};
use nemesis_core::{Error, Result};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// Slurm's default `MaxArraySize` allows for indices up to this one.
const LAST_INDEX: u32 = 1000;

/// The script for `sbatch`.
///
/// The run is stopped by SIGUSR1 before its time is up, and the element then goes back into the queue; SIGTERM, which
/// `scancel` sends, ends it for good. Preemption requeues by itself (`--requeue`).
///
/// # Errors
///
/// When there are more elements than an array may have, or a path is not UTF-8.
pub fn script(array: &Array<'_>) -> Result<String> {
    let Profile { partition, account, qos, time, cpus, gpus, memory, engine_option, setup, .. } = array.profile;
    array.profile.check()?;
    let last = array.profile.tasks() - 1;
    if last > LAST_INDEX {
        return Err(Error::new(format!("an array of {} runs is too large", last + 1))
            .expected(format!("at most {}, Slurm's default limit", LAST_INDEX + 1))
            .help("each run takes one job after the other, so far fewer runs than jobs will do")
            .about("--tasks"));
    }
    let grace = array.profile.grace();
    if let Some(limit) = array.profile.seconds()?.filter(|limit| *limit <= u64::from(grace)) {
        let what = format!("a run is told to stop {grace} s before its {limit} s are up, which is at once");
        return Err(Error::new(what).about("--time").help("ask for more time, or for less `--grace`"));
    }
    refuse_what_is_set_here(engine_option)?;
    let utf8 = |path: &Path| {
        path.to_str().filter(|path| !path.contains(['\n', '%', '\\', '"'])).map(str::to_owned).ok_or_else(|| {
            Error::new("Slurm cannot be given this path").at(path).expected("UTF-8 without \", % and \\")
        })
    };
    let mut options = vec![
        format!("--job-name={}", array.name),
        format!("--array=0-{last}"),
        format!("--output={}/%A_%a.log", utf8(array.logs)?),
        "--open-mode=append".to_owned(),
        "--requeue".to_owned(),
        "--ntasks=1".to_owned(),
        format!("--signal=B:USR1@{grace}"),
    ];
    let mut add = |name: &str, value: Option<String>| options.extend(value.map(|value| format!("--{name}={value}")));
    add("partition", partition.clone());
    add("account", account.clone());
    add("qos", qos.clone());
    add("time", time.clone());
    add("cpus-per-task", cpus.map(|cpus| cpus.to_string()));
    add("gres", gpus.filter(|gpus| *gpus > 0).map(|gpus| format!("gpu:{gpus}")));
    add("mem", memory.clone());
    options.extend(engine_option.iter().cloned());
    let mut script = "#!/bin/bash\n".to_owned();
    for option in options {
        // A quoted value is one word for sbatch, whatever is in it.
        let (name, value) = option.split_once('=').unwrap_or((&option, ""));
        let value = if value.is_empty() { String::new() } else { format!("={}", sbatch_word(value)) };
        let _ = writeln!(script, "#SBATCH {name}{value}");
    }
    let folder = quoted(&utf8(array.folder)?);
    let _ = writeln!(script, "\ncd {folder} || exit 2");
    for line in setup {
        let said = quoted(&setup_failed(line));
        let _ = writeln!(script, "{line}\n[ $? -eq 0 ] || {{ echo {said} >&2; exit 2; }}");
    }
    if !setup.is_empty() {
        // A command may have gone elsewhere, and paths of the run are as they were given here.
        let _ = writeln!(script, "cd {folder} || exit 2");
    }
    let _ = write!(script, "{}", TAIL.replace("COMMAND", &command_line(array.command.iter().map(String::as_str))));
    Ok(script)
}

/// Starts the run and passes signals on. A signal ends `wait` early, which is then called again.
const TAIL: &str = r#"
set -u
time_is_up=
signalled=
COMMAND &
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
"#;

/// A value after `=` in a line of `#SBATCH`, where double quotes hold words together. Without them `#` begins a comment, and
/// a single quote asks for another.
fn sbatch_word(value: &str) -> String {
    let is_quoted = value.contains('"') || !value.contains([' ', '#', '\'']);
    if is_quoted { value.to_owned() } else { format!("\"{value}\"") }
}

/// Options that `nemesis` sets, and that would make what it says of the job wrong.
const SET_HERE: [&str; 12] = [
    "--array",
    "-a",
    "--job-name",
    "-J",
    "--output",
    "-o",
    "--open-mode",
    "--signal",
    "--wrap",
    "--ntasks",
    "-n",
    "--no-requeue",
];

/// Variables that sbatch heeds before the options in a script.
const VARIABLES: [&str; 6] =
    ["SBATCH_ARRAY_INX", "SBATCH_JOB_NAME", "SBATCH_OUTPUT", "SBATCH_OPEN_MODE", "SBATCH_SIGNAL", "SBATCH_NO_REQUEUE"];

fn refuse_what_is_set_here(options: &[String]) -> Result<()> {
    for option in options {
        // What is behind `=` is one word for sbatch. Before it, words are as on a command line, and may be several options.
        let head = option.split_once('=').map_or(option.as_str(), |(head, _)| head);
        for name in head.split_whitespace().filter(|word| word.starts_with('-')) {
            // sbatch takes the beginning of a long option for all of it, and the value of a short one without a space.
            let is_long = name.starts_with("--");
            let is_meant = |known: &&str| if is_long { known.starts_with(name) } else { name.starts_with(*known) };
            if let Some(name) = SET_HERE.into_iter().find(is_meant) {
                return Err(Error::new(format!("`nemesis submit` sets `{name}` itself"))
                    .about("--engine-option")
                    .help("leave it out; --tasks says how many runs there are"));
            }
        }
        if !option.starts_with('-') {
            let expected = "an option of sbatch, as in --engine-option=--constraint=a100";
            return Err(Error::new(format!("`{option}` is no option")).expected(expected).about("--engine-option"));
        }
    }
    Ok(())
}

/// Submits a script; returns the job's number, and the cluster that has it if there are several.
///
/// # Errors
///
/// When `sbatch` is missing or refuses.
pub fn submit(script: &Path) -> Result<(String, Option<String>)> {
    let mut command = Command::new("sbatch");
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    job_number(&run(command.arg("--parsable").arg(script), "sbatch")?, "sbatch")
}

/// A program of Slurm that is to ask this cluster; without a name the one that this machine belongs to.
fn at(cluster: Option<&str>, program: &str) -> Command {
    let mut command = Command::new(program);
    match cluster {
        Some(cluster) => command.arg(format!("--clusters={cluster}")),
        None => command.env_remove("SLURM_CLUSTERS"),
    };
    command
}

/// Cancels a job with all its elements.
///
/// # Errors
///
/// When `scancel` is missing or refuses.
pub(super) fn cancel(job: &str, cluster: Option<&str>) -> Result<()> {
    run(at(cluster, "scancel").arg(job), "scancel").map(|_| ())
}

/// The elements of all of the user's jobs that are in the queue, each with its state and the reason or the node.
///
/// # Errors
///
/// When `squeue` is missing or cannot reach its server.
pub(super) fn queue(cluster: Option<&str>) -> Result<Vec<QueuedRun>> {
    let mut command = at(cluster, "squeue");
    // A job that is over is forgotten after some minutes, and asking for it alone fails then.
    command.args(["--noheader", "--me", "--format", "%F|%i|%j|%T %R"]);
    let output = ask(&mut command, "squeue")?;
    Ok(output.lines().filter_map(listed).collect())
}

/// A line of the queue. Those that name a cluster are none.
fn listed(line: &str) -> Option<QueuedRun> {
    let [job, id, name, state] = line.splitn(4, '|').map(str::to_owned).collect::<Vec<_>>().try_into().ok()?;
    Some(QueuedRun { job, name, id, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_queue_is_an_element() {
        let element = listed("4711|4711_[1-3]|nemesis-few-shot-0a1b2c3d|PENDING (Priority)").unwrap();
        let QueuedRun { job, name, id, state } = element;
        assert_eq!([job, id], ["4711", "4711_[1-3]"]);
        assert_eq!([name, state], ["nemesis-few-shot-0a1b2c3d", "PENDING (Priority)"]);
        assert!(listed("CLUSTER: west").is_none());
    }

    #[test]
    fn values_are_one_word_each_for_sbatch() {
        for (value, word) in [
            ("/a/b", "/a/b"),
            ("/a b", "\"/a b\""),
            ("/a#b", "\"/a#b\""),
            ("/it's", "\"/it's\""),
            ("\"own quotes\"", "\"own quotes\""),
        ] {
            assert_eq!(sbatch_word(value), word);
        }
    }
}
