//! The fuzzer's program: how it is built, and what it is told.

use crate::failure::{Failure, Result};
use crate::workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What makes code tell libFuzzer where it is and what it compares. Every compiler can do it, not only a nightly one.
const INSTRUMENTED: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// `nemesis-fuzz`.
#[derive(Debug)]
pub(crate) struct Program(PathBuf);

impl Program {
    pub(crate) fn build(libtorch: &Path) -> Result<Self> {
        // With `--target`, even if it is this machine, flags do not reach build scripts, which could not be linked with them.
        let machine = machine()?;
        let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
        let mut build = workspace::cargo("build");
        build.args(["--package", "nemesis-fuzz", "--features", "guided", "--profile", "fuzz", "--target", &machine]);
        build.env("LIBTORCH", libtorch).env("RUSTFLAGS", format!("{flags} {}", INSTRUMENTED.join(" ")));
        if !workspace::run(&mut build)?.success() {
            return Err(workspace::failed_build());
        }
        let program = format!("nemesis-fuzz{}", std::env::consts::EXE_SUFFIX);
        Ok(Self(workspace::target_folder()?.join(machine).join("fuzz").join(program)))
    }

    /// The targets' names, and the list of them with what they read.
    pub(crate) fn targets(&self) -> Result<(Vec<String>, String)> {
        let mut command = self.told("list", "", Path::new(""), Path::new(""));
        let output = command.output().map_err(|error| workspace::cannot_start(&command, &error))?;
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        let names: Vec<String> = listed.lines().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect();
        if names.is_empty() {
            return Err(Failure::new(format!("{} lists no targets", self.0.display())));
        }
        Ok((names, listed))
    }

    /// The program, told what to do with a target; `guided` in benchmarks/fuzz says what it can do.
    pub(crate) fn told(&self, what: &str, target: &str, folder: &Path, scratch: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command.env("NEMESIS_FUZZ", what).env("NEMESIS_FUZZ_TARGET", target);
        command.env("NEMESIS_FUZZ_FOLDER", folder).env("NEMESIS_FUZZ_SCRATCH", scratch);
        command
    }
}

/// What rustc calls this machine.
fn machine() -> Result<String> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let output = rustc.arg("-vV").output().map_err(|error| workspace::cannot_start(&rustc, &error))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("`rustc -vV` does not name a host"))
}
