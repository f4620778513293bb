//! `nemesis plugin check`: the conformance kit.

use crate::cli::{Ending, say};
use crate::plugins::located;
use crate::process::{Forks, Program, choose_python};
use clap::Args;
use nemesis_core::plugin::check::{CHECKS, Check, Kit, Outcome, Start, find, run_here};
use nemesis_core::{Error, Result};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Checks that a plugin keeps its side of the contract, each check in a process of its own. The exit code is 1 if one
/// fails.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct PluginCheck {
    /// The plugins' files, or Python modules
    #[arg(value_name = "FILE|MODULE", required_unless_present = "list")]
    files: Vec<PathBuf>,
    /// Only these checks, by their ids
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    only: Vec<String>,
    /// An option for every method that is created
    #[arg(long, value_name = "OPTION=VALUE", value_parser = parse_option)]
    set: Vec<(String, Value)>,
    /// Checks to run at a time [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// How long a check may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// The Python that runs a plugin written in Python [default: `NEMESIS_PYTHON`, else python3]
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    /// List the checks and run none
    #[arg(long)]
    list: bool,
}

const EXAMPLES: &str = "\
Examples:
  nemesis plugin check target/release/libnemesis_method_coop.so
  nemesis plugin check libmine.so --only gradients-exact,graph-cuts --set alpha=2";

fn parse_option(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected OPTION=VALUE")?;
    let value = serde_yaml::from_str(value).map_err(|e| format!("the value of `{name}` is not YAML: {e}"))?;
    Ok((name.to_owned(), value))
}

impl PluginCheck {
    pub(in crate::cli) fn run(&self) -> Result<Ending> {
        self.python.as_deref().into_iter().for_each(choose_python);
        let checks: Vec<&Check> = match &self.only[..] {
            [] => CHECKS.iter().collect(),
            ids => ids.iter().map(|id| find(id)).collect::<Result<_>>()?,
        };
        if self.list {
            for check in checks {
                say!("{:18} {}", check.id, check.sentence)?;
            }
            return Ok(Ending::Done);
        }
        let mut all_passed = true;
        for (i, file) in self.files.iter().enumerate() {
            if self.files.len() > 1 {
                say!("{}{}", if i > 0 { "\n" } else { "" }, file.display())?;
            }
            all_passed &= self.check(&located(file)?, &checks)?;
        }
        Ok(if all_passed { Ending::Done } else { Ending::WithFailures })
    }

    /// Whether the plugin in `file` fails nothing.
    fn check(&self, file: &Path, checks: &[&'static Check]) -> Result<bool> {
        let program = Program::of_plugin(file);
        let forks = Forks::start(program)?;
        let options = Value::Object(self.set.iter().cloned().collect()).to_string();
        let start = |start: &Start<'_>| {
            let words = ["plugin", "check-here", start.check, &options].map(Path::new);
            let arguments = [&words[..], &[file, start.verdict]].concat();
            if let Some(forks) = &forks {
                return forks.fork(start, &arguments);
            }
            let mut command = program.command()?;
            command.args(&arguments);
            start.spawn(command)
        };
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let kit =
            Kit { start: &start, jobs: self.jobs.unwrap_or_else(cores), limit: Duration::from_secs(self.timeout) };
        let report = kit.run(checks, &mut |check, outcome| {
            // The reader may stop early; the verdict is in the exit code.
            let _ = tell(check, outcome);
        })?;
        let (passed, failed, skipped) = report.counts();
        say!("{passed} passed, {failed} failed, {skipped} skipped")?;
        Ok(failed == 0)
    }
}

fn tell(check: &Check, outcome: &Outcome) -> Result<()> {
    let (mark, reason) = match outcome {
        Outcome::Passed => ("ok  ", None),
        Outcome::Failed(why) => ("FAIL", Some(why)),
        Outcome::Skipped(why) => ("skip", Some(why)),
    };
    say!("{mark}  {:18} {}", check.id, check.sentence)?;
    for line in reason.iter().flat_map(|reason| reason.lines()) {
        say!("        {line}")?;
    }
    Ok(())
}

/// One check, in this process.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckHere {
    id: String,
    /// The options, as JSON.
    options: String,
    file: PathBuf,
    verdict: PathBuf,
}

impl CheckHere {
    pub(in crate::cli) fn run(&self) -> Result<Ending> {
        let options: Map<String, Value> = serde_json::from_str(&self.options)
            .map_err(|e| Error::new(format!("the options of a check are not a JSON object: {e}")))?;
        run_here(&self.id, &self.file, &options, &self.verdict)?;
        Ok(Ending::Done)
    }
}
