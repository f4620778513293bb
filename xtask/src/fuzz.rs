//! `cargo xtask fuzz`: readers of what comes from elsewhere get changed inputs.

use crate::failure::Result;
use crate::{setup, workspace};
use std::process::Command;

/// What is fuzzed, and for how long.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FuzzOptions {
    /// What to fuzz; everything by default
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Seconds for each target
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Where the changes begin; the same seed gives the same inputs
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// List the targets
    #[arg(long)]
    list: bool,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask fuzz --seconds 3600
      An hour for each target, one after the other
  cargo xtask fuzz pickle png --seed 7
      A minute each for two of them, with other inputs

Finds are kept in target/fuzz-finds. One that was mended goes into benchmarks/fuzz/finds/TARGET, where every test run reads it.";

/// Builds the fuzzer as tests are built, so that overflows are found, and runs it; returns 1 if it finds anything.
pub(crate) fn run(options: &FuzzOptions) -> Result<u8> {
    let libtorch = setup::run(setup::SetupOptions::default())?;
    workspace::build_debug(&libtorch)?;
    let target = workspace::target_folder()?;
    let mut command = Command::new(target.join("debug").join(format!("nemesis-fuzz{}", std::env::consts::EXE_SUFFIX)));
    command.args(&options.targets).args(["--seconds", &options.seconds.to_string()]);
    command.args(["--seed", &options.seed.to_string()]).arg("--finds").arg(target.join("fuzz-finds"));
    if options.list {
        command.arg("--list");
    }
    let status = workspace::run(&mut command)?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
