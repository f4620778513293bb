//! `cargo xtask campaign`: what tests do a few times, done many times.

use crate::failure::{Failure, Result};
use crate::{setup, workspace};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is tried.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Campaign {
    /// Read thousands of damaged images as Pillow does, and compare
    Images(Images),
    /// Kill a run midway again and again, and compare the table that it ends with
    Kills(Kills),
    /// Kill, stop and cheat four runs on one folder at random moments, and compare the table that they end with
    Faults(Faults),
}

/// What is damaged, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Images {
    /// A Python that has Pillow
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// Files of each kind, JPEG and PNG
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    count: u32,
    /// The seed of the damage
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u32,
}

/// How often a run is killed.
#[derive(Debug, clap::Args)]
pub(crate) struct Kills {
    /// How many kills, each after some progress
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=40))]
    count: u32,
}

/// How many faults there are.
#[derive(Debug, clap::Args)]
pub(crate) struct Faults {
    /// How many faults: half of them kills, the others SIGTERM, SIGSTOP, damaged features and checkpoints
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,
}

/// Runs the campaign; returns 1 if anything differs from what it should be.
pub(crate) fn run(campaign: &Campaign) -> Result<u8> {
    let libtorch = setup::run(setup::SetupOptions::default())?;
    match campaign {
        Campaign::Images(options) => images(options, &libtorch),
        Campaign::Kills(options) => kills(options, &libtorch),
        Campaign::Faults(options) => faults(options, &libtorch),
    }
}

/// Damages images, asks Pillow, and compares.
fn images(options: &Images, libtorch: &Path) -> Result<u8> {
    let folder = tempfile::tempdir().map_err(|error| Failure::new(format!("cannot create a folder: {error}")))?;
    let script = workspace::root().join("nemesis-core/tests/pillow/mutate.py");
    for kind in ["jpeg", "png"] {
        let mut command = Command::new(&options.python);
        command.arg(&script).args(["--kind", kind, "--count", &options.count.to_string()]);
        command.args(["--seed", &options.seed.to_string(), "--out"]);
        command.arg(folder.path().join(format!("damaged-{kind}.zip")));
        if !workspace::run(&mut command)?.success() {
            return Err(Failure::new("the damaged images could not be made; Python's message is above")
                .help("name a Python that has Pillow with --python"));
        }
    }
    let mut command = workspace::cargo("test");
    command.args(["--package", "nemesis-core", "--test", "pillow", "--", "--nocapture"]);
    command.env("LIBTORCH", libtorch).env("NEMESIS_DAMAGED_IMAGES", folder.path());
    Ok(u8::from(!workspace::run(&mut command)?.success()))
}

/// Builds the plugins that a run loads, and has the test of resumed runs kill it so often.
fn kills(options: &Kills, libtorch: &Path) -> Result<u8> {
    workspace::build_debug(libtorch)?;
    let mut command = workspace::cargo("test");
    command.args(["--package", "nemesis-bench", "--test", "it", "--", "--nocapture", "resume::"]);
    command.env("LIBTORCH", libtorch).env("NEMESIS_KILLS", options.count.to_string());
    Ok(u8::from(!workspace::run(&mut command)?.success()))
}

/// Builds the plugins that a run loads, and has the test of faults try so many.
fn faults(options: &Faults, libtorch: &Path) -> Result<u8> {
    workspace::build_debug(libtorch)?;
    let mut command = workspace::cargo("test");
    command.args(["--workspace", "--test", "it", "--", "--nocapture", "faults_leave_no_trace"]);
    command.env("LIBTORCH", libtorch).env("NEMESIS_FAULTS", options.count.to_string());
    Ok(u8::from(!workspace::run(&mut command)?.success()))
}
