//! What data sets list and features are computed of.

use std::path::PathBuf;

/// One image of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sample {
    /// The image file, relative to the data set's folder, with `/` between its parts.
    pub path: PathBuf,
    /// The class, an index into [`Dataset::class_names`](crate::dataset::Dataset::class_names).
    pub label: u32,
}
