//! `nemesis bench`: our side of `cargo xtask bench --peer`, one JSON line each; not meant for people.

use super::parity::TextPathName;
use super::{Ending, print};
use crate::peer::{How, Limit, crossing, images, steps};
use crate::plugins::Plugins;
use clap::Subcommand;
use nemesis_core::Result;
use nemesis_core::train::Recompute;
use serde::Serialize;
use std::path::PathBuf;

/// What is timed.
#[derive(Debug, Subcommand)]
pub(super) enum Bench {
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

impl Bench {
    pub(super) fn run(&self) -> Result<Ending> {
        match self {
            Self::Steps { folder, threads, text_path, activations, pool, steps: count } => {
                let how = How {
                    threads: *threads,
                    text_path: (*text_path).into(),
                    recompute: activations.map_or(Recompute::Never, Recompute::Within),
                    pool: pool.clone(),
                    steps: *count,
                };
                say(&steps(folder, &how, &mut Plugins::find(&[])?)?)
            }
            Self::Limit { folder, threads } => say(&Limit::measure(folder, *threads)?),
            Self::Images { folder, threads } => say(&images::measure(folder, *threads)?),
            Self::Crossing => say(&crossing::measure(&mut Plugins::find(&[])?)?),
        }
    }
}

fn say(result: &impl Serialize) -> Result<Ending> {
    let line = serde_json::to_string(result).expect("a struct of texts and numbers is JSON");
    print(&format!("{line}\n"))?;
    Ok(Ending::Done)
}
