//! One target: libFuzzer fuzzes it, begins again if an input ends the process, and says how it went.

use super::history::History;
use super::program::Program;
use crate::failure::{Failure, Result};
use crate::workspace;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// After so many ends the readers of a target had better be mended first.
const MOST_ENDS: usize = 10;

/// An input that takes longer hangs, in seconds. Targets have lower limits, which are looked at when an input was read.
const HUNG: u32 = 400;

/// What came of a target.
#[derive(Debug, Default)]
pub(crate) struct Fuzzed {
    name: String,
    /// Of the processor: a machine that is busy with something else fuzzes less.
    pub(crate) time: Duration,
    pub(crate) inputs: u64,
    /// With all earlier runs, once this one is written down.
    pub(crate) in_all: History,
    /// How many edges between pieces of code the inputs reach.
    edges: u64,
    /// How many inputs it takes to reach them.
    corpus: u64,
    /// Of the whole process, in megabytes.
    peak: u64,
    /// Of one input, in seconds.
    slowest: u64,
    /// Each with the file that has it.
    pub(crate) finds: Vec<String>,
}

impl Fuzzed {
    pub(crate) const HEAD: &str =
        "target       seconds      inputs   per s   edges  corpus  peak MB  slowest  s in all  finds";

    /// Takes a line of libFuzzer's, or of `nemesis-fuzz`'s.
    fn take(&mut self, line: &str) {
        let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok());
        if let Some(find) = line.strip_prefix("find: ") {
            self.finds.push(find.to_owned());
        } else if let Some((name, value)) = line.strip_prefix("stat::").and_then(|line| line.split_once(':')) {
            let value = number(Some(value)).unwrap_or(0);
            match name {
                "processor_time_ms" => self.time += Duration::from_millis(value),
                "number_of_executed_units" => self.inputs += value,
                "peak_rss_mb" => self.peak = self.peak.max(value),
                "slowest_unit_time_sec" => self.slowest = self.slowest.max(value),
                _ => {}
            }
        } else if line.starts_with('#') {
            let after = |label: &str| line.split_once(label).and_then(|(_, rest)| rest.trim().split([' ', '/']).next());
            self.edges = number(after(" cov:")).map_or(self.edges, |edges| edges.max(self.edges));
            self.corpus = number(after(" corp:")).unwrap_or(self.corpus);
        }
    }
}

impl fmt::Display for Fuzzed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, time, inputs, in_all, edges, corpus, peak, slowest, finds } = self;
        let (time, finds_of, in_all) = (time.as_secs(), finds.len(), in_all.time.as_secs());
        let rate = inputs / time.max(1);
        write!(
            f,
            "{name:<12} {time:>7} {inputs:>11} {rate:>7} {edges:>7} {corpus:>7} {peak:>8} {slowest:>6} s  {in_all:>8}  {finds_of}"
        )?;
        finds.iter().try_for_each(|find| write!(f, "\n  {find}"))
    }
}

/// Fuzzes a target for this time. What leads further is kept in `folder`, with which the next run goes on.
pub(crate) fn fuzz(program: &Program, name: &str, folder: &Path, time: Duration, seed: u32) -> Result<Fuzzed> {
    let corpus = folder.join("corpus");
    let ends = folder.join("ends");
    for folder in [&corpus, &ends] {
        fs::create_dir_all(folder).map_err(|e| Failure::io("create the folder", folder, &e))?;
    }
    let log = folder.join("log");
    fs::write(&log, "").map_err(|e| Failure::io("write", &log, &e))?;
    // What readers unpack should not reach a disk.
    let scratch = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let scratch = scratch.map_err(|e| Failure::io("create a folder in", &std::env::temp_dir(), &e))?;
    let mut fuzzed = Fuzzed { name: name.to_owned(), ..Fuzzed::default() };
    let start = Instant::now();
    for again in 0..MOST_ENDS {
        let left = time.saturating_sub(start.elapsed()).as_secs_f64().ceil();
        if left < 1.0 {
            break;
        }
        let mut command = program.told("run", name, folder, scratch.path());
        command.arg(format!("-max_total_time={left}")).arg(format!("-seed={}", seed as usize + again));
        command.arg(format!("-timeout={HUNG}")).args(["-rss_limit_mb=0", "-print_final_stats=1"]);
        command.arg(format!("-dict={}", folder.join("words").display()));
        command.arg(format!("-artifact_prefix={}/", ends.display())).arg(&corpus);
        if listen(command, &log, &mut fuzzed)? {
            break;
        }
        let ended = files_of(&ends);
        if ended.is_empty() {
            return Err(Failure::new(format!("the fuzzer of {name} failed; its messages are in {}", log.display())));
        }
        for input in ended {
            // libFuzzer keeps inputs as before they are packed. This packs and keeps it, and ends as the last one did.
            let mut command = program.told("packed", name, folder, scratch.path());
            command.arg(&input);
            listen(command, &log, &mut fuzzed)?;
            fs::remove_file(&input).map_err(|e| Failure::io("remove", &input, &e))?;
        }
    }
    Ok(fuzzed)
}

