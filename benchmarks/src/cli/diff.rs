//! `nemesis diff`: two folders of records, cell by cell.

use super::{Ending, print};
use crate::diff::{Side, diff};
use crate::report::saved_plans;
use crate::tables::formats::{Format, format_parser};
use clap::Args;
use nemesis_core::record::Store;
use nemesis_core::{Error, Result};
use std::path::PathBuf;

/// Compares two folders of records cell by cell: what is equal, what lies within noise, what does not, and why: another
/// recipe, other data, weights, build or machine. Nothing is computed.
///
/// The exit code is 0 when every cell is equal or within noise, 1 when one is beyond it or only in one folder.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Diff {
    /// The folder that is compared with
    #[arg(value_name = "OUT1")]
    first: PathBuf,
    /// The folder that is judged
    #[arg(value_name = "OUT2")]
    second: PathBuf,
    /// Only the tables of this suite
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
    /// Show the rows of equal cells as well
    #[arg(long)]
    all: bool,
    /// The format to print in
    #[arg(long, value_parser = format_parser(), default_value = "terminal")]
    format: &'static dyn Format,
}

const EXAMPLES: &str = "\
Examples:
  nemesis diff out/before out/after
  nemesis diff laptop cluster --suite few-shot --all
  nemesis diff before after > /dev/null && echo 'nothing has changed beyond noise'";

impl Diff {
    pub(super) fn run(&self) -> Result<Ending> {
        let first = saved_plans(&self.first, self.suite.as_deref())?;
        let second = saved_plans(&self.second, self.suite.as_deref())?;
        let stores = (Store::open(&self.first)?, Store::open(&self.second)?);
        let sides = (Side { store: &stores.0, plans: &first }, Side { store: &stores.1, plans: &second });
        let mut found = diff(&sides.0, &sides.1, self.all)?;
        if found.equal + found.within + found.beyond + found.unpaired == 0 {
            return Err(Error::new("neither folder has a record of what its tables ask")
                .at(&self.first)
                .help("`nemesis run` resumes where it stopped"));
        }
        found.sheet.title = format!("{} (first) and {} (second)", self.first.display(), self.second.display());
        print(&self.format.sheets(std::slice::from_ref(&found.sheet)))?;
        Ok(if found.beyond + found.unpaired == 0 { Ending::Done } else { Ending::WithFailures })
    }
}
