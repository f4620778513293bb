//! `cargo xtask cluster`: runs on a real Slurm and a real `HyperQueue`, which scripts set up on this machine.

use crate::failure::Result;
use crate::{setup, workspace};
use clap::{Args, ValueEnum};
use std::process::Command;

#[derive(Args, Debug)]
pub(crate) struct ClusterOptions {
    /// Only this engine
    #[arg(value_enum)]
    engine: Option<Engine>,
    /// A smaller table
    #[arg(long)]
    short: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Slurm,
    Hq,
}

/// Builds `nemesis`, and runs the scripts; returns 1 if one fails.
pub(crate) fn run(options: &ClusterOptions) -> Result<u8> {
    let libtorch = setup::run(setup::SetupOptions::default())?;
    workspace::build_release(&libtorch)?;
    let program = workspace::nemesis_program()?;
    let mut failed = false;
    for (engine, script) in [(Engine::Slurm, "slurm.sh"), (Engine::Hq, "hq.sh")] {
        if options.engine.is_none_or(|only| only == engine) {
            let mut command = Command::new(workspace::root().join("xtask/cluster").join(script));
            command.arg(&program).args(options.short.then_some("short"));
            failed |= !workspace::run(&mut command)?.success();
        }
    }
    Ok(u8::from(failed))
}
