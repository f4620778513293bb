//! Data sets: class names, and the samples of their splits. Nothing here knows of tensors.

mod subset;

pub use subset::ClassSubset;

use std::path::{Path, PathBuf};

/// One image of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sample {
    /// The image file, relative to the data set's folder, with `/` between its parts.
    pub path: PathBuf,
    /// The class, an index into [`Dataset::class_names`].
    pub label: u32,
}

/// The three parts of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// What few-shot samples are drawn from.
    Train,
    /// What the few-shot validation samples are drawn from.
    Val,
    /// What accuracy is measured on, whole.
    Test,
}

/// A source of labelled images: class names, and the samples of train, val and test, in the published order.
pub trait Dataset {
    /// The name in `datasets.yaml`, for instance `eurosat`.
    fn name(&self) -> &str;
    /// The folder that sample paths are relative to.
    fn folder(&self) -> &Path;
    /// Class names by label, spelled as the data set spells them (underscores are kept).
    fn class_names(&self) -> &[String];
    /// The samples of one split, in the order of the split file, which the few-shot sampling depends on.
    fn samples(&self, split: Split) -> &[Sample];
    /// The zero-shot template, with `{}` in place of the class name.
    fn template(&self) -> &str;
}
