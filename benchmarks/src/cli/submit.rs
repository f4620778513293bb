//! `nemesis submit`: hands equal runs on one folder to an engine that has machines for them.

use super::{Ending, say, warn};
use crate::cluster::submissions::{Engine, Submission, User, folder, logs};
use crate::cluster::{Array, Profile, command_line, hq, quoted, setup_failed, slurm, utf8};
use crate::numbers::counted;
use crate::process::again;
use crate::settings::{Layer, Settings};
use clap::{Args, Parser, Subcommand};
use nemesis_core::{Error, Result, files};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

/// Starts several runs on one folder with the help of Slurm, `HyperQueue`, GNU parallel or a list of commands.
///
/// All runs are equal. They divide the jobs among them, so any of them may be stopped, requeued or lost, and more can be
/// submitted at any time. The last one to finish prints the table.
#[derive(Debug, Args)]
pub(super) struct Submit {
    #[command(subcommand)]
    engine: To,
}

#[derive(Debug, Subcommand)]
enum To {
    /// Submit an array job to Slurm, whose elements take jobs until their time is up
    #[command(after_help = SLURM_EXAMPLES)]
    Slurm(What),
    /// Submit an array of tasks to `HyperQueue`
    #[command(after_help = HQ_EXAMPLES)]
    Hq(What),
    /// Start the runs with GNU parallel, on this machine or on others
    #[command(after_help = PARALLEL_EXAMPLES)]
    Parallel(What),
    /// Print one command for each run
    #[command(after_help = SHELL_EXAMPLES)]
    Shell(What),
}

/// What is submitted.
#[derive(Debug, Args)]
struct What {
    /// A YAML file with any of these options as keys, such as partition and time
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    #[command(flatten)]
    gets: Profile,
    /// Print what would be submitted, and submit nothing
    #[arg(long)]
    dry_run: bool,
    /// The arguments of `nemesis run`
    #[arg(last = true, value_name = "ARGS", allow_hyphen_values = true)]
    arguments: Vec<String>,
}

const SLURM_EXAMPLES: &str = "\
Examples:
  nemesis submit slurm --tasks 8 --partition gpu --gpus 1 --cpus 8 --memory 32G --time 4:00:00 -- \\
      --suite few-shot --data ROOT --weights RN50=RN50.pt --out out
  nemesis submit slurm --profile cluster.yaml --dry-run -- --out out
  nemesis status --out out
  nemesis cancel --out out";

const HQ_EXAMPLES: &str = "\
Examples:
  nemesis submit hq --tasks 4 --cpus 8 -- --suite few-shot --out out";

const PARALLEL_EXAMPLES: &str = "\
Examples:
  nemesis submit parallel --tasks 2 -- --jobs 1 --out out
  nemesis submit parallel --tasks 4 --engine-option=--sshlogin=node1,node2 -- --out out";

const SHELL_EXAMPLES: &str = "\
Examples:
  nemesis submit shell --tasks 4 -- --out out > commands.txt";

/// The command line of `nemesis run`, to see whether arguments fit it. Its help is that of `nemesis run --help`.
#[derive(Parser)]
#[command(name = "nemesis run", no_binary_name = true, about = "The arguments of `nemesis run`, of which each run gets these", long_about = None)]
struct RunArguments {
    #[command(flatten)]
    layer: Layer,
    /// End when every job that is left is with another run on the same folder, instead of waiting for it and printing the
    /// table
    #[arg(long)]
    no_wait: bool,
}

impl Submit {
    pub(super) fn run(&self) -> Result<Ending> {
        let (To::Slurm(what) | To::Hq(what) | To::Parallel(what) | To::Shell(what)) = &self.engine;
        let run = match RunArguments::try_parse_from(&what.arguments) {
            Ok(run) => run,
            // Its help, which was asked for.
            Err(help) if !help.use_stderr() => {
                let _ = help.print();
                return Ok(Ending::Done);
            }
            Err(error) => return Err(unfit(&error)),
        };
        match &self.engine {
            To::Slurm(what) => what.slurm(&run),
            To::Hq(what) => what.hq(&run),
            To::Parallel(what) => what.parallel(&run),
            To::Shell(what) => what.shell(&run),
        }
    }
}

