//! A data set's identity, and which of its images lie on the disk.

use super::{Dataset, Sample, Split};
use rayon::prelude::*;
use std::path::Path;

/// blake3, in hexadecimal, of all that a result depends on in a data set but its images: name, class names, template,
/// and path and label of every sample of every split.
pub fn manifest_hash(dataset: &dyn Dataset) -> String {
    let mut hasher = blake3::Hasher::new();
    // Every text goes in behind its length, and every list behind its count, so that no two manifests run together.
    let text = |hasher: &mut blake3::Hasher, text: &[u8]| {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text);
    };
    text(&mut hasher, dataset.name().as_bytes());
    text(&mut hasher, dataset.template().as_bytes());
    hasher.update(&(dataset.class_names().len() as u64).to_le_bytes());
    for name in dataset.class_names() {
        text(&mut hasher, name.as_bytes());
    }
    hasher.update(&[u8::from(dataset.val_is_test())]);
    for split in Split::ALL {
        let samples = dataset.samples(split);
        hasher.update(&(samples.len() as u64).to_le_bytes());
        for sample in samples {
            text(&mut hasher, sample.path.as_os_str().as_encoded_bytes());
            hasher.update(&sample.label.to_le_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// Those of `samples` whose image file is not in `folder`, in their order.
pub fn missing_images<'a>(folder: &Path, samples: &'a [Sample]) -> Vec<&'a Sample> {
    samples.par_iter().filter(|sample| !folder.join(&sample.path).is_file()).collect()
}
