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
