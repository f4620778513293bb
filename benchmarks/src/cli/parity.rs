//! `nemesis parity`: our values beside golden ones.

use super::Ending;
use crate::parity;
use crate::plugins::Plugins;
use clap::Args;
use nemesis_core::Result;
use std::path::PathBuf;

/// Compares what this build computes with a folder of golden values made by PyTorch, torchvision, Pillow and CPython.
#[derive(Debug, Args)]
pub(super) struct Parity {
    /// The folder, as `make_parity.py` writes it
    #[arg(long, value_name = "DIR")]
    fixtures: PathBuf,
    /// A plugin, or a folder of plugins, to check in place of the project's
    #[arg(long, value_name = "FILE|DIR")]
    plugin: Vec<PathBuf>,
}

impl Parity {
    pub(super) fn run(&self) -> Result<Ending> {
        let mut plugins = Plugins::find(&self.plugin)?;
        let (mut passed, mut failed) = (0, 0);
        parity::run(
            &self.fixtures,
            &mut |id, task, options, host| plugins.get(id)?.create(task, options, host),
            &mut |check| {
                println!("{check}");
                *if check.passed() { &mut passed } else { &mut failed } += 1;
            },
        )?;
        println!("{passed} passed, {failed} failed");
        Ok(if failed == 0 { Ending::Done } else { Ending::WithFailures })
    }
}
