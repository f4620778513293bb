//! Changes inputs, has them read, and looks at what that took.

use crate::chance::Chance;
use crate::mutate::{mutate, words_of};
use crate::{ALLOCATED, Target};
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When a fuzzer stops.
#[derive(Clone, Copy, Debug)]
pub enum Limits {
    /// After this time.
    Time(Duration),
    /// After so many inputs.
    Inputs(u64),
}

/// What a fuzzer has done.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Inputs that were read.
    pub inputs: u64,
    /// Inputs that were accepted.
    pub accepted: u64,
    /// Different things that the reader said.
    pub outcomes: usize,
    /// The most that an input took, in bytes.
    pub peak: usize,
    /// The longest that an input took.
    pub slowest: Duration,
    /// What went wrong.
    pub finds: Vec<Find>,
}

/// An input that should not do what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Find {
    /// What happens.
    pub what: String,
    /// The input.
    pub input: Vec<u8>,
}

impl fmt::Display for Find {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.what, self.input.len())
    }
}

/// Fuzzes one target.
#[derive(Debug)]
pub struct Fuzzer {
    target: Target,
    folder: tempfile::TempDir,
    chance: Chance,
    corpus: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    seen: HashSet<String>,
    tally: Tally,
    /// What stays allocated after inputs were read, summed up.
    kept: i64,
    watch: Arc<Watch>,
}

/// Ends the process if an input takes far too long. Its file is left for whoever started the process.
#[derive(Debug)]
struct Watch {
    began: Instant,
    /// When the current input is late, in milliseconds since the beginning; 0 between inputs.
    late: AtomicU64,
}

/// The exit code of a process that an input has hung.
const HUNG: i32 = 86;

/// The most inputs that others begin with.
const CORPUS: usize = 4096;

impl Fuzzer {
    /// A fuzzer of this target. The same seed gives the same inputs as long as the seeds in the repository stay.
    ///
    /// # Panics
    ///
    /// When no temporary folder can be made, or the target has no seeds.
    pub fn new(target: &Target, seed: u64) -> Self {
        let corpus = (target.seeds)();
        assert!(corpus.iter().any(|seed| !seed.is_empty()), "the seeds of {} are missing", target.name);
        // What is unpacked again and again should not reach a disk.
        let memory = Path::new("/dev/shm");
        let folder = tempfile::Builder::new().prefix("nemesis-fuzz-").tempdir_in(memory);
        let folder = folder.or_else(|_| tempfile::tempdir()).expect("a temporary folder can be made");
        let watch = Arc::new(Watch { began: Instant::now(), late: AtomicU64::new(0) });
        watch_over(&watch);
        Self {
            target: *target,
            folder,
            chance: Chance::new(seed),
            words: words_of(&corpus),
            corpus,
            seen: HashSet::new(),
            tally: Tally::default(),
            kept: 0,
            watch,
        }
    }

    /// Reads the seeds, then changed ones. Before each input is read, it is written to `current`.
    pub fn run(mut self, limits: Limits, current: Option<&Path>) -> Tally {
        let _silence = Silence::new();
        for seed in self.corpus.clone() {
            let input = (self.target.pack)(seed.clone(), &mut self.chance);
            self.one(seed, input, current);
        }
        let start = Instant::now();
        let goes_on = |tally: &Tally| match limits {
            Limits::Time(time) => start.elapsed() < time,
            Limits::Inputs(inputs) => tally.inputs < inputs,
        };
        while goes_on(&self.tally) && self.tally.finds.len() < 20 {
            let mut changed = self.chance.pick(&self.corpus).cloned().unwrap_or_default();
            mutate(&mut changed, &self.words, &self.corpus, &mut self.chance);
            let input = (self.target.pack)(changed.clone(), &mut self.chance);
            self.one(changed, input, current);
        }
        // Caches may keep something, but not something of every input.
        if self.kept > (16 << 20) + 64 * self.tally.inputs as i64 {
            let what = format!("{} kB stay allocated after {} inputs", self.kept >> 10, self.tally.inputs);
            self.tally.finds.push(Find { what, input: Vec::new() });
        }
        self.tally.outcomes = self.seen.len();
        self.tally
    }

