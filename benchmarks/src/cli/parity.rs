//! `nemesis parity`: our values against golden ones.

use super::{Ending, say};
use crate::plugins::Plugins;
use clap::Args;
use nemesis_core::Result;
use nemesis_parity::{Group, TextPathName};
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
    /// How the methods' prompts go through the text tower
    #[arg(long, value_name = "PATH", default_value = "shared")]
    text_path: TextPathName,
    /// Only these groups of checks
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    only: Vec<Group>,
}

impl Parity {
    pub(super) fn run(&self) -> Result<Ending> {
        let mut plugins = Plugins::find(&self.plugin)?;
        let groups = if self.only.is_empty() { &Group::ALL[..] } else { &self.only };
        let (mut passed, mut failed) = (0, 0);
        nemesis_parity::run(
            &self.fixtures,
            groups,
            self.text_path.into(),
            &mut |id, task, options, host| plugins.load(id)?.create(task, options, host),
            &mut |check| {
                // The reader may stop early; the verdict is in the exit code.
                let _ = say!("{check}");
                *if check.passed() { &mut passed } else { &mut failed } += 1;
            },
        )?;
        say!("{passed} passed, {failed} failed")?;
        Ok(if failed == 0 { Ending::Done } else { Ending::WithFailures })
    }
}
