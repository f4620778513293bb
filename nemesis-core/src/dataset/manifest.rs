//! A data set's identity, and which of its images lie on the disk.

use super::{Dataset, Sample, Split};
use crate::{Result, threads};
use rayon::prelude::*;
use std::path::Path;

/// blake3, in hexadecimal, of all that a result depends on in a data set but its images: name, class names, template,
/// and path and label of every sample of every split.
pub fn manifest_hash(dataset: &dyn Dataset) -> String {
    let mut hasher = Manifest::default();
    hasher.text(dataset.name().as_bytes());
    hasher.text(dataset.template().as_bytes());
    hasher.contents(dataset);
    hasher.finish()
}

/// blake3, in hexadecimal, of class names, and path and label of every sample of every split: the same for everyone
/// who has the same split of a data set, however its file is formatted.
pub fn split_fingerprint(dataset: &dyn Dataset) -> String {
    let mut hasher = Manifest::default();
    hasher.contents(dataset);
    hasher.finish()
}

/// A hasher in which every text goes in behind its length, and every list behind its count, so that no two manifests
/// run together.
#[derive(Default)]
struct Manifest(blake3::Hasher);

impl Manifest {
    fn text(&mut self, text: &[u8]) {
        self.count(text.len());
        self.0.update(text);
    }

    fn count(&mut self, count: usize) {
        self.0.update(&(count as u64).to_le_bytes());
    }

    fn contents(&mut self, dataset: &dyn Dataset) {
        self.count(dataset.class_names().len());
        for name in dataset.class_names() {
            self.text(name.as_bytes());
        }
        self.0.update(&[u8::from(dataset.val_is_test())]);
        for split in Split::ALL {
            let samples = dataset.samples(split);
            self.count(samples.len());
            for sample in samples {
                self.text(sample.path.as_os_str().as_encoded_bytes());
                self.0.update(&sample.label.to_le_bytes());
            }
        }
    }

    fn finish(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

/// Those of `samples` whose image file is not in `folder`, in their order.
///
/// # Errors
///
/// When no threads can be started.
pub fn missing_images<'a>(folder: &Path, samples: &'a [Sample]) -> Result<Vec<&'a Sample>> {
    threads::ready()?;
    Ok(samples.par_iter().filter(|sample| !folder.join(&sample.path).is_file()).collect())
}
