//! `cargo xtask campaign`: what tests do a few times, done many times.

use crate::failure::{Failure, Result};
use crate::skipped::Skipped;
use crate::{setup, workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is tried.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Campaign {
    /// Read thousands of damaged images as Pillow does, and compare
    Images(Images),
    /// Kill a run midway again and again, and compare the table that it ends with
    Kills(Kills),
    /// Disturb runs in every way there is, and compare the tables that they end with
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
#[command(after_help = KINDS)]
pub(crate) struct Faults {
    /// How many faults of each kind
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,
    /// Only this kind
    #[arg(long, value_name = "KIND")]
    #[arg(value_parser = ["moments", "disk", "network", "clocks", "memory", "records", "versions"])]
    only: Option<String>,
}

const KINDS: &str = "\
Kinds of faults:
  moments   four runs on one folder: kill -9 (half of the faults), SIGTERM, SIGSTOP past the lease, features and
            checkpoints truncated, flipped and replaced; and the same on two machines whose file server lags
  disk      a disk that is full at the Nth write, and one that is read-only
  network   two machines whose file server shows the changes of the other late
  clocks    clocks that jump by days
  memory    processes that are killed or refused memory
  records   records truncated, flipped and replaced
  versions  two versions of nemesis on one folder

Disk and network need root or fusermount3, since they mount FUSE file systems; memory needs root and control groups.
What this machine does not allow is skipped and listed.

Example:
  cargo xtask campaign faults --count 20 --only disk
      Twenty disks that are full at different moments";

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
    command.env("LIBTORCH", libtorch).env("XTASK_DAMAGED_IMAGES", folder.path());
    Ok(u8::from(!workspace::run(&mut command)?.success()))
}

/// Builds the plugins that a run loads, and has the test of resumed runs kill it so often.
fn kills(options: &Kills, libtorch: &Path) -> Result<u8> {
    workspace::build_debug(libtorch)?;
    let mut command = workspace::cargo("test");
    command.args(["--package", "nemesis-bench", "--test", "it", "--", "--nocapture", "resume::"]);
    command.env("LIBTORCH", libtorch).env("XTASK_KILLS", options.count.to_string());
    Ok(u8::from(!workspace::run(&mut command)?.success()))
}

/// Builds the plugins that a run loads, has the tests of faults try so many, and sums up.
fn faults(options: &Faults, libtorch: &Path) -> Result<u8> {
    workspace::build_debug(libtorch)?;
    let folder = tempfile::tempdir().map_err(|error| Failure::new(format!("cannot create a folder: {error}")))?;
    let report = folder.path().join("report");
    let filter = format!("campaign::{}", options.only.as_deref().unwrap_or_default());
    let mut command = workspace::cargo("test");
    command.args(["--workspace", "--test", "it", "--", "--nocapture", "--test-threads", "1"]);
    command.arg(filter).env("LIBTORCH", libtorch).env("XTASK_FAULTS", options.count.to_string());
    command.env("XTASK_FAULTS_REPORT", &report);
    let skipped = Skipped::new()?;
    skipped.collect_from(&mut command);
    let passed = workspace::run(&mut command)?.success();
    let lines = fs::read_to_string(&report).unwrap_or_default();
    println!("\nfaults  table             kind");
    for line in lines.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind, count, hash, details] = fields[..] else { continue };
        println!(
            "{count:>6}  {hash}  {kind}{}",
            if details.is_empty() { String::new() } else { format!(": {details}") }
        );
    }
    let (verdict, code) = verdict(passed, lines.lines().count());
    println!("{verdict}");
    skipped.print()?;
    Ok(code)
}

/// What came of it, and the exit code. Tests pass where they are skipped: nothing has been shown if none reported a fault.
fn verdict(passed: bool, reported: usize) -> (&'static str, u8) {
    match (passed, reported) {
        (false, _) => ("FAILED: see above.", 1),
        (true, 0) => ("Nothing was tried.", 1),
        (true, _) => ("All tables are those of undisturbed runs.", 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_were_all_skipped_show_nothing() {
        assert_eq!(verdict(true, 0), ("Nothing was tried.", 1));
        assert_eq!(verdict(true, 1).1, 0);
        assert_eq!(verdict(false, 1).1, 1);
    }
}
