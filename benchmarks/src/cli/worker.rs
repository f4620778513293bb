//! `nemesis worker`: the process behind `run`, not meant for people.

use super::Ending;
use clap::Args;
use nemesis_core::Result;

/// Computes cells for a coordinator, which talks to it over the standard streams.
#[derive(Debug, Args)]
pub(super) struct Worker {
    /// How many bytes of memory it may have.
    #[arg(long)]
    memory: Option<u64>,
}

impl Worker {
    pub(super) fn run(&self) -> Result<Ending> {
        crate::run::work(self.memory)?;
        Ok(Ending::Done)
    }
}
