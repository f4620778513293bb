//! The short form: a few changed inputs that need no special build.

use crate::Target;
use crate::chance::Chance;
use crate::judge::Judge;
use crate::mutate::{mutate, words_of};
use std::fmt;

/// What came of the inputs.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Inputs that were read.
    pub inputs: u64,
    /// Inputs that were accepted.
    pub accepted: u64,
    /// Those of them that are seeds, which nothing has changed.
    pub accepted_seeds: u64,
    /// Different things that the reader said, that it accepts an input being one.
    pub outcomes: usize,
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

/// Has a target read its seeds, then this many changed ones. What makes the reader say something that it has not said before
/// becomes the beginning of others. The same seed gives the same inputs as long as the target's seeds stay.
///
/// # Panics
///
/// When no temporary folder can be made, or the target has no seeds.
pub fn fuzz(target: &Target, seed: u64, changes: u64) -> Tally {
    let folder = scratch();
    let (mut judge, mut chance, mut tally) = (Judge::new(target, folder.path()), Chance::new(seed), Tally::default());
    let seeds = target.all_seeds();
    let words = words_of(&seeds);
    let mut corpus = seeds.clone();
    let mut one = |changed: Vec<u8>, corpus: &mut Vec<Vec<u8>>, chance: &mut Chance| {
        let input = (target.pack)(changed.clone(), chance);
        let judged = judge.judge(&input);
        tally.inputs += 1;
        tally.accepted += u64::from(judged.is_accepted);
        tally.finds.extend(judged.fault.map(|what| Find { what, input }));
        if judged.is_new {
            corpus.push(changed);
        }
        judged.is_accepted
    };
    let mut accepted_seeds = 0;
    for seed in seeds {
        accepted_seeds += u64::from(one(seed, &mut corpus, &mut chance));
    }
    for _ in 0..changes {
        let mut changed = chance.pick(&corpus).cloned().unwrap_or_default();
        mutate(&mut changed, &words, &corpus, &mut chance);
        one(changed, &mut corpus, &mut chance);
    }
    tally.accepted_seeds = accepted_seeds;
    tally.outcomes = judge.outcomes();
    tally
}

/// Reads an input that was found earlier; says what is wrong, if anything still is.
///
/// # Panics
///
/// When no temporary folder can be made.
pub fn replay(target: &Target, input: &[u8]) -> Option<String> {
    let folder = scratch();
    Judge::new(target, folder.path()).judge(input).fault
}

/// A folder that does not reach a disk, if possible: inputs are unpacked again and again.
fn scratch() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    folder.expect("a temporary folder can be made")
}
