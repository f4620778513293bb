//! `nemesis report`: prints the tables of a folder of records again.

use super::Ending;
use clap::Args;
use nemesis_core::Result;
use nemesis_core::record::Store;
use std::path::PathBuf;

/// Prints the tables of a folder of records, and writes their files again. Nothing is computed.
#[derive(Debug, Args)]
pub(super) struct Report {
    /// The folder of the records
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// Only the table of this suite
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
}

impl Report {
    pub(super) fn run(&self) -> Result<Ending> {
        let plans = crate::report::saved_plans(&self.out, self.suite.as_deref())?;
        let store = Store::open(&self.out)?;
        let mut complete = true;
        for (i, (suite, plan)) in plans.iter().enumerate() {
            if i > 0 {
                println!();
            }
            print!("{}", crate::report::write_and_render(suite, plan, &store, &self.out)?);
            complete &= plan.cells.iter().all(|cell| store.contains(&cell.id));
        }
        Ok(if complete { Ending::Done } else { Ending::WithFailures })
    }
}
