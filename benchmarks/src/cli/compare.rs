//! `nemesis compare`: our numbers next to published ones.

use super::only::{Only, Records};
use super::{Ending, print};
use crate::compare::{Verdict, compare};
use crate::published::Published;
use crate::report::saved_plans;
use crate::results::Results;
use crate::tables::Sheet;
use crate::tables::formats::{Format, format_parser};
use clap::Args;
use nemesis_core::error::suggest;
use nemesis_core::record::Store;
use nemesis_core::{Error, Result};
use std::path::PathBuf;

/// Compares the records of a run with published numbers: ours, theirs, the difference, and whether it lies within the
/// spread. Nothing is computed.
///
/// The exit code is 0 when every difference is within the tolerance, 1 when one is beyond it, and 2 when nothing could
/// be compared. Reruns, and sources that another one contradicts, are shown and do not count.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Compare {
    #[command(flatten)]
    records: Only<Records>,
    /// Only the tables of this suite, or the one of this name
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
    /// Only these published numbers, by the names that --list prints [default: all that fit]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    against: Vec<String>,
    /// Published numbers of your own, written as in benchmarks/published: a file, or a folder of files
    #[arg(long, value_name = "DIR|FILE")]
    published: Vec<PathBuf>,
    /// How many points ours may differ
    #[arg(long, value_name = "POINTS", default_value_t = 1.0, allow_hyphen_values = true)]
    tolerance: f64,
    /// The published backbone that ours is, if its checkpoint is not byte for byte the published file: RN50, ViT-B/16.
    /// The comparison says that it depends on this option
    #[arg(long = "as", value_name = "NAME")]
    said: Option<String>,
    /// How the comparison is printed
    #[arg(long, value_parser = format_parser(), default_value = "terminal")]
    format: &'static dyn Format,
    /// List the published numbers
    #[arg(long, conflicts_with_all = ["suite", "tolerance", "said", "format"])]
    list: bool,
}

const EXAMPLES: &str = "\
Examples:
  nemesis compare --list
  nemesis compare --out out
  nemesis compare --out out --suite few-shot --against ape-coop-few-shot --tolerance 2
  nemesis compare --published mine.yaml --format markdown > comparison.md
  nemesis compare --against coop-author-runs --tolerance 1.5 || echo 'off by more than 1.5 points'";

impl Compare {
    pub(super) fn run(&self) -> Result<Ending> {
        let published = self.chosen(Published::gather(&self.published)?)?;
        if self.list {
            print(&list(&published))?;
            return Ok(Ending::Done);
        }
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            return Err(Error::new(format!("`--tolerance {}` is not a number of points", self.tolerance))
                .expected("0 or more, as in --tolerance 1.5"));
        }
        let out = self.records.settings()?.out();
        let plans = saved_plans(&out, self.suite.as_deref())?;
        let store = Store::open(&out)?;
        let results: Vec<Results> =
            plans.iter().map(|(suite, plan)| Results::read(suite, plan, &store)).collect::<Result<_>>()?;
        if results.iter().all(|results| results.runs.is_empty()) {
            return Err(Error::new("no evaluation has a record yet, so there is nothing to compare")
                .at(&out)
                .help("`nemesis run` resumes where it stopped"));
        }
        let (mut sheets, mut reasons): (Vec<Sheet>, Vec<(&str, String)>) = (Vec::new(), Vec::new());
        let (mut compared, mut beyond) = (0, 0);
        for results in &results {
            for published in &published {
                match compare(published, results, self.said.as_deref(), self.tolerance)? {
                    Verdict::Compared(comparison) => {
                        compared += comparison.compared;
                        beyond += comparison.beyond;
                        sheets.push(comparison.sheet);
                    }
                    Verdict::Nothing(reason) => reasons.push((&published.name, reason)),
                }
            }
        }
        if !sheets.is_empty() {
            print(&self.format.sheets(&sheets))?;
        }
        if compared == 0 {
            return Err(nothing(&reasons).at(&out));
        }
        Ok(if beyond == 0 { Ending::Done } else { Ending::WithFailures })
    }

    fn chosen(&self, mut all: Vec<Published>) -> Result<Vec<Published>> {
        let names: Vec<String> = all.iter().map(|published| published.name.clone()).collect();
        if let Some(unknown) = self.against.iter().find(|name| !names.contains(name)) {
            return Err(Error::new(format!("there are no published numbers named `{unknown}`"))
                .expected(format!("one of {}", names.join(", ")))
                .help(suggest(unknown, names.iter().map(String::as_str))));
        }
        all.retain(|published| self.against.is_empty() || self.against.contains(&published.name));
        Ok(all)
    }
}

/// Says why no published table can be compared: once if they all have the same reason, else table by table.
fn nothing(reasons: &[(&str, String)]) -> Error {
    let error = Error::new("no published number compares with ours");
    match reasons {
        [] => error.help("the rows shown have no published counterpart"),
        [(_, first), others @ ..] if others.iter().all(|(_, other)| other == first) => error.help(first),
        _ => {
            let named: Vec<String> = reasons.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
            error.help(named.join("\n        "))
        }
    }
}

fn list(published: &[Published]) -> String {
    let width = published.iter().map(|published| published.name.len()).max().unwrap_or(0);
    let line = |published: &Published| {
        let Published { name, title, backbone, source, .. } = published;
        format!("{name:width$}  {title} ({backbone})\n{:width$}  {}\n", "", source.trim())
    };
    published.iter().map(line).collect()
}
