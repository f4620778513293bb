//! The command line: one file per command.

mod add;
mod adopt;
mod backbone;
mod cancel;
mod cells;
mod clean;
mod compare;
mod data;
mod diff;
mod encode;
mod env;
mod evaluate;
mod export;
mod fetch;
mod figure;
mod images;
mod log;
mod mini;
mod only;
mod parity;
mod plan;
mod plugin;
mod pool;
mod predict;
mod report;
mod run;
mod sources;
mod stats;
mod status;
mod submit;
mod tensorboard;
mod trainings;
mod worker;

use crate::process::{self, serve};
use anstyle::AnsiColor;
use clap::{Parser, Subcommand};
use nemesis_core::method::border::{catch, report_panics};
use nemesis_core::{Error, Result};
use serde::Serialize;
use std::ffi::OsString;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;

/// Reproduces prompt-tuning papers: trains methods on few images, evaluates them, prints the tables.
#[derive(Debug, Parser)]
#[command(name = "nemesis", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  nemesis run                                     the whole few-shot table of the mini suite
  nemesis plan --data ROOT --weights RN50=RN50.pt what a run on real images would do, and how long
  nemesis run --data ROOT --weights RN50=RN50.pt --datasets eurosat,dtd --shots 1,16
  nemesis run --plugin libmy_method.so --set my-method.alpha=2
  nemesis report --out out                        the tables again, from the records
  nemesis compare --out out                       our numbers next to published ones

Exit codes: 0 done, 1 finished with failures, 2 could not run; a run that Ctrl-C ends has 130, and by SIGTERM 143.";

/// How a command ended, if it could run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All went well.
    Done,
    /// The command finished with failures or differences, and has reported them.
    WithFailures,
    /// A signal with this number ended it early, and it has reported how far it got.
    Stopped(i32),
    /// This process was forked for another command, which ended with this exit code.
    Forked(u8),
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compute what a suite's table needs, and print it.
    Run(run::Run),
    /// Show what a run would compute, what is done already and what is missing.
    Plan(plan::Plan),
    /// Start runs on a cluster: with Slurm, `HyperQueue`, GNU parallel or a list of commands.
    Submit(submit::Submit),
    /// End the runs on a folder: those submitted for it, and those on this machine.
    Cancel(cancel::Cancel),
    /// Show what is done, which runs are at work, and how long the rest may take.
    Status(status::StatusCommand),
    /// Show what may go from a folder of records, and remove what killed processes left.
    Clean(clean::Clean),
    /// Print the tables of a folder of records again.
    Report(report::Report),
    /// Show which differences between methods are real.
    Stats(stats::Stats),
    /// Draw the figures of a folder of records.
    Figure(figure::Figure),
    /// Write every cell as a row, for other programs: CSV, JSON or Parquet.
    Cells(cells::Cells),
    /// Write the histories of trainings as TensorBoard's event files.
    #[command(name = "tensorboard")]
    TensorBoard(tensorboard::TensorBoard),
    /// Compare two folders of records cell by cell.
    Diff(diff::Diff),
    /// Show what happened to a cell.
    Log(log::Log),
    /// Use the records of another build, once a sample of them has been recomputed and found equal.
    Adopt(adopt::Adopt),
    /// Compare the records of a run with published numbers.
    Compare(compare::Compare),
    /// Show, fetch, add, check, prepare and sample data sets.
    Data(data::Data),
    /// List, fetch and check checkpoints.
    #[command(subcommand)]
    Backbone(backbone::Backbone),
    /// Encode images or texts to features.
    Encode(encode::Encode),
    /// Label images with a learned context.
    Predict(predict::Predict),
    /// Evaluate a context that CoOp's code learned.
    Evaluate(evaluate::Evaluate),
    /// Write a learned context as CoOp's code loads it.
    Export(export::Export),
    /// Compare this build with golden values.
    Parity(parity::Parity),
    /// List, describe, check and make plugins.
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Show what the feature pool holds, or bound its size.
    #[command(subcommand)]
    Pool(pool::PoolCommand),
    /// Print what it takes to build a plugin outside this repository.
    Env(env::Env),
    /// Make the mini suite's data sets, and its small CLIP.
    Mini(mini::Mini),
    /// Compute cells for a coordinator.
    #[command(hide = true)]
    Worker(worker::Worker),
    /// Become, in a forked process, each command that a check of plugins asks for.
    #[command(hide = true)]
    Fork,
}

