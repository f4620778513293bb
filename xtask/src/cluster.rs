//! `cargo xtask cluster`: runs on a real Slurm, which a script sets up on this machine.

use crate::failure::Result;
use crate::{setup, workspace};
use std::process::Command;

/// Builds `nemesis`, and runs the script; returns 1 if it fails.
pub(crate) fn run() -> Result<u8> {
    let libtorch = setup::run(setup::SetupOptions::default())?;
    workspace::build_release(&libtorch)?;
    let mut command = Command::new(workspace::root().join("xtask/cluster/slurm.sh"));
    Ok(u8::from(!workspace::run(command.arg(workspace::nemesis_program()?))?.success()))
}
