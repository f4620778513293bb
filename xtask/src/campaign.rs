//! `cargo xtask campaign`: thousands of damaged images, read by Pillow and by us.

use crate::failure::{Failure, Result};
use crate::{setup, workspace};
use std::path::PathBuf;
use std::process::Command;

/// What is damaged, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// A Python that has Pillow
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// Files of each kind, JPEG and PNG
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    count: u32,
    /// What the damage is drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u32,
}

/// Damages, asks Pillow, and compares; returns 1 when a file is read otherwise here.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let libtorch = setup::run(setup::Options::default())?;
    let folder = tempfile::tempdir().map_err(|error| Failure::new(format!("cannot create a folder: {error}")))?;
    let script = workspace::root().join("nemesis-core/tests/pillow/mutate.py");
    for kind in ["jpeg", "png"] {
        let mut command = Command::new(&options.python);
        command.arg(&script).args(["--kind", kind, "--count", &options.count.to_string()]);
        command.args(["--seed", &options.seed.to_string(), "--out"]);
        command.arg(folder.path().join(format!("damaged-{kind}.zip")));
        if !workspace::run(&mut command)?.success() {
            return Err(Failure::new("the damaged images could not be made; Python's message stands above")
                .help("name a Python that has Pillow by --python"));
        }
    }
    let mut command = workspace::cargo("test");
    command.args(["--package", "nemesis-core", "--test", "pillow", "--", "--nocapture"]);
    command.env("LIBTORCH", libtorch).env("NEMESIS_DAMAGED_IMAGES", folder.path());
    Ok(u8::from(!workspace::run(&mut command)?.success()))
}