/// Runs the command line and ends the process with the exit code: 0 done, 1 finished with failures, 2 could not run, and
/// 128 plus the signal's number if one ended it, as in shells.
pub fn main() -> ! {
    process::this_is_nemesis(main_with);
    process::exit(main_with(std::env::args_os()))
}

/// Runs the command line `arguments`, which begin with the name of the program, as [`main`] does, and returns the exit code
/// as a number.
pub fn main_with(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        // Help and the version, too. Whoever reads may have had enough.
        Err(told) => {
            let _ = told.print();
            return u8::try_from(told.exit_code()).unwrap_or(2);
        }
    };
    // What the standard library prints of a panic is not meant for users. Where memory has run out, a trace of calls may keep
    // it waiting for its own lock for ever.
    report_panics();
    let ended = catch(|| Ok(dispatch(cli.command))).unwrap_or_else(|panic| {
        let help = "unless memory ran out, this is a mistake in nemesis: report it with the command that led here";
        Err(Error::new(format!("nemesis {panic}")).help(help))
    });
    match ended {
        Ok(Ending::Done) => 0,
        Ok(Ending::WithFailures) => 1,
        Ok(Ending::Stopped(signal)) => u8::try_from(128 + signal).unwrap_or(2),
        Ok(Ending::Forked(code)) => code,
        Err(error) => {
            complain(&error);
            2
        }
    }
}

fn dispatch(command: Command) -> Result<Ending> {
    match command {
        Command::Run(command) => command.run(),
        Command::Plan(command) => command.run(),
        Command::Submit(command) => command.run(),
        Command::Cancel(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Clean(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Stats(command) => command.run(),
        Command::Figure(command) => command.run(),
        Command::Cells(command) => command.run(),
        Command::TensorBoard(command) => command.run(),
        Command::Diff(command) => command.run(),
        Command::Log(command) => command.run(),
        Command::Adopt(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Data(command) => command.run(),
        Command::Backbone(command) => command.run(),
        Command::Encode(command) => command.run(),
        Command::Predict(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Parity(command) => command.run(),
        Command::Plugin(command) => command.run(),
        Command::Pool(command) => command.run(),
        Command::Env(command) => command.run(),
        Command::Mini(command) => command.run(),
        Command::Worker(command) => command.run(),
        Command::Fork => Ok(match serve()? {
            Some(forked) => Ending::Forked(main_with(std::iter::once("nemesis".into()).chain(forked))),
            None => Ending::Done,
        }),
    }
}

/// Prints a line to standard output, as [`print`] does.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::print(&format!("{}\n", format_args!($($text)*))) };
}
pub(crate) use say;

/// Prints to standard output. It is not a failure if the reader stops early (`nemesis data sample … | head`).
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::new(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a value as JSON, piece by piece: the whole text of a large plan would take more memory than the plan.
fn print_json(value: &impl Serialize) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let written = serde_json::to_writer_pretty(&mut out, value).map_err(std::io::Error::from);
    match written.and_then(|()| writeln!(out)).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::new(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Says which files were written, on standard error: standard output may be redirected to a file of its own.
fn tell_files(files: &[PathBuf]) {
    let here = std::env::current_dir().unwrap_or_default();
    for file in files {
        log!("wrote {}", file.strip_prefix(&here).unwrap_or(file).display());
    }
}

/// Prints an error.
fn complain(error: &Error) {
    tell("error", AnsiColor::Red, error);
}

/// Prints a warning.
fn warn(warning: &Error) {
    tell("warning", AnsiColor::Yellow, warning);
}

/// Prints something worth knowing that is not a fault.
fn note(note: &Error) {
    tell("note", AnsiColor::Cyan, note);
}

/// Prints to standard error, with the prefix in colour on a terminal.
fn tell(prefix: &str, colour: AnsiColor, error: &Error) {
    if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        let style = colour.on_default().bold();
        log!("{style}{prefix}{style:#}: {error}");
    } else {
        log!("{prefix}: {error}");
    }
}
