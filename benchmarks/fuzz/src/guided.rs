//! The long form, in which libFuzzer changes the inputs and sees which code they reach. `cargo xtask fuzz` starts this program
//! once for each target and says in the environment what to do:
//!
//! | `NEMESIS_FUZZ` | |
//! |---|---|
//! | `list` | prints the targets |
//! | `run` | fuzzes `NEMESIS_FUZZ_TARGET`, with files of readers in `NEMESIS_FUZZ_SCRATCH`; first writes the target's seeds to `corpus` and their words to `words` in `NEMESIS_FUZZ_FOLDER` |
//! | `packed` | the same, and every input is a find: to pack one that has ended the process |
//! | `keep` | keeps what is in `small` in that folder as the target's corpus in the repository |

use crate::chance::Chance;
use crate::judge::{Judge, processor_time};
use crate::mutate::words_of;
use crate::{TARGETS, Target};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::time::Duration;

/// The memory of a process, above what any input may take. libtorch's tensors count here as well.
const MEMORY: u64 = 4 << 30;

/// How often `cargo xtask fuzz` hears how much processor time was spent, in seconds of it.
const TOLD_EVERY: u64 = 5;

/// Reads what libFuzzer makes.
#[derive(Debug)]
pub struct Guided {
    target: Target,
    judge: Judge,
    finds: PathBuf,
    is_every_input_kept: bool,
    /// The processor time that was told.
    told: Duration,
}

impl Guided {
    /// Does what the environment says. Ends the process with exit code 0 if that is all, and with 2 if it cannot be done.
    pub fn start() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let doing = variable("NEMESIS_FUZZ");
        if doing == "list" {
            for target in &TARGETS {
                println!("{:<12} {}", target.name, target.about);
            }
            exit(0);
        }
        let name = variable("NEMESIS_FUZZ_TARGET");
        let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
            eprintln!("error: there is no target `{name}`: start this program with `cargo xtask fuzz`");
            exit(2);
        };
        let folder = PathBuf::from(variable("NEMESIS_FUZZ_FOLDER"));
        let done = match doing.as_str() {
            "keep" => target.keep(&folder.join("small")).map(|kept| println!("{name}: {kept} inputs kept")),
            _ => prepare(target, &folder),
        };
        if let Err(error) = done {
            eprintln!("error: cannot prepare {} for fuzzing {name}: {error}", folder.display());
            exit(2);
        }
        if doing == "keep" {
            exit(0);
        }
        Self {
            target: *target,
            judge: Judge::new(target, Path::new(&variable("NEMESIS_FUZZ_SCRATCH"))),
            finds: folder.join("finds"),
            is_every_input_kept: doing == "packed",
            told: Duration::ZERO,
        }
    }

    /// Packs an input, reads it, and keeps it if something is wrong.
    pub fn one(&mut self, changed: &[u8]) {
        // The same input is always packed in the same way.
        let seed = blake3::hash(changed).as_bytes().iter().fold(0, |seed: u64, byte| seed << 8 ^ u64::from(*byte));
        let input = (self.target.pack)(changed.to_vec(), &mut Chance::new(seed));
        if self.is_every_input_kept {
            self.find("the process ends", &input);
        }
        if let Some(what) = self.judge.judge(&input).fault {
            self.find(&what, &input);
        }
        self.tell_time();
    }

    /// Says how much processor time has gone since this was said last, in the form of libFuzzer's own figures.
    fn tell_time(&mut self) {
        let used = processor_time().saturating_sub(self.told);
        if used >= Duration::from_secs(TOLD_EVERY) {
            eprintln!("stat::processor_time_ms: {}", used.as_millis());
            self.told += used;
        }
    }

    fn find(&self, what: &str, input: &[u8]) {
        let file = self.finds.join(&blake3::hash(input).to_hex()[..12]);
        let kept = fs::create_dir_all(&self.finds).and_then(|()| fs::write(&file, input));
        let kept = kept.map_or_else(|error| format!("not kept, {error}"), |()| file.display().to_string());
        eprintln!("find: {what} ({} bytes): {kept}", input.len());
    }
}

/// Writes what libFuzzer begins with, and bounds this process.
fn prepare(target: &Target, folder: &Path) -> io::Result<()> {
    let (corpus, seeds) = (folder.join("corpus"), target.all_seeds());
    fs::create_dir_all(&corpus)?;
    for seed in &seeds {
        fs::write(corpus.join(&blake3::hash(seed).to_hex()[..16]), seed)?;
    }
    fs::write(folder.join("words"), dictionary(&words_of(&seeds)))?;
    let limit = Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    setrlimit(Resource::Data, limit).map_err(io::Error::from)
}

/// Words as libFuzzer reads them.
fn dictionary(words: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for word in words {
        let word = word.iter().fold(String::new(), |mut word, byte| {
            let _ = write!(word, "\\x{byte:02X}");
            word
        });
        let _ = writeln!(text, "\"{word}\"");
    }
    text
}