/// Why the arguments are none of `nemesis run`, which clap says in paragraphs: what is wrong, a tip, and where help is.
fn unfit(error: &clap::Error) -> Error {
    let text = error.to_string();
    let mut paragraphs = text.trim_start_matches("error: ").split("\n\n");
    let what = paragraphs.next().unwrap_or_default().trim();
    let tip = paragraphs.find_map(|paragraph| paragraph.trim().strip_prefix("tip: "));
    Error::new(what).help(tip.unwrap_or("`nemesis run --help` shows its arguments"))
}

/// What all engines need.
struct Submitted {
    profile: Profile,
    /// The program and its arguments.
    command: Vec<String>,
    /// The folder that it runs in.
    here: PathBuf,
    /// The folder of the records.
    out: PathBuf,
    /// The name of the job.
    name: String,
}

impl What {
    /// Checks everything that can be checked before a queue has it. `stops_early` says whether a run is told to stop before its
    /// time is up.
    fn prepare(&self, run: &RunArguments, stops_early: bool) -> Result<Submitted> {
        let base = self.profile.as_deref().map_or(Ok(Profile::default()), Profile::read)?;
        let profile = self.gets.clone().over(base);
        profile.check()?;
        let settings = Settings::gather(&run.layer)?;
        let here =
            std::env::current_dir().map_err(|e| Error::new(format!("cannot find the working directory: {e}")))?;
        let out = std::path::absolute(settings.out()).map_err(|e| Error::io("find", settings.out(), &e))?;
        let mut command = variables()?;
        for word in again()? {
            command.push(utf8(&word)?);
        }
        command.push("run".to_owned());
        let grace = profile.grace();
        match settings.layer.stop_within {
            // Before the time is up there is more of it than the default, and with it longer epochs reach their end.
            None if stops_early => command.push(format!("--stop-within={}", grace - (grace / 2).min(20))),
            Some(within) if stops_early && within > u64::from(grace) => {
                return Err(Error::new(format!("a run may take {within} s to stop, and is killed after {grace}"))
                    .about("--stop-within")
                    .help("ask for more `--grace`, or for less `--stop-within`"));
            }
            _ => {}
        }
        if !run.no_wait {
            command.push("--no-wait".to_owned());
        }
        // The queue shows a run its own GPUs only.
        let device = match profile.gpus {
            None | Some(0) => None,
            Some(1) => Some("--device=cuda:0"),
            Some(_) => Some("--device=cuda:all"),
        };
        command.extend(device.filter(|_| settings.layer.device.is_none()).map(str::to_owned));
        command.extend(self.arguments.iter().cloned());
        let suite = Path::new(settings.layer.suite.as_deref().unwrap_or("few-shot"));
        let suite = suite.file_stem().unwrap_or_default().to_string_lossy();
        let plain: String = suite.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        // A server that starts anew gives the same numbers again, so the name has to tell whose a job is.
        let hash = &blake3::hash(out.as_os_str().as_encoded_bytes()).to_hex()[..8];
        let name = format!("nemesis-{plain}-{hash}");
        Ok(Submitted { profile, command, here, out, name })
    }

    fn slurm(&self, run: &RunArguments) -> Result<Ending> {
        let Submitted { profile, command, here, out, name } = self.prepare(run, true)?;
        let logs = logs(&out);
        let array = Array { folder: &here, logs: &logs, command: &command, name: &name, profile: &profile };
        let script = slurm::script(&array)?;
        if self.dry_run {
            super::print(&script)?;
            return Ok(Ending::Done);
        }
        // Slurm creates no folders, and an element without its log's folder fails without a word.
        std::fs::create_dir_all(&logs).map_err(|e| Error::io_write("create the folder", &logs, &e))?;
        let hash = &blake3::hash(script.as_bytes()).to_hex()[..8];
        let file_name = format!("slurm-{hash}.sh");
        let file = folder(&out).join(&file_name);
        files::write_atomic(&file, script.as_bytes())?;
        let (job, place) = slurm::submit(&file)?;
        let (name, script, user) = (Some(name), Some(file_name), Some(User::of_this_process()));
        submitted(&Submission { engine: Engine::Slurm, job, tasks: profile.tasks(), name, place, script, user }, &out)
    }

