//! `cargo xtask parity`: compares every part with golden values of the authors' code.

use crate::failure::Result;
use crate::{setup, workspace};
use std::ffi::OsString;
use std::path::PathBuf;

/// Builds and runs `nemesis parity` on a folder of golden values; returns its exit code.
pub(crate) fn run(fixtures: PathBuf, arguments: Vec<OsString>) -> Result<u8> {
    let libtorch = setup::run(setup::SetupOptions::default())?;
    workspace::build_release(&libtorch)?;
    let named = ["parity".into(), "--fixtures".into(), fixtures.into_os_string()];
    workspace::nemesis(named.into_iter().chain(arguments))
}
