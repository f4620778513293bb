//! What fuzzing a target has come to in all runs, so that hours can be had in pieces.

use super::target::Fuzzed;
use crate::failure::{Failure, Result};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

/// All runs of a target in one folder. Their file has a line for each, with the milliseconds of processor time and the
/// inputs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) time: Duration,
    pub(crate) runs: u32,
}

impl History {
    const FILE: &str = "history";

    /// The runs so far of the target in this folder. A line that was cut short counts for nothing.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(Self::FILE);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::io("read", &file, &error)),
        };
        let times = text.lines().filter_map(|line| line.split_once(' ')?.0.parse().ok());
        let add = |all: Self, time| Self { time: all.time + Duration::from_millis(time), runs: all.runs + 1 };
        Ok(times.fold(Self::default(), add))
    }

    /// With one run more, which is written down.
    pub(crate) fn add(self, folder: &Path, run: &Fuzzed) -> Result<Self> {
        let file = folder.join(Self::FILE);
        let opened = OpenOptions::new().create(true).append(true).open(&file);
        let line = format!("{} {}\n", run.time.as_millis(), run.inputs);
        let written = opened.and_then(|mut opened| opened.write_all(line.as_bytes()));
        written.map_err(|e| Failure::io("write", &file, &e))?;
        Ok(Self { time: self.time + run.time, runs: self.runs + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(History::read(folder).unwrap(), History::default());
        let mut run = Fuzzed::default();
        for seconds in [60, 3600] {
            run.time = Duration::from_secs(seconds);
            History::read(folder).unwrap().add(folder, &run).unwrap();
        }
        assert_eq!(History::read(folder).unwrap(), History { time: Duration::from_secs(3660), runs: 2 });
    }
}
