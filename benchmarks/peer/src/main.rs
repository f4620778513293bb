//! Our side of `cargo xtask bench --peer`, one line of JSON each: the training steps of the PyTorch reference with the
//! same weights, inputs and random choices, so that its losses can be compared and its time is a fair measure.

#![forbid(unsafe_code)]

mod choices;
mod crossing;
mod images;
mod inputs;
mod limit;
mod steps;
mod towers;

use clap::Parser;
use inputs::{ImageSource, Inputs};
use limit::Limit;
use nemesis_core::plugin::{Plugin, Registry};
use nemesis_core::train::Recompute;
use nemesis_core::{Error, Result};
use nemesis_parity::TextPathName;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use steps::{How, steps};

/// What is timed.
#[derive(Debug, Parser)]
#[command(name = "nemesis-peer")]
enum Work {
    /// The training steps of the PyTorch reference
    Steps {
        /// What the reference wrote by `--dump`
        folder: PathBuf,
        /// Threads of libtorch
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// The way of prompts through the text tower
        #[arg(long, default_value = "shared")]
        text_path: TextPathName,
        /// Bytes that the activations of a step may take
        #[arg(long, value_name = "BYTES")]
        activations: Option<u64>,
        /// Take features of the batches from this pool, which gets those that it lacks
        #[arg(long, value_name = "DIR")]
        pool: Option<PathBuf>,
        /// The number of steps, in place of the reference's
        #[arg(long)]
        steps: Option<usize>,
    },
    /// The training steps of `towers.py`
    Towers {
        /// What it wrote by `--dump`
        folder: PathBuf,
        /// Threads of libtorch
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// Bytes that the activations of a step may take
        #[arg(long, value_name = "BYTES")]
        activations: Option<u64>,
    },
    /// The rate of matrix products, and the least time of a step by it
    Limit {
        /// What the reference wrote by `--dump`
        folder: PathBuf,
        /// Threads of libtorch
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
    /// Decoding, resizing and cropping
    Images {
        /// A folder that holds JPEG files
        folder: PathBuf,
        /// Threads
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
    /// A call of a plugin
    Crossing,
}

impl Work {
    fn run(&self) -> Result<()> {
        match self {
            Self::Steps { folder, threads, text_path, activations, pool, steps: count } => {
                let how = How {
                    threads: *threads,
                    text_path: (*text_path).into(),
                    recompute: activations.map_or(Recompute::Never, Recompute::Within),
                    pool: pool.clone(),
                    steps: *count,
                };
                say(&steps(folder, &how, &plugins()?)?)
            }
            Self::Towers { folder, threads, activations } => {
                say(&towers::steps(folder, *threads, activations.map_or(Recompute::Never, Recompute::Within))?)
            }
            Self::Limit { folder, threads } => say(&Limit::measure(folder, *threads)?),
            Self::Images { folder, threads } => say(&images::measure(folder, *threads)?),
            Self::Crossing => say(&crossing::measure(&plugins()?)?),
        }
    }
}

fn say(result: &impl Serialize) -> Result<()> {
    let line = serde_json::to_string(result).expect("a struct of texts and numbers is JSON");
    writeln!(std::io::stdout(), "{line}").map_err(|e| Error::new(format!("cannot write to standard output: {e}")))
}

/// The plugins beside the program, where `cargo build` leaves them.
fn plugins() -> Result<Registry> {
    let program =
        std::env::current_exe().map_err(|e| Error::new(format!("cannot tell where this program lies: {e}")))?;
    Registry::scan(&[program.with_file_name("")])
}

fn load(plugins: &Registry, method: &str) -> Result<Plugin> {
    Plugin::load(plugins.find(method)?.path())
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> ExitCode {
    match Work::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
