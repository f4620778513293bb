//! `nemesis-fuzz`: fuzzes targets in turn, each in a process of its own, and keeps what it finds.

#![forbid(unsafe_code)]

use clap::Parser;
use nemesis_fuzz::{Fuzzer, Limits, TARGETS, Target};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Give readers changed inputs, and look for panics, hangs and memory out of proportion
#[derive(Parser)]
#[command(name = "nemesis-fuzz")]
struct Arguments {
    /// What to fuzz; everything by default
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Seconds for each target
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Where the changes begin; the same seed gives the same inputs
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The folder that gets the inputs that are found
    #[arg(long, value_name = "DIR", default_value = "fuzz-finds")]
    finds: PathBuf,
    /// List the targets
    #[arg(long)]
    list: bool,
    /// Fuzz in this process, whose current input is in this file
    #[arg(long, hide = true, value_name = "FILE")]
    within: Option<PathBuf>,
}

/// The memory of a process, above what any input may take. libtorch's tensors count here as well.
const MEMORY: u64 = 4 << 30;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for target in TARGETS {
            println!("{:<12} {}", target.name, target.about);
        }
        return ExitCode::SUCCESS;
    }
    let unknown = arguments.targets.iter().find(|name| !TARGETS.iter().any(|target| target.name == **name));
    if let Some(name) = unknown {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("error: there is no target `{name}`\n  expected: one of {}", names.join(", "));
        return ExitCode::from(2);
    }
    let chosen =
        TARGETS.iter().filter(|t| arguments.targets.is_empty() || arguments.targets.iter().any(|n| *n == t.name));
    if let Some(file) = &arguments.within {
        return chosen.fold(ExitCode::SUCCESS, |code, target| fuzz(target, &arguments, file).unwrap_or(code));
    }
    let mut finds = 0;
    println!(
        "{:<12} {:>12} {:>9} {:>9} {:>8} {:>9}  finds",
        "target", "inputs", "accepted", "outcomes", "peak MB", "slowest"
    );
    for target in chosen {
        finds += supervise(target, &arguments);
    }
    println!("{finds} finds{}", if finds == 0 { String::new() } else { format!(" in {}", arguments.finds.display()) });
    ExitCode::from(u8::from(finds > 0))
}

/// Fuzzes in this process; prints one line, and keeps what is found.
fn fuzz(target: &Target, arguments: &Arguments, current: &Path) -> Option<ExitCode> {
    let limit = Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    if let Err(error) = setrlimit(Resource::Data, limit) {
        eprintln!("warning: the memory of the process cannot be limited: {error}");
    }
    let tally =
        Fuzzer::new(target, arguments.seed).run(Limits::Time(Duration::from_secs(arguments.seconds)), Some(current));
    println!(
        "{:<12} {:>12} {:>9} {:>9} {:>8.1} {:>7.2} s  {}",
        target.name,
        tally.inputs,
        tally.accepted,
        tally.outcomes,
        tally.peak as f64 / 1e6,
        tally.slowest.as_secs_f64(),
        tally.finds.len()
    );
    for find in &tally.finds {
        keep(target, arguments, &find.to_string(), &find.input);
    }
    (!tally.finds.is_empty()).then(|| ExitCode::from(u8::try_from(tally.finds.len()).unwrap_or(u8::MAX)))
}

fn keep(target: &Target, arguments: &Arguments, what: &str, input: &[u8]) {
    let file = arguments.finds.join(format!("{}-{}", target.name, &blake3::hash(input).to_hex()[..12]));
    let kept = fs::create_dir_all(&arguments.finds).and_then(|()| fs::write(&file, input));
    println!("  {what}: {}", kept.map_or_else(|error| format!("not kept, {error}"), |()| file.display().to_string()));
}

/// Fuzzes in another process, which an input may end; says how many finds there were.
fn supervise(target: &Target, arguments: &Arguments) -> usize {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let current = folder.path().join("input");
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.arg(target.name).args(["--seconds", &arguments.seconds.to_string(), "--seed", &arguments.seed.to_string()]);
    command.arg("--finds").arg(&arguments.finds).arg("--within").arg(&current);
    match command.status() {
        Ok(status) if status.success() => 0,
        Ok(status) if status.code().is_some_and(|code| code != 86 && code != 101) => {
            status.code().unwrap_or(1) as usize
        }
        ended => {
            let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            let input = fs::read(&current).unwrap_or_default();
            println!("{:<12} ended early: {how}", target.name);
            keep(target, arguments, &format!("the process ends: {how}"), &input);
            1
        }
    }
}
