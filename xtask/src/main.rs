//! `cargo xtask`: what is done with the workspace as a whole. One file per command.
//!
//! It links no libtorch, so that it works before there is one.

#![forbid(unsafe_code)]

mod bench;
mod campaign;
mod cluster;
mod failure;
mod fuzz;
mod gallery;
mod install;
mod new_method;
mod parity;
mod python;
mod reproduce;
mod setup;
mod skipped;
mod test;
mod workspace;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Builds, runs and tests the harness
#[derive(Parser)]
#[command(bin_name = "cargo xtask", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find libtorch in LIBTORCH or in Python's torch, or download it
    Setup(setup::SetupOptions),
    /// Train, evaluate and print a table: setup, a release build, then `nemesis run ARGS`
    Reproduce {
        /// Arguments of `nemesis run`; without any, the mini suite is run
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        arguments: Vec<OsString>,
    },
    /// Put `nemesis` and its plugins where a shell finds them: setup, a release build, then copies
    Install(install::InstallOptions),
    /// Build the Python package, install it into target/python with `nemesis` beside it, and test it
    Python(python::PythonOptions),
    /// Build everything and pass every test: setup, formatting, clippy, documentation, tests
    Test,
    /// Compare every part with golden values: setup, a release build, then `nemesis parity`
    Parity {
        /// The folder of golden values
        #[arg(long, value_name = "DIR")]
        fixtures: PathBuf,
        /// Further arguments of `nemesis parity`
        #[arg(last = true, value_name = "ARGS")]
        arguments: Vec<OsString>,
    },
    /// Run the benches, or compare speed with PyTorch
    Bench(bench::BenchOptions),
    /// Read thousands of damaged images, or kill and cheat runs many times: what the tests do a few times
    #[command(subcommand)]
    Campaign(campaign::Campaign),
    /// Give every reader of what comes from elsewhere changed inputs, and look for panics, hangs and wasted memory
    Fuzz(fuzz::FuzzOptions),
    /// Run the mini suites and write the pictures and pages in docs/gallery: setup, a build, then two tests
    Gallery,
    /// Compute a table on a Slurm of two nodes on this machine (as root), and on a `HyperQueue` of two workers, while their
    /// jobs are requeued, cancelled and lost
    Cluster(cluster::ClusterOptions),
    /// Make a crate with a working method in methods/, which appears in tables with no further edit
    NewMethod {
        /// Its name: words of lower-case letters and digits joined by hyphens
        name: String,
    },
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask reproduce
      The few-shot table of the mini suite, in minutes, with nothing prepared
  cargo xtask reproduce --suite few-shot --data ~/DATA --weights RN50=RN50.pt --datasets eurosat --shots 16
      Real images through a real CLIP
  cargo xtask install
      Afterwards `nemesis` works anywhere
  cargo xtask python && . target/python/bin/activate
      Afterwards `import nemesis` works, and `nemesis` runs methods that are written in Python
  cargo xtask test
      Everything that has to pass before a change lands
  cargo xtask new-method my-idea && cargo xtask reproduce --methods coop,my-idea
      A method of your own next to CoOp
  LIBTORCH=/opt/libtorch cargo xtask setup
      Use a libtorch of your own

Exit codes: 0 done, 1 finished with failures, 2 could not run.";

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Setup(options) => setup::run(options).map(|_| 0),
        Command::Reproduce { arguments } => reproduce::run(arguments),
        Command::Install(options) => install::run(&options),
        Command::Python(options) => python::run(&options),
        Command::Test => test::run(),
        Command::Bench(options) => bench::run(&options),
        Command::Campaign(campaign) => campaign::run(&campaign),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Gallery => gallery::run(),
        Command::Cluster(options) => cluster::run(&options),
        Command::NewMethod { name } => new_method::run(&name),
        Command::Parity { fixtures, arguments } => parity::run(fixtures, arguments),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(2)
        }
    }
}
