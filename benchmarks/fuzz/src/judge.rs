//! Has a target read inputs, and says what must not be: panics, too much memory or time, and memory that is not given back.

use crate::{ALLOCATED, Target};
use nemesis_core::error::Kind;
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Reads the inputs of one target.
#[derive(Debug)]
pub(crate) struct Judge {
    target: Target,
    /// Where readers find their inputs.
    folder: PathBuf,
    /// What the reader has said, nothing where it accepted an input.
    said: HashSet<String>,
    /// The same, each with how much memory that took, and what was wrong.
    seen: HashSet<String>,
    inputs: u64,
    /// What stays allocated after inputs were read, summed up.
    kept: i64,
}

/// What came of an input.
#[derive(Debug)]
pub(crate) struct Judged {
    /// What is wrong, if nothing like it was wrong before: one find of a kind is enough.
    pub(crate) fault: Option<String>,
    /// Whether the reader took the input.
    pub(crate) is_accepted: bool,
    /// Whether the reader said what it had not said before.
    pub(crate) is_new: bool,
}

impl Judge {
    /// Inputs are read in this folder, which is empty.
    pub(crate) fn new(target: &Target, folder: &Path) -> Self {
        watch_panics();
        let (said, seen) = (HashSet::new(), HashSet::new());
        Self { target: *target, folder: folder.to_owned(), said, seen, inputs: 0, kept: 0 }
    }

    pub(crate) fn judge(&mut self, input: &[u8]) -> Judged {
        let before = ALLOCATED.current_usage();
        let reading = read(&self.target, &self.folder, input);
        self.inputs += 1;
        if let Some(what) = reading.fault(&self.target, input.len()) {
            return self.fault(what);
        }
        let is_accepted = reading.said == Ok(None);
        let said = reading.said.ok().flatten();
        let kept = ALLOCATED.current_usage() as i64 - before as i64;
        self.kept += kept - said.as_ref().map_or(0, |said| said.capacity() as i64);
        // Caches may keep something, but not something of every input.
        if self.kept > (16 << 20) + 64 * self.inputs as i64 {
            return self.fault("memory is not given back".to_owned());
        }
        let size = reading.peak.checked_ilog2().unwrap_or(0);
        let said = said.unwrap_or_default();
        let is_new = self.seen.insert(format!("{said} {size}"));
        self.said.insert(said);
        Judged { fault: None, is_accepted, is_new }
    }

    fn fault(&mut self, what: String) -> Judged {
        let is_new = self.seen.insert(what.clone());
        Judged { fault: is_new.then_some(what), is_accepted: false, is_new: false }
    }

    /// How many different things the reader has said, that it accepts an input being one.
    pub(crate) fn outcomes(&self) -> usize {
        self.said.len()
    }
}

/// What a target made of an input.
struct Reading {
    /// What the reader said, in general; nothing if it accepted the input. Or how it panicked.
    said: Result<Option<String>, String>,
    /// Whether libtorch was refused memory. What it takes is not counted in `peak`.
    ran_out: bool,
    peak: usize,
    /// Of the processor.
    time: Duration,
}

/// How much processor time this process has had. A machine that is busy with something else is no fault of a reader.
pub(crate) fn processor_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}

fn read(target: &Target, folder: &Path, input: &[u8]) -> Reading {
    let start = processor_time();
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    let read = catch_unwind(AssertUnwindSafe(|| (target.read)(folder, input)));
    let peak = ALLOCATED.peak_usage().saturating_sub(before);
    let ran_out = matches!(&read, Ok(Err(error)) if error.kind() == Kind::OutOfMemory);
    let said = match read {
        Ok(Ok(())) => Ok(None),
        Ok(Err(error)) => Ok(Some(general(&error.to_string()))),
        Err(_) => Err(PANIC.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()),
    };
    Reading { said, ran_out, peak, time: processor_time().saturating_sub(start) }
}

impl Reading {
    fn fault(&self, target: &Target, size: usize) -> Option<String> {
        let allowed = target.allowed(size);
        match &self.said {
            Err(panic) => Some(format!("it panics: {panic}")),
            Ok(_) if self.ran_out => Some("it asks for more memory than there is".to_owned()),
            Ok(_) if self.peak > allowed => Some(format!("it takes more than {} MB", allowed >> 20)),
            Ok(_) if self.time > Duration::from_secs(target.seconds) => {
                Some(format!("it takes more than {} s", target.seconds))
            }
            Ok(_) => None,
        }
    }
}

/// What a message says whatever the names and numbers in it.
fn general(message: &str) -> String {
    let mut general = String::new();
    let mut is_quoted = false;
    for c in message.chars().take(400) {
        match c {
            '`' | '"' => is_quoted = !is_quoted,
            _ if is_quoted || c.is_ascii_digit() => {}
            c => general.push(c),
        }
    }
    general
}

/// Where the last panic was.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Remembers panics rather than printing them, which would be all that is seen.
fn watch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let message = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = message.unwrap_or("a panic without a message");
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{message} at {place}"));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_core::{Error, Result};

    fn target(read: fn(&Path, &[u8]) -> Result<()>) -> Target {
        Target { read, ..crate::TARGETS[0] }
    }

    #[test]
    fn memory_that_is_refused_is_a_find() {
        let ran_out = target(|_, _| Err(Error::new("not enough").of_kind(Kind::OutOfMemory)));
        assert!(Judge::new(&ran_out, Path::new("")).judge(b"").fault.is_some());
        let refuses = target(|_, _| Err(Error::new("not that")));
        assert_eq!(Judge::new(&refuses, Path::new("")).judge(b"").fault, None);
    }

    #[test]
    fn a_reader_that_refuses_everything_says_one_thing() {
        // However much memory that takes.
        let target = target(|_, input| Err(Error::new(format!("refused: `{}`", "x".repeat(1 << input.len())))));
        let mut judge = Judge::new(&target, Path::new(""));
        for length in 0..12 {
            assert!(!judge.judge(&vec![0; length]).is_accepted);
        }
        assert_eq!(judge.outcomes(), 1);
    }
}
