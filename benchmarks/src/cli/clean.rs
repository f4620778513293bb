//! `nemesis clean`: what may go from a folder of records, and what it costs to get it back.

use super::only::{Only, Records};
use super::run::{Use, lock};
use super::trainings::require_records;
use super::{Ending, say};
use crate::bytes::ByteSize;
use crate::clean::{self, Kind};
use crate::status::{runs, size};
use clap::Args;
use nemesis_core::Result;

/// Shows what may go from a folder of records, and what it costs to get it back. Nothing is removed unless you say so.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Clean {
    #[command(flatten)]
    records: Only<Records>,
    /// Remove what nobody can miss
    #[arg(long)]
    remove: bool,
    /// Remove the checkpoints of trainings that were interrupted, too
    #[arg(long, requires = "remove")]
    checkpoints: bool,
    /// Remove the records that no table shows, too: those of an earlier build, or of options that were changed since
    #[arg(long, requires = "remove")]
    records_without_a_table: bool,
    /// Remove the logs of submitted runs that have ended, too
    #[arg(long, requires = "remove")]
    logs: bool,
    /// Remove what is damaged, with the records that need it, too; the next run computes it again
    #[arg(long, requires = "remove")]
    damaged: bool,
    /// Read what was learned and predicted, too, to find out whether it is damaged; records are read in any case
    #[arg(long)]
    verify: bool,
}

const EXAMPLES: &str = "\
Examples:
  nemesis clean --out out
  nemesis clean --remove
  nemesis clean --remove --checkpoints --records-without-a-table
  nemesis clean --verify
  nemesis clean --verify --remove --damaged

`nemesis pool prune` makes room in the feature pool.";

impl Clean {
    pub(super) fn run(&self) -> Result<Ending> {
        let settings = self.records.settings()?;
        let (out, pool) = (settings.out(), settings.pool_folder());
        require_records(&out)?;
        // On this machine no run begins while something is removed.
        let held = if self.remove { lock(&out, Use::Changes).ok() } else { None };
        let alone = !self.remove || held.is_some();
        let find = || clean::leftovers(&out, &pool, &runs(&out)?, alone, self.verify);
        let mut leftovers = find()?;
        if self.remove && runs(&out)?.iter().any(|run| !run.lost) {
            // One on another machine may have begun since.
            leftovers = find()?;
        }
        for leftover in &leftovers {
            let (files, bytes) = (leftover.paths.len(), ByteSize(leftover.bytes()));
            let is_meant = match leftover.kind {
                Kind::Waste => true,
                Kind::Checkpoints => self.checkpoints,
                Kind::Records => self.records_without_a_table,
                Kind::Logs => self.logs,
                Kind::Damaged => self.damaged,
            };
            let goes = self.remove && is_meant;
            if goes {
                leftover.remove()?;
            }
            let (done, cost) = (if goes { "removed: " } else { "" }, &leftover.cost);
            let adoptable = leftover.kind == Kind::Records && !goes;
            let hint = if adoptable { "; as long as they are there, `nemesis adopt` may use them" } else { "" };
            say!("{done}{}: {files}, {bytes}; costs {cost}{hint}", leftover.what)?;
            if leftover.kind == Kind::Damaged {
                for path in &leftover.paths {
                    say!("  {}", path.display())?;
                }
            }
        }
        if leftovers.is_empty() {
            say!("there is nothing to clean")?;
        } else if !self.remove {
            if leftovers.iter().any(|leftover| leftover.kind == Kind::Waste) {
                say!("`nemesis clean --remove` removes what costs nothing")?;
            }
            for (kind, option) in [
                (Kind::Checkpoints, "--checkpoints"),
                (Kind::Records, "--records-without-a-table"),
                (Kind::Logs, "--logs"),
                (Kind::Damaged, "--damaged"),
            ] {
                if let Some(leftover) = leftovers.iter().find(|leftover| leftover.kind == kind) {
                    say!("with `{option}` it removes the {}, too", leftover.what)?;
                }
            }
        }
        let features = size(&pool);
        if features > 0 {
            say!(
                "features of images: {}; to remove them costs encoding them again, see `nemesis pool prune`",
                ByteSize(features)
            )?;
        }
        Ok(Ending::Done)
    }
}
