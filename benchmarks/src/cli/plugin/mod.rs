//! `nemesis plugin`: what there is to do with plugins, one file per command.

mod check;
mod describe;
mod list;
mod new;

use super::Ending;
use clap::Subcommand;
use nemesis_core::Result;

/// List, describe, check and make plugins.
#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Make a crate with a working method, to be turned into your own.
    New(new::New),
    /// List the plugins at hand, and why a file is not usable.
    List(list::List),
    /// Show what a method is, and its options.
    Describe(describe::Describe),
    /// Check that a plugin keeps its side of the contract.
    Check(check::PluginCheck),
    /// Run one check in this process.
    #[command(hide = true)]
    CheckHere(check::CheckHere),
    /// Answer a command's questions about plugins.
    #[command(hide = true)]
    TryHere,
}

impl PluginCommand {
    pub(super) fn run(&self) -> Result<Ending> {
        match self {
            Self::New(command) => command.run(),
            Self::List(command) => command.run(),
            Self::Describe(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::CheckHere(command) => command.run(),
            Self::TryHere => crate::plugins::answer(crate::run::work_on).map(|()| Ending::Done),
        }
    }
}
