//! Runs on clusters: what is handed to an engine that has machines, and what it says of it.
//!
//! Every engine gets the same thing: a number of equal runs on one folder, which divide its jobs themselves
//! ([`nemesis_core::leases`]). So none of them needs to know what a job is, and any of the runs may be lost.

mod engine;
pub mod hq;
mod profile;
mod quote;
pub mod slurm;
pub mod submissions;

pub use profile::Profile;
pub use quote::{command_line, quoted};

use nemesis_core::{Error, Result};
use std::path::Path;

/// An array of equal runs, as engines with a queue get it.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a> {
    /// The folder that the command runs in.
    pub folder: &'a Path,
    /// The folder of the runs' logs.
    pub logs: &'a Path,
    /// The program with its arguments.
    pub command: &'a [String],
    /// The job's name.
    pub name: &'a str,
    /// What each run gets.
    pub profile: &'a Profile,
}

/// A path as the text that engines take.
pub(crate) fn utf8(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|path| !path.contains('\n')).map(str::to_owned);
    text.ok_or_else(|| Error::new("this path is not UTF-8 in one line, so no engine can be given it").at(path))
}

/// What a run says whose command of `--setup` failed.
pub(crate) fn setup_failed(line: &str) -> String {
    format!("the command of --setup failed: {line}")
}
