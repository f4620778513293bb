//! What a trained context is tested on.

use super::seen::Seen;
use nemesis_core::Result;
use nemesis_core::dataset::{ClassSubset, Dataset, limited_test, manifest_hash};
use std::sync::Arc;

/// Test images with the classes that are told apart on them.
pub(super) struct TestSet<'a> {
    pub(super) dataset: &'a dyn Dataset,
    pub(super) manifest: String,
    pub(super) classes: ClassSubset,
    /// What the test images hold.
    pub(super) images: Arc<str>,
    /// The number of test images.
    pub(super) count: u64,
}

impl<'a> TestSet<'a> {
    pub(super) fn new(
        dataset: &'a dyn Dataset,
        classes: ClassSubset,
        limit: Option<u32>,
        seen: &mut Seen<'_>,
    ) -> Result<Self> {
        let test = classes.samples(&limited_test(dataset, limit), dataset.class_names().len());
        let (images, count) = (seen.images(dataset, &test.iter().collect::<Vec<_>>())?, test.len() as u64);
        Ok(Self { dataset, manifest: manifest_hash(dataset), classes, images, count })
    }
}
