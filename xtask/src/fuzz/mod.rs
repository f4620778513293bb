//! `cargo xtask fuzz`: readers of what comes from elsewhere get changed inputs.

mod history;
mod program;
mod target;

use crate::failure::{Failure, Result};
use crate::{setup, workspace};
use history::{Histories, History};
use program::Program;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use target::Fuzzed;

/// With `--in-all`, how long a target is fuzzed before another has its turn, at least and at most.
const TURN: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(300)];

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
    /// Seconds of processor time for each target in all, with those of earlier runs, also where they were kept. Targets
    /// take turns, so that this can be stopped, and started again, at any time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "seconds")]
    in_all: Option<u64>,
    /// How many targets at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Where the changes begin
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    seed: u32,
    /// Afterwards keep the shortest inputs that lead as far as all of them in benchmarks/fuzz/corpus, and how long each
    /// target was fuzzed in benchmarks/fuzz/fuzzed.txt
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
  cargo xtask fuzz --in-all 3600
      The same in pieces: go on until each target has had an hour
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
    let histories = Histories::new(workspace::target_folder()?.join("fuzzing"));
    for name in &chosen {
        // Those of a run that was stopped were not told of.
        if let count @ 1.. = target::earlier_finds(&histories.folder(name)) {
            println!("{name}: {} from before, in target/fuzzing/{name}/finds", finds_in_words(count));
        }
    }
    println!("{}", Fuzzed::HEAD);
    let finds = fuzz_all(options, chosen.clone(), &program, &histories)?;
    if options.keep {
        for name in &chosen {
            target::keep(&program, name, &histories.folder(name))?;
            histories.keep(name)?;
        }
    }
    println!("{}", finds_in_words(finds));
    Ok(u8::from(finds > 0))
}

fn finds_in_words(count: usize) -> String {
    format!("{count} {}", if count == 1 { "find" } else { "finds" })
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
fn fuzz_all(options: &FuzzOptions, chosen: Vec<String>, program: &Program, histories: &Histories) -> Result<usize> {
    let waiting = Mutex::new(chosen);
    let waiting = || waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || -> Result<usize> {
        let mut finds = 0;
        loop {
            let Some(turn) = next(options, &mut waiting(), histories)? else { return Ok(finds) };
            let mut fuzzed = target::fuzz(program, &turn.name, &histories.folder(&turn.name), turn.time, turn.seed)?;
            fuzzed.in_all = histories.add(&turn.name, &fuzzed)?;
            println!("{fuzzed}");
            finds += fuzzed.finds.len();
            // A reader with faults had better be mended before it goes on.
            if options.in_all.is_some() && fuzzed.finds.is_empty() {
                waiting().push(turn.name);
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs).map(|_| scope.spawn(work)).collect();
        let finds =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err(Failure::new("a thread panicked"))));
        finds.sum()
    })
}

/// What a target is fuzzed with next.
struct Turn {
    name: String,
    time: Duration,
    seed: u32,
}

/// Takes the target out of those that wait that has had least so far, unless all have had what they should.
fn next(options: &FuzzOptions, waiting: &mut Vec<String>, histories: &Histories) -> Result<Option<Turn>> {
    let mut least: Option<(History, usize)> = None;
    for (at, name) in waiting.iter().enumerate() {
        let had = histories.of(name)?;
        // Without `--in-all` they come in their order, whatever they have had.
        if least.is_none_or(|(least, _)| options.in_all.is_some() && had.time < least.time) {
            least = Some((had, at));
        }
    }
    let Some((had, at)) = least else { return Ok(None) };
    let time = match options.in_all.map(Duration::from_secs) {
        Some(all) if had.time >= all => return Ok(None),
        Some(all) => all.saturating_sub(had.time).clamp(TURN[0], TURN[1]),
        None => Duration::from_secs(options.seconds),
    };
    // Another run makes other changes.
    Ok(Some(Turn { name: waiting.remove(at), time, seed: options.seed.wrapping_add(had.runs) }))
}
