//! `nemesis mini`: makes the mini suite's data sets and its small CLIP.

use super::Ending;
use clap::{Args, Subcommand};
use nemesis_core::backbone::Assumption;
use nemesis_core::backbone::METADATA_KEY;
use nemesis_core::{Result, files, record};
use nemesis_mini::Recipe;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Makes what the mini suite runs on. `nemesis run` makes the data by itself and comes with the weights.
#[derive(Debug, Args)]
pub(super) struct Mini {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Draw the eleven data sets, in the official layouts, into a new data root
    Data {
        /// The data root
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Pre-train the small CLIP on generated pictures and captions
    Pretrain {
        /// Where the weights go, as safetensors
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// The recipe [default: the one that made the weights in the repository]
        #[arg(long, value_name = "FILE")]
        recipe: Option<PathBuf>,
    },
}

impl Mini {
    pub(super) fn run(&self) -> Result<Ending> {
        match &self.part {
            Part::Data { out } => nemesis_mini::ensure_data_root(out)?,
            Part::Pretrain { out, recipe } => pretrain(out, recipe.as_deref())?,
        }
        Ok(Ending::Done)
    }
}

fn pretrain(out: &Path, recipe: Option<&Path>) -> Result<()> {
    let recipe = match recipe {
        Some(file) => Recipe::parse(&files::read_text(file)?, file)?,
        None => Recipe::committed()?,
    };
    let started = Instant::now();
    let weights = nemesis_mini::pretrain(&recipe, |step, steps, loss| {
        log!("step {step} of {steps}, loss {loss:.3}, {:.0} s", started.elapsed().as_secs_f64());
    })?;
    // It computes as OpenAI's CLIPs do, which no other program knows.
    let said = (METADATA_KEY, Assumption::OpenAi.to_string());
    files::write_output(out, &record::to_safetensors(&weights, &[said])?)
}