    fn one(&mut self, changed: Vec<u8>, input: Vec<u8>, current: Option<&Path>) {
        if let Some(file) = current {
            fs::write(file, &input).expect("the input can be written");
        }
        let before = ALLOCATED.current_usage();
        let limit = Duration::from_secs(self.target.seconds);
        self.watch.late.store((self.watch.began.elapsed() + 3 * limit).as_millis() as u64, Ordering::SeqCst);
        let outcome = read(&self.target, self.folder.path(), &input);
        self.watch.late.store(0, Ordering::SeqCst);
        self.tally.inputs += 1;
        self.tally.accepted += u64::from(outcome.said == Ok(None));
        self.tally.peak = self.tally.peak.max(outcome.peak);
        self.tally.slowest = self.tally.slowest.max(outcome.time);
        if let Some(what) = outcome.fault(&self.target, input.len()) {
            // One find of a kind is enough.
            if self.seen.insert(what.clone()) {
                self.tally.finds.push(Find { what, input });
            }
            return;
        }
        let said = outcome.said.ok().flatten();
        self.kept +=
            ALLOCATED.current_usage() as i64 - before as i64 - said.as_ref().map_or(0, |said| said.capacity() as i64);
        let size = outcome.peak.checked_ilog2().unwrap_or(0);
        if self.seen.insert(format!("{} {size}", said.as_deref().unwrap_or_default())) && self.corpus.len() < CORPUS {
            self.corpus.push(changed);
        }
    }
}

/// Reads an input that was found earlier; says what is wrong, if anything still is.
///
/// # Panics
///
/// When no temporary folder can be made.
pub fn replay(target: &Target, input: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let _silence = Silence::new();
    read(target, folder.path(), input).fault(target, input.len())
}

/// What came of an input.
struct Outcome {
    /// What the reader said, in general; nothing if it accepted the input. Or how it panicked.
    said: Result<Option<String>, String>,
    peak: usize,
    time: Duration,
}

fn read(target: &Target, folder: &Path, input: &[u8]) -> Outcome {
    let start = Instant::now();
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    let read = catch_unwind(AssertUnwindSafe(|| (target.read)(folder, input)));
    let peak = ALLOCATED.peak_usage().saturating_sub(before);
    let said = match read {
        Ok(Ok(())) => Ok(None),
        Ok(Err(error)) => Ok(Some(general(&error.to_string()))),
        Err(_) => Err(PANIC.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()),
    };
    Outcome { said, peak, time: start.elapsed() }
}

impl Outcome {
    fn fault(&self, target: &Target, size: usize) -> Option<String> {
        let allowed = target.allowed(size);
        match &self.said {
            Err(panic) => Some(format!("it panics: {panic}")),
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

/// Keeps panics from being printed, which would be all that is seen. Tests run on several threads, so it is never undone.
struct Silence;

impl Silence {
    fn new() -> Self {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let payload = panic.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let message = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let message = message.unwrap_or("a panic without a message");
            *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{message} at {place}"));
        }));
        Self
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = std::panic::take_hook();
    }
}

fn watch_over(watch: &Arc<Watch>) {
    let weak = Arc::downgrade(watch);
    std::thread::spawn(move || {
        while let Some(watch) = weak.upgrade() {
            let late = watch.late.load(Ordering::SeqCst);
            if late != 0 && watch.began.elapsed().as_millis() as u64 > late {
                std::process::exit(HUNG);
            }
            drop(watch);
            std::thread::sleep(Duration::from_millis(200));
        }
    });
}

/// The folder of inputs that were found and mended, by the name of their target.
pub(crate) fn finds_of(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("finds").join(target.name)
}

impl Target {
    /// The inputs that were found earlier, with their file names.
    pub fn finds(&self) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(finds_of(self)).into_iter().flatten().flatten();
        let finds = entries
            .filter_map(|entry| Some((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).ok()?)));
        let mut finds: Vec<_> = finds.collect();
        finds.sort();
        finds
    }
}
