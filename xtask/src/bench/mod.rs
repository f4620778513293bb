//! `cargo xtask bench`: the project's own benches, or its speed against PyTorch's.

mod measure;
mod rows;
mod table;

use crate::failure::{Failure, Result};
use crate::{setup, workspace};
use rows::Work;
use std::path::PathBuf;

/// What is measured.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchOptions {
    /// The PyTorch reference, `coop_reference.py`; without it and --only, the project's own benches run
    #[arg(long, value_name = "FILE")]
    peer: Option<PathBuf>,
    /// A Python that has what the reference imports
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// JPEG files, in folders of any depth, to decode and resize
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Measure only this
    #[arg(long, value_name = "WORK", value_delimiter = ',')]
    only: Vec<Work>,
    /// Runs of each side, taken in turns; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Threads of each side
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// Add the machine's rate of matrix products, and the shortest time that the text tower could take at that rate
    #[arg(long)]
    limit: bool,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench
      The project's benches, by criterion
  cargo xtask bench --peer coop_reference.py --python ~/torch/bin/python --images ~/DATA/caltech-101 --limit
      The whole table; some 40 minutes on two cores that have nothing else to do
  cargo xtask bench --peer coop_reference.py --only text-100,plugin --runs 1
      A part of it
  cargo xtask bench --only maple,cocoop,clip-lora --python ~/torch/bin/python
      Steps that learn inside of the towers; their reference is `benchmarks/peer/towers.py`";

/// Measures and prints; returns 1 when the two sides' results differ.
pub(crate) fn run(options: &BenchOptions) -> Result<u8> {
    let libtorch = setup::run(setup::SetupOptions::default())?;
    if options.peer.is_none() && options.only.is_empty() {
        let mut command = workspace::cargo("bench");
        command.arg("--workspace").env("LIBTORCH", libtorch);
        return Ok(u8::from(!workspace::run(&mut command)?.success()));
    }
    let needs_peer = Work::chosen(&options.only).any(Work::needs_peer);
    match &options.peer {
        Some(reference) if !reference.is_file() => {
            return Err(Failure::new(format!("there is no {}", reference.display()))
                .help("name the file `coop_reference.py` with --peer"));
        }
        None if needs_peer => {
            return Err(Failure::new("some of this work is compared with the PyTorch reference")
                .help("name the file `coop_reference.py` with --peer"));
        }
        _ => {}
    }
    workspace::build_release(&libtorch)?;
    workspace::build_peer(&libtorch)?;
    let sides = measure::Sides::new(options)?;
    let mut rows = Vec::new();
    for work in Work::chosen(&options.only) {
        rows.extend(work.measure(&sides)?);
    }
    print!("{}", table::render(&rows, &sides));
    Ok(u8::from(rows.iter().any(|row| !row.agree())))
}
