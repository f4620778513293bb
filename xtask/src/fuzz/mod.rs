//! `cargo xtask fuzz`: readers of what comes from elsewhere get changed inputs.

mod program;
mod target;

use crate::failure::{Failure, Result};
use crate::{setup, workspace};
use program::Program;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use target::Fuzzed;

/// What is fuzzed, and for how long.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FuzzOptions {
    /// What to fuzz; everything by default
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Seconds for each target
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many targets at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Where the changes begin
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    seed: u32,
    /// Afterwards keep the shortest inputs that lead as far as all of them in benchmarks/fuzz/corpus
    #[arg(long)]
    keep: bool,
    /// List the targets
    #[arg(long, conflicts_with_all = ["targets", "keep"])]
    list: bool,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask fuzz --seconds 3600 --jobs 2
      An hour for each target, two at once
  cargo xtask fuzz pickle png --seed 7
      A minute each for two of them, with other inputs

Inputs that led further are in target/fuzzing/TARGET/corpus, with which the next run goes on; what libFuzzer said is in
target/fuzzing/TARGET/log, and finds are in target/fuzzing/TARGET/finds. One that was mended goes into
benchmarks/fuzz/finds/TARGET, where every test run reads it.";

/// Builds the fuzzer, so that libFuzzer sees which code an input reaches, and runs it; returns 1 if it finds anything.
pub(crate) fn run(options: &FuzzOptions) -> Result<u8> {
    let libtorch = setup::run(setup::SetupOptions::default())?;
    let program = Program::build(&libtorch)?;
    let (names, listed) = program.targets()?;
    if options.list {
        print!("{listed}");
        return Ok(0);
    }
    let chosen = chosen(options, names)?;
    let folder = workspace::target_folder()?.join("fuzzing");
    println!("{}", Fuzzed::HEAD);
    let finds = fuzz_all(options, chosen.clone(), &program, &folder)?;
    if options.keep {
        for name in &chosen {
            target::keep(&program, name, &folder.join(name))?;
        }
    }
    println!("{finds} {}", if finds == 1 { "find" } else { "finds" });
    Ok(u8::from(finds > 0))
}

fn chosen(options: &FuzzOptions, names: Vec<String>) -> Result<Vec<String>> {
    if let Some(unknown) = options.targets.iter().find(|name| !names.contains(name)) {
        let failure = Failure::new(format!("there is no target `{unknown}`"));
        return Err(failure.help(format!("choose from {}", names.join(", "))));
    }
    let is_chosen = |name: &String| options.targets.is_empty() || options.targets.contains(name);
    Ok(names.into_iter().filter(is_chosen).collect())
}

/// Several targets at once, each in turn when one ends; says how many finds there were.
fn fuzz_all(options: &FuzzOptions, chosen: Vec<String>, program: &Program, folder: &Path) -> Result<usize> {
    let waiting = Mutex::new(chosen.into_iter());
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.next());
    let work = || -> Result<usize> {
        let mut finds = 0;
        while let Some(name) = next() {
            let time = Duration::from_secs(options.seconds);
            let fuzzed = target::fuzz(program, &name, &folder.join(&name), time, options.seed)?;
            println!("{fuzzed}");
            finds += fuzzed.finds.len();
        }
        Ok(finds)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs).map(|_| scope.spawn(work)).collect();
        let finds =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err(Failure::new("a thread panicked"))));
        finds.sum()
    })
}
