//! People's own pictures, made into a data set: a split file, class names, and an entry in the data root's registry.

mod division;
mod entry;
mod folders;
mod names;
mod write;

pub use write::{Added, Request, add, check_name};

use super::Split;
use crate::Error;

/// A picture as its folder or list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The file, relative to the folder of pictures, with `/` between its parts.
    pub path: String,
    /// What the folder or the list calls its class.
    pub class: String,
    /// The split, where there is one.
    pub split: Option<Split>,
}

/// Pictures with classes, and what lies beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pictures {
    /// Every picture, in any order.
    pub all: Vec<Picture>,
    /// What was left out.
    pub remarks: Vec<Error>,
}

/// What people call the splits.
pub const SPLIT_NAMES: &str = "train (or training), val (valid, validation, dev), test (testing)";

/// The split that a folder's or a row's `name` means.
pub fn split_named(name: &str) -> Option<Split> {
    match name.to_ascii_lowercase().as_str() {
        "train" | "training" => Some(Split::Train),
        "val" | "valid" | "validation" | "dev" => Some(Split::Val),
        "test" | "testing" => Some(Split::Test),
        _ => None,
    }
}

/// Words by which people say splits, besides those of [`split_named`].
const SPLIT_WORDS: [&str; 16] = [
    "trainval",
    "trainset",
    "tr",
    "fit",
    "valset",
    "va",
    "testset",
    "te",
    "eval",
    "evaluation",
    "holdout",
    "query",
    "gallery",
    "probe",
    "heldout",
    "unlabeled",
];

/// Whether a short name seems to say a split, by one of its words: `train2017`, `PrivateTest`, `is_training_image`.
pub fn seems_split(name: &str) -> bool {
    let words = words_of(name);
    words.len() <= 4 && words.iter().any(|word| split_named(word).is_some() || SPLIT_WORDS.contains(&word.as_str()))
}

/// The words of a name in small letters. They end at marks, at digits, and before the capitals of `isTrain`.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphabetic() || !before.is_alphabetic() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphabetic()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_seem_to_say_a_split() {
        for name in
            ["train2017", "PrivateTest", "is_training_image", "isTrain", "IsTest", "train_or_test", "TRAIN", "te"]
        {
            assert!(seems_split(name), "{name}");
        }
        for name in ["", "contest", "latest", "trainer", "value", "a photo of a train on a bridge", "bus"] {
            assert!(!seems_split(name), "{name}");
        }
    }
}
