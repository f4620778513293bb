//! `nemesis parity`: our values beside golden ones, computed by PyTorch, torchvision, Pillow and CPython.
//!
//! A folder of golden values holds inputs, outputs and weights; nothing of it is known here but names and shapes, so
//! that a folder with other values checks as well. `make_parity.py` beside the committed ones makes them.

mod check;
mod corruption;
mod fixtures;
mod images;
mod methods;
mod sampling;
mod schedule;
mod tokenizer;
mod towers;

pub use check::{Check, Tolerance};
pub use methods::Create;

use fixtures::Fixtures;
use nemesis_core::Result;
use nemesis_core::backbone::clip::Clip;
use std::path::Path;
use tch::{Device, Kind};

/// Runs every check of a folder of golden values, and gives each to `tell` when its group is done.
///
/// Methods are made by `create`, which may load plugins.
///
/// # Errors
///
/// When a file of the folder is missing or malformed. What our code cannot compute is a failed check.
pub fn run(folder: &Path, create: &mut Create<'_>, tell: &mut dyn FnMut(&Check)) -> Result<()> {
    let fixtures = Fixtures::open(folder)?;
    let mut tell_all = |checks: Vec<Check>| checks.iter().for_each(&mut *tell);
    tell_all(tokenizer::checks(&fixtures)?);
    tell_all(sampling::checks(&fixtures)?);
    tell_all(schedule::checks(&fixtures)?);
    tell_all(images::checks(&fixtures)?);
    tell_all(towers::checks(&fixtures)?);
    let clip = Clip::load(&fixtures.path("clip_vit.safetensors"), Device::Cpu, Kind::Float)?;
    tell_all(methods::checks(&fixtures, &clip, create)?);
    tell_all(corruption::checks(&fixtures, &clip, create)?);
    Ok(())
}
