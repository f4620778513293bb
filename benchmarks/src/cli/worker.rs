//! `nemesis worker`: the process behind `run`, not meant for people.

use super::Ending;
use clap::Args;
use nemesis_core::Result;

/// Computes cells for a coordinator, which talks to it over the standard streams.
#[derive(Debug, Args)]
pub(super) struct Worker {}

impl Worker {
    #[expect(clippy::unused_self, reason = "a command like any other")]
    pub(super) fn run(&self) -> Result<Ending> {
        crate::run::work()?;
        Ok(Ending::Done)
    }
}
