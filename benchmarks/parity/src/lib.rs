//! `nemesis parity`: our values beside golden ones, computed by PyTorch, torchvision, Pillow and CPython.
//!
//! A folder of golden values holds inputs, outputs and weights; nothing of it is known here but names and shapes, so
//! that a folder with other values checks as well. `make_parity.py` beside the committed ones makes them.
//!
//! A folder may also hold golden values of published methods, made by running their authors' code: see the module `zoo`.

#![forbid(unsafe_code)]

mod check;
mod corruption;
mod fixtures;
mod images;
mod methods;
mod sampling;
mod schedule;
mod text_path;
mod tokenizer;
mod towers;
mod zoo;

pub use check::{Check, Outcome, Tolerance};
pub use fixtures::{Fixtures, Tensors};
pub use methods::{Create, task};
pub use text_path::TextPathName;

use clap::ValueEnum;
use nemesis_core::Result;
use nemesis_core::backbone::Assumption;
use nemesis_core::backbone::clip::{Clip, TextPath};
use std::path::Path;
use tch::{Device, Kind};

/// The JSON files that are not the zoo's.
const OTHERS: [&str; 6] = ["tokenizer", "fewshot", "schedule", "preprocess", "methods", "corruption"];

/// A group of checks, about one part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// CLIP's tokens of a text.
    Tokenizer,
    /// Few-shot samples and splits.
    Sampling,
    /// Learning rates.
    Schedule,
    /// Decoding, resizing, cropping.
    Images,
    /// Features of CLIP's towers.
    Towers,
    /// Logits, gradients and paths of the methods.
    Methods,
    /// Accuracy with a corrupted context.
    Corruption,
    /// Published methods, beside their authors' code.
    Zoo,
}

impl Group {
    /// All groups of a folder that `make_parity.py` writes, in the order in which they run.
    pub const ALL: [Self; 7] =
        [Self::Tokenizer, Self::Sampling, Self::Schedule, Self::Images, Self::Towers, Self::Methods, Self::Corruption];

    /// The groups of checks that a folder holds golden values for.
    ///
    /// # Errors
    ///
    /// When there is no such folder, or a file of it is malformed.
    pub fn of(folder: &Path) -> Result<Vec<Self>> {
        let fixtures = Fixtures::open(folder)?;
        let has_zoo = !zoo::files(&fixtures)?.is_empty();
        // A folder without golden values of either kind is reported by the first group that misses its file.
        let has_others = !has_zoo || OTHERS.iter().any(|name| fixtures.path(&format!("{name}.json")).exists());
        let others = if has_others { &Self::ALL[..] } else { &[] };
        Ok(others.iter().copied().chain(has_zoo.then_some(Self::Zoo)).collect())
    }

    fn checks(self, fixtures: &Fixtures, path: TextPath, create: &mut Create<'_>) -> Result<Vec<Check>> {
        let clip = || {
            // Golden values are those of OpenAI's code.
            let file = fixtures.path("clip_vit.safetensors");
            let clip = Clip::load_assuming(&file, Some(Assumption::OpenAi), Device::Cpu, Kind::Float)?;
            Ok::<_, nemesis_core::Error>(clip.with_text_path(path))
        };
        match self {
            Self::Tokenizer => tokenizer::checks(fixtures),
            Self::Sampling => sampling::checks(fixtures),
            Self::Schedule => schedule::checks(fixtures),
            Self::Images => images::checks(fixtures),
            Self::Towers => towers::checks(fixtures),
            Self::Methods => methods::checks(fixtures, &clip()?, create),
            Self::Corruption => corruption::checks(fixtures, &clip()?, create),
            Self::Zoo => zoo::checks(fixtures, path, create),
        }
    }
}

/// Runs groups of checks on a folder of golden values, and gives each check to `tell` when its group is done.
///
/// Methods are made by `create`, which may load plugins; their prompts go through the text tower by `path`.
///
/// # Errors
///
/// When a file of the folder is missing or malformed. What our code cannot compute is a failed check.
pub fn run(
    folder: &Path,
    groups: &[Group],
    path: TextPath,
    create: &mut Create<'_>,
    tell: &mut dyn FnMut(&Check),
) -> Result<()> {
    let fixtures = Fixtures::open(folder)?;
    for group in groups {
        group.checks(&fixtures, path, create)?.iter().for_each(&mut *tell);
    }
    Ok(())
}
