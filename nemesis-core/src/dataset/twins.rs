//! Files of a data set that hold the same bytes: a test image that was trained on measures memory, and one picture cannot be
//! of two classes.

use super::check::Read;
use super::{Dataset, Sample, Split};
use crate::Error;
use crate::error::abridged;
use blake3::Hash;
use std::collections::HashMap;

/// How many pairs a message names.
const MOST_NAMED: usize = 3;

/// Says of which images there are others with the same bytes, where that matters.
pub(super) fn remarks(dataset: &dyn Dataset, read: &[Read<'_>]) -> Vec<Error> {
    let mut first_trained: HashMap<Hash, &Sample> = HashMap::new();
    let mut first: HashMap<Hash, &Sample> = HashMap::new();
    let (mut leaked, mut torn) = (Vec::new(), Vec::new());
    // Test images come last.
    for &Read { split, sample, hash } in read {
        match first_trained.get(&hash) {
            Some(trained) if split == Split::Test => leaked.push((*trained, sample)),
            _ if split != Split::Test => _ = first_trained.entry(hash).or_insert(sample),
            _ => {}
        }
        let other = *first.entry(hash).or_insert(sample);
        if other.label != sample.label {
            torn.push((other, sample));
        }
    }
    let class = |sample: &Sample| &dataset.class_names()[sample.label as usize];
    let leaks = told(
        &leaked,
        ["test image is a training or validation image", "test images are training or validation images"],
        |(trained, tested)| format!("{} and {}", trained.path.display(), tested.path.display()),
    );
    let tears = told(&torn, ["image is one of another class", "images are ones of other classes"], |(one, other)| {
        format!("{} ({}) and {} ({})", one.path.display(), class(one), other.path.display(), class(other))
    });
    leaks.into_iter().chain(tears).map(|remark| remark.at(dataset.folder())).collect()
}

/// A remark on the pairs, if there are any; `what` is one and several of them.
fn told(pairs: &[Pair<'_>], what: [&str; 2], name: impl Fn(&Pair<'_>) -> String) -> Option<Error> {
    let named = abridged(pairs.iter().map(name), MOST_NAMED);
    let [one, several] = what;
    match pairs.len() {
        0 => None,
        1 => Some(Error::new(format!("1 {one} as well, byte for byte: {named}"))),
        count => Some(Error::new(format!("{count} {several} as well, byte for byte: {named}"))),
    }
}

type Pair<'a> = (&'a Sample, &'a Sample);
