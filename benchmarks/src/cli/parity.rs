//! `nemesis parity`: our values beside golden ones.

use super::{Ending, say};
use crate::parity::{self, Group};
use crate::plugins::Plugins;
use clap::{Args, ValueEnum};
use nemesis_core::Result;
use nemesis_core::backbone::clip::TextPath;
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

/// The ways through the text tower, as the command line names them.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum TextPathName {
    /// Padded to the context length, as the published code does
    Plain,
    /// Cut at the end tokens
    Cut,
    /// With the common prefix computed once
    Shared,
}

impl From<TextPathName> for TextPath {
    fn from(name: TextPathName) -> Self {
        match name {
            TextPathName::Plain => Self::Plain,
            TextPathName::Cut => Self::Cut,
            TextPathName::Shared => Self::Shared,
        }
    }
}

impl Parity {
    pub(super) fn run(&self) -> Result<Ending> {
        let mut plugins = Plugins::find(&self.plugin)?;
        let groups = if self.only.is_empty() { &Group::ALL[..] } else { &self.only };
        let (mut passed, mut failed) = (0, 0);
        parity::run(
            &self.fixtures,
            groups,
            self.text_path.into(),
            &mut |id, task, options, host| plugins.load(id)?.create(task, options, host),
            &mut |check| {
                // Whoever reads may have had enough; the verdict stands in the exit code.
                let _ = say!("{check}");
                *if check.passed() { &mut passed } else { &mut failed } += 1;
            },
        )?;
        say!("{passed} passed, {failed} failed")?;
        Ok(if failed == 0 { Ending::Done } else { Ending::WithFailures })
    }
}
