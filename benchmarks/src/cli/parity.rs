//! `nemesis parity`: our values against golden ones.

use super::{Ending, say};
use crate::plugins::Plugins;
use clap::Args;
use nemesis_core::Result;
use nemesis_parity::{Group, TextPathName};
use std::path::PathBuf;

/// Compares what this build computes with a folder of golden values made by PyTorch, torchvision, Pillow and CPython, or
/// by the code of published methods.
#[derive(Debug, Args)]
pub(super) struct Parity {
    /// The folder, as `make_parity.py` writes it, or with a METHOD.json and METHOD.safetensors for each method
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
        let groups = if self.only.is_empty() { Group::of(&self.fixtures)? } else { self.only.clone() };
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        nemesis_parity::run(
            &self.fixtures,
            &groups,
            self.text_path.into(),
            &mut |id, task, options, host| plugins.load(id)?.create(task, options, host),
            &mut |check| {
                // The reader may stop early; the verdict is in the exit code.
                let _ = say!("{check}");
                *match (check.passed(), check.was_skipped()) {
                    (true, _) => &mut passed,
                    (_, true) => &mut skipped,
                    _ => &mut failed,
                } += 1;
            },
        )?;
        let skipped = if skipped == 0 { String::new() } else { format!(", {skipped} skipped") };
        say!("{passed} passed, {failed} failed{skipped}")?;
        Ok(if failed == 0 { Ending::Done } else { Ending::WithFailures })
    }
}
