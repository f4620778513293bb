//! `nemesis plugin`: what there is to do with plugins, one file a command.

mod new;

use super::Ending;
use clap::Subcommand;
use nemesis_core::Result;

/// Make plugins.
#[derive(Debug, Subcommand)]
pub(super) enum Plugin {
    /// Make a crate with a working method, to be changed into one's own.
    New(new::New),
}

impl Plugin {
    pub(super) fn run(&self) -> Result<Ending> {
        match self {
            Self::New(command) => command.run(),
        }
    }
}
