//! Data sets: class names, and the samples of their splits. Nothing here knows of tensors.

mod check;
mod classes;
pub mod division;
pub mod few_shot;
mod labels;
mod layouts;
mod listed;
mod listing;
mod manifest;
mod matlab;
mod near;
mod pictures;
mod prepare;
pub mod python_random;
mod raw;
mod registry;
mod sources;
mod subset;
mod twins;
mod written;

pub use crate::sample::Sample;
pub use check::{Report, SplitOrigin, check};
pub use classes::{class_title, prompt_tokens};
pub use few_shot::{FewShot, few_shot};
pub use layouts::{Layout, RelativePath};
pub use listed::{Contents, Listed};
pub use manifest::{manifest_hash, missing_images, split_fingerprint};
pub use near::near_match;
pub use pictures::{Added, Picture, Pictures, Request, SPLIT_NAMES, add, check_name, seems_split, split_named};
pub use prepare::{Prepared, prepare};
pub use raw::Raw;
pub use registry::{AVERAGE, Entry, Registry, SplitSizes, Template};
pub use sources::{Hex, Part, Source, Url};
pub use subset::ClassSubset;

use crate::Error;
use std::collections::BTreeMap;
use std::path::Path;

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

impl Split {
    /// The three, in the order in which CoOp reads and draws from them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// Its name in split files: `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

/// A source of labelled images: class names, and the samples of train, val and test, in the published order.
pub trait Dataset: Send + Sync {
    /// The name in `datasets.yaml`, for instance `eurosat`.
    fn name(&self) -> &str;
    /// The folder that sample paths are relative to.
    fn folder(&self) -> &Path;
    /// Class names by label, spelled as the data set spells them (underscores are kept). Two may be equal: ImageNet
    /// has two kinds of `missile`.
    fn class_names(&self) -> &[String];
    /// The samples of one split, in the order of the split file, which the few-shot sampling depends on.
    fn samples(&self, split: Split) -> &[Sample];
    /// The zero-shot template, with `{}` in place of the class name.
    fn template(&self) -> &str;
    /// The templates that were published for it, if it is known to have more than one or another one: OpenAI's, for
    /// instance.
    fn own_templates(&self) -> &[String] {
        &[]
    }
    /// Whether the validation samples are the test samples, as in ImageNet; none are drawn then.
    fn val_is_test(&self) -> bool {
        false
    }
    /// What is odd about it and does not keep it from being used: classes that CLIP cannot tell apart, or that lack
    /// images, and files that were left out.
    fn remarks(&self) -> &[Error] {
        &[]
    }
}

/// The test samples that are evaluated: all, or the first `limit` of each class in the order of the split.
pub fn limited_test(dataset: &dyn Dataset, limit: Option<u32>) -> Vec<Sample> {
    let samples = dataset.samples(Split::Test);
    let Some(limit) = limit else { return samples.to_vec() };
    let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
    let mut within = |label: u32| {
        let count = seen.entry(label).or_default();
        *count += 1;
        *count <= limit
    };
    samples.iter().filter(|sample| within(sample.label)).cloned().collect()
}
