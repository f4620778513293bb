//! Files of a data set that hold the same bytes: a test image that was trained on measures memory, and one picture cannot be
//! of two classes.

use super::{Dataset, Sample, Split};
use crate::error::abridged;
use crate::{Error, files};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::Path;

/// How many pairs a message names.
const MOST_NAMED: usize = 3;

/// Says of which images there are others with the same bytes, where that matters. Every file is read; those that cannot be are
/// passed over.
pub(super) fn remarks(dataset: &dyn Dataset) -> Vec<Error> {
    let splits = Split::ALL.into_iter().filter(|split| *split != Split::Val || !dataset.val_is_test());
    let listed: Vec<(Split, &Sample)> =
        splits.flat_map(|split| dataset.samples(split).iter().map(move |sample| (split, sample))).collect();
    let hashes: Vec<Option<blake3::Hash>> =
        listed.par_iter().map(|(_, sample)| hash(&dataset.folder().join(&sample.path))).collect();
    let mut first_trained: HashMap<blake3::Hash, &Sample> = HashMap::new();
    let mut first: HashMap<blake3::Hash, &Sample> = HashMap::new();
    let (mut leaked, mut torn) = (Vec::new(), Vec::new());
    // Test images come last.
    for ((split, sample), hash) in listed.iter().zip(hashes) {
        let Some(hash) = hash else { continue };
        match first_trained.get(&hash) {
            Some(trained) if *split == Split::Test => leaked.push((*trained, *sample)),
            _ if *split != Split::Test => _ = first_trained.entry(hash).or_insert(sample),
            _ => {}
        }
        let other = *first.entry(hash).or_insert(sample);
        if other.label != sample.label {
            torn.push((other, *sample));
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

fn hash(file: &Path) -> Option<blake3::Hash> {
    Some(blake3::hash(&files::read(file).ok()?))
}