    fn hq(&self, run: &RunArguments) -> Result<Ending> {
        let Submitted { profile, command, here, out, name } = self.prepare(run, false)?;
        let logs = logs(&out);
        let array = Array { folder: &here, logs: &logs, command: &command, name: &name, profile: &profile };
        if self.dry_run {
            say!("hq {}", command_line(hq::arguments(&array)?.iter().map(String::as_str)))?;
            return Ok(Ending::Done);
        }
        std::fs::create_dir_all(&logs).map_err(|e| Error::io_write("create the folder", &logs, &e))?;
        let (job, place) = (hq::submit(&array)?, hq::server());
        let (name, script, user) = (Some(name), None, Some(User::of_this_process()));
        submitted(&Submission { engine: Engine::Hq, job, tasks: profile.tasks(), name, place, script, user }, &out)
    }

    fn parallel(&self, run: &RunArguments) -> Result<Ending> {
        let Submitted { profile, command, here, .. } = self.prepare(run, false)?;
        profile.refuse_what_needs_a_queue()?;
        let line = in_folder(&here, &profile, &command)?;
        let mut words = vec!["--jobs".to_owned(), profile.tasks().to_string(), "--line-buffer".to_owned()];
        words.extend(profile.engine_option.iter().cloned());
        // As inputs, since braces in a command would be replaced by them.
        words.push(":::".to_owned());
        words.extend((0..profile.tasks()).map(|_| line.clone()));
        if self.dry_run {
            say!("parallel {}", command_line(words.iter().map(String::as_str)))?;
            return Ok(Ending::Done);
        }
        let status = Process::new("parallel").args(&words).status().map_err(|e| {
            Error::new(format!("cannot start `parallel`: {e}"))
                .help("install GNU parallel, or use `nemesis submit shell`, which prints the commands")
        })?;
        match status.code() {
            Some(0) => Ok(Ending::Done),
            // It ends with the number of commands that failed, or with more for reasons of its own.
            Some(failed @ 1..=100) => {
                let of = counted(u64::from(profile.tasks()), "run");
                warn(&Error::new(format!("of {of}, {failed} did not end well; what they said stands above")));
                Ok(Ending::WithFailures)
            }
            _ => Err(Error::new(format!("`parallel` failed: {status}")).help("its own message stands above")),
        }
    }

    fn shell(&self, run: &RunArguments) -> Result<Ending> {
        let Submitted { profile, command, here, .. } = self.prepare(run, false)?;
        profile.refuse_what_needs_a_queue()?;
        let line = in_folder(&here, &profile, &command)?;
        (0..profile.tasks()).try_for_each(|_| say!("{line}"))?;
        Ok(Ending::Done)
    }
}

/// Notes a submission, and says how to follow it.
fn submitted(submission: &Submission, out: &Path) -> Result<Ending> {
    let Submission { job, tasks, .. } = submission;
    // No other place has its number.
    let unknown = format!("job {job} is in the queue, but `nemesis status` and `nemesis cancel` do not know it");
    submission.save(out).map_err(|e| e.context(unknown))?;
    let runs = counted(u64::from(*tasks), "run");
    say!("submitted job {job} with {runs}; logs go to {}", logs(out).display())?;
    Ok(Ending::Done)
}

/// The words before a command that let it see the settings which are variables here: not every engine passes them on, and
/// none to a script that is submitted later.
fn variables() -> Result<Vec<String>> {
    let is_setting = |(name, _): &(OsString, OsString)| name.as_encoded_bytes().starts_with(b"NEMESIS_");
    let mut words = Vec::new();
    for (name, value) in std::env::vars_os().filter(is_setting) {
        words.push(format!("{}={}", utf8(Path::new(&name))?, utf8(Path::new(&value))?));
    }
    words.sort();
    if !words.is_empty() {
        words.insert(0, "env".to_owned());
    }
    Ok(words)
}

/// A run as one line for a shell.
fn in_folder(here: &Path, profile: &Profile, command: &[String]) -> Result<String> {
    let go = format!("cd {}", quoted(&utf8(here)?));
    let mut parts = vec![go.clone()];
    // In brackets, since a list of commands may be read by one shell, which should go on with the next. And as a word for
    // `eval`, since what ends in `;` or a comment would take the rest of the line with it.
    let setup = |line: &String| {
        format!("{{ eval {} || {{ echo {} >&2; (exit 2); }}; }}", quoted(line), quoted(&setup_failed(line)))
    };
    parts.extend(profile.setup.iter().map(setup));
    if !profile.setup.is_empty() {
        // A command may have gone elsewhere.
        parts.push(go);
    }
    parts.push(command_line(command.iter().map(String::as_str)));
    Ok(parts.join(" && "))
}
