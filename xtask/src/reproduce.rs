//! `cargo xtask reproduce`: from a fresh clone to the table.

use crate::failure::Result;
use crate::{setup, workspace};
use std::ffi::OsString;

/// Builds all that a run needs and runs `nemesis run` with these arguments; returns its exit code.
pub(crate) fn run(arguments: Vec<OsString>) -> Result<u8> {
    let libtorch = setup::run(setup::SetupOptions::default())?;
    workspace::build_release(&libtorch)?;
    workspace::nemesis([OsString::from("run")].into_iter().chain(arguments))
}