/// Runs the program to its end; says whether that was a good one.
fn listen(mut command: std::process::Command, log: &Path, fuzzed: &mut Fuzzed) -> Result<bool> {
    let mut file: File = OpenOptions::new().append(true).open(log).map_err(|e| Failure::io("write", log, &e))?;
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| workspace::cannot_start(&command, &error))?;
    let said = child.stderr.take().into_iter().flat_map(|said| BufReader::new(said).split(b'\n'));
    for line in said.map_while(std::result::Result::ok) {
        let line = String::from_utf8_lossy(&line);
        fuzzed.take(&line);
        writeln!(file, "{line}").map_err(|e| Failure::io("write", log, &e))?;
    }
    let status = child.wait().map_err(|error| workspace::cannot_start(&command, &error))?;
    Ok(status.success())
}

/// Keeps the shortest inputs of a target's corpus that reach what all of them reach.
pub(crate) fn keep(program: &Program, name: &str, folder: &Path) -> Result<()> {
    let small = folder.join("small");
    if small.exists() {
        fs::remove_dir_all(&small).map_err(|e| Failure::io("remove", &small, &e))?;
    }
    fs::create_dir_all(&small).map_err(|e| Failure::io("create the folder", &small, &e))?;
    let scratch = tempfile::tempdir().map_err(|e| Failure::io("create a folder in", &std::env::temp_dir(), &e))?;
    let mut merge = program.told("run", name, folder, scratch.path());
    merge.args(["-merge=1", "-rss_limit_mb=0"]).arg(&small).arg(folder.join("corpus"));
    let log = folder.join("log");
    if !listen(merge, &log, &mut Fuzzed::default())? {
        return Err(Failure::new(format!("the inputs of {name} cannot be compared; see {}", log.display())));
    }
    let mut keep = program.told("keep", name, folder, scratch.path());
    let status = keep.status().map_err(|error| workspace::cannot_start(&keep, &error))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("the inputs of {name} cannot be kept"))) }
}

/// How many inputs earlier runs found, in a target's folder.
pub(crate) fn earlier_finds(folder: &Path) -> usize {
    files_of(&folder.join("finds")).len()
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_is_understood() {
        let mut fuzzed = Fuzzed { name: "png".into(), ..Fuzzed::default() };
        for line in [
            "INFO: Seed: 1",
            "#2\tINITED cov: 120 ft: 121 corp: 1/1b exec/s: 0 rss: 40Mb",
            "#4096\tDONE   cov: 2345 ft: 9876 corp: 67/12Kb lim: 4096 exec/s: 2048 rss: 51Mb",
            "stat::number_of_executed_units: 4096",
            "stat::slowest_unit_time_sec:    3",
            "stat::peak_rss_mb:              51",
            "stat::processor_time_ms: 5001",
            "stat::processor_time_ms: 5002",
            "find: it panics: no at here (7 bytes): finds/0123",
        ] {
            fuzzed.take(line);
        }
        insta::assert_snapshot!(format!("{}\n{fuzzed}", Fuzzed::HEAD), @r"
        target       seconds      inputs   per s   edges  corpus  peak MB  slowest  s in all  finds
        png               10        4096     409    2345      67       51      3 s         0  1
          it panics: no at here (7 bytes): finds/0123
        ");
    }
}
