//! The positions that the reference corrupts in each step, drawn again, and a seed by which our method draws them too.

use crate::Inputs;
use nemesis_core::dataset::python_random::PythonRandom;
use nemesis_core::method::random::{draws, sample_without_replacement};
use nemesis_core::{Error, Result};
use std::collections::BTreeMap;

/// How many words the reference makes class names of.
const WORDS: usize = 21;
/// How many words a class name has, each number as likely.
const LENGTHS: [usize; 4] = [1, 2, 2, 3];
/// How many seeds are tried. Of so many, one fits in about four steps where one of 16 positions is drawn in a step.
const TRIES: u64 = 1 << 17;

/// A seed by which our method draws the positions of the reference in as many first steps as can be, and how many those
/// are. From then on the two sides do the same amount of work, with other numbers.
///
/// # Errors
///
/// When the reference draws in another way than is known here.
pub(super) fn seed(inputs: &Inputs) -> Result<(u64, usize)> {
    let wanted = positions(inputs)?;
    let agreeing = |seed: u64| {
        let steps = wanted.iter().enumerate().take_while(|(step, wanted)| {
            let mut drawn = sample_without_replacement(inputs.n_ctx, inputs.positions, |bits| {
                draws(seed, "positions", *step as u64, bits)
            });
            drawn.sort_unstable();
            drawn == **wanted
        });
        steps.count()
    };
    let mut best = (0, 0);
    for seed in 0..TRIES {
        let steps = agreeing(seed);
        if steps > best.1 {
            best = (seed, steps);
        }
        if steps == wanted.len() {
            break;
        }
    }
    Ok(best)
}

/// The positions by step, sorted. The reference draws them with Python's `random`, after its class names.
fn positions(inputs: &Inputs) -> Result<Vec<Vec<usize>>> {
    let mut random = PythonRandom::new(inputs.seed);
    let words: Vec<usize> = (0..WORDS).collect();
    let mut meant = BTreeMap::new();
    for name in &inputs.class_names {
        // `random.choice` is a sample of one.
        let length = random.sample(&LENGTHS, 1)[0];
        let drawn = random.sample(&words, length);
        let spelt: Vec<&str> = name.split(' ').collect();
        let same = spelt.len() == drawn.len()
            && drawn.iter().zip(spelt).all(|(word, spelt)| *meant.entry(*word).or_insert(spelt) == spelt);
        if !same {
            return Err(Error::new(format!("the reference drew the class name `{name}` in another way than is known")));
        }
    }
    let all: Vec<usize> = (0..inputs.n_ctx).collect();
    let step = |_| {
        let mut chosen = random.sample(&all, inputs.positions);
        chosen.sort_unstable();
        chosen
    };
    Ok((0..inputs.steps).map(step).collect())
}
