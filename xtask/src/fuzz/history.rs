//! What fuzzing a target has come to in all runs, so that hours can be had in pieces and on several machines.

use super::target::Fuzzed;
use crate::failure::{Failure, Result};
use crate::workspace;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::iter::Sum;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The runs of a target.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) runs: u32,
    /// Of the processor.
    pub(crate) time: Duration,
    pub(crate) inputs: u64,
}

impl Sum for History {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            runs: sum.runs + one.runs,
            time: sum.time + one.time,
            inputs: sum.inputs + one.inputs,
        })
    }
}

/// Where the runs of all targets are written down: each in its target's folder, which this machine has, until they are kept
/// in a file of the repository.
#[derive(Debug)]
pub(crate) struct Histories {
    /// Has a folder for each target.
    folder: PathBuf,
    kept: PathBuf,
}

impl Histories {
    /// Those of this workspace, whose targets have their folders in this one.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, kept: workspace::root().join("benchmarks/fuzz/fuzzed.txt") }
    }

    /// All runs of a target.
    pub(crate) fn of(&self, target: &str) -> Result<History> {
        let kept = self.kept()?.remove(target).unwrap_or_default();
        Ok([kept, self.here(target)?].into_iter().sum())
    }

    /// Writes down one run more; returns what it comes to with all others.
    pub(crate) fn add(&self, target: &str, run: &Fuzzed) -> Result<History> {
        let file = self.file(target);
        let opened = OpenOptions::new().create(true).append(true).open(&file);
        let line = format!("{} {}\n", run.time.as_millis(), run.inputs);
        let written = opened.and_then(|mut opened| opened.write_all(line.as_bytes()));
        written.map_err(|e| Failure::io("write", &file, &e))?;
        self.of(target)
    }

    /// Moves a target's runs into the repository.
    pub(crate) fn keep(&self, target: &str) -> Result<()> {
        let mut all = self.kept()?;
        all.insert(target.to_owned(), self.of(target)?);
        let mut text = HEAD.to_owned();
        for (target, History { runs, time, inputs }) in all {
            let _ = writeln!(text, "{target:<12} {runs:>6} {:>9} {inputs:>12}", time.as_secs());
        }
        fs::write(&self.kept, text).map_err(|e| Failure::io("write", &self.kept, &e))?;
        let file = self.file(target);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::io("remove", &file, &error)),
            _ => Ok(()),
        }
    }

    /// The runs that only this machine knows of. A line that was cut short counts for nothing.
    fn here(&self, target: &str) -> Result<History> {
        let run = |line: &str| {
            let (time, inputs) = line.split_once(' ')?;
            let time = Duration::from_millis(time.parse().ok()?);
            Some(History { runs: 1, time, inputs: inputs.parse().ok()? })
        };
        Ok(read(&self.file(target))?.lines().filter_map(run).sum())
    }

    /// What the repository knows, by target.
    fn kept(&self) -> Result<BTreeMap<String, History>> {
        let row = |line: &str| {
            let [target, runs, time, inputs] = line.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
            let time = Duration::from_secs(time.parse().ok()?);
            Some((target.to_owned(), History { runs: runs.parse().ok()?, time, inputs: inputs.parse().ok()? }))
        };
        let text = read(&self.kept)?;
        let rows = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
        rows.map(|(at, line)| {
            let expected = "expected a target, its runs, seconds and inputs";
            row(line).ok_or_else(|| Failure::new(format!("{}:{}: {expected}", self.kept.display(), at + 1)))
        })
        .collect()
    }

    /// Where a target has its inputs, its finds and its runs.
    pub(crate) fn folder(&self, target: &str) -> PathBuf {
        self.folder.join(target)
    }

    fn file(&self, target: &str) -> PathBuf {
        self.folder(target).join("history")
    }
}

const HEAD: &str = "\
# How much each target was fuzzed, in seconds of processor time. Written by `cargo xtask fuzz --keep`.
# target       runs   seconds       inputs
";

fn read(file: &Path) -> Result<String> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Failure::io("read", file, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_add_up_and_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let histories = Histories { folder: folder.to_owned(), kept: folder.join("fuzzed.txt") };
        for target in ["png", "tar"] {
            fs::create_dir(folder.join(target)).unwrap();
        }
        assert_eq!(histories.of("png").unwrap(), History::default());
        let mut run = Fuzzed::default();
        run.inputs = 1000;
        for (target, seconds) in [("tar", 30), ("png", 60), ("png", 3600)] {
            run.time = Duration::from_secs(seconds);
            histories.add(target, &run).unwrap();
        }
        let hour = History { runs: 2, time: Duration::from_secs(3660), inputs: 2000 };
        assert_eq!(histories.of("png").unwrap(), hour);

        histories.keep("png").unwrap();
        histories.keep("png").unwrap();
        assert_eq!(histories.of("png").unwrap(), hour);
        assert_eq!(histories.add("png", &run).unwrap().time, Duration::from_secs(7260));
        histories.keep("tar").unwrap();
        insta::assert_snapshot!(fs::read_to_string(&histories.kept).unwrap(), @r"
        # How much each target was fuzzed, in seconds of processor time. Written by `cargo xtask fuzz --keep`.
        # target       runs   seconds       inputs
        png               2      3660         2000
        tar               1        30         1000
        ");
        fs::write(&histories.kept, "png two\n").unwrap();
        assert!(histories.of("tar").unwrap_err().to_string().contains("fuzzed.txt:1"));
    }
}
