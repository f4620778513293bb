//! `nemesis status`: what is done in a folder of records, who is working on it, and how long that may take.

use super::only::{Only, Records};
use super::trainings::require_records;
use super::{Ending, print, say};
use crate::status::Status;
use clap::Args;
use nemesis_core::Result;
use std::io::IsTerminal;
use std::time::Duration;

/// Shows what is done in a folder of records, which runs are working on it and at what, and how long the rest may take.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct StatusCommand {
    #[command(flatten)]
    records: Only<Records>,
    /// Show it again every two seconds until no run is left, at work or in a queue
    #[arg(long)]
    watch: bool,
    /// Print it as JSON; with --watch, a line each time
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  nemesis status --out out
  nemesis status --watch
  nemesis status --json | jq '.runs[].work[].cell'
  nemesis status --watch --json | jq --unbuffered '.records'";

impl StatusCommand {
    pub(super) fn run(&self) -> Result<Ending> {
        let settings = self.records.settings()?;
        let out = settings.out();
        require_records(&out)?;
        loop {
            let status = Status::of(&out, &settings.pool_folder())?;
            if self.json {
                // A program that follows a run reads line by line.
                let text = if self.watch { serde_json::to_string } else { serde_json::to_string_pretty };
                say!("{}", text(&status).expect("a status has string keys"))?;
            } else {
                if self.watch && std::io::stdout().is_terminal() {
                    print("\x1b[2J\x1b[H")?;
                }
                print(&status.to_string())?;
            }
            if !self.watch || !status.is_open() {
                return Ok(Ending::Done);
            }
            std::thread::sleep(Duration::from_secs(2));
        }
    }
}
