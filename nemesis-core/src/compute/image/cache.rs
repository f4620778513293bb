//! Decoded images kept in memory: a few-shot image is cropped up to 200 times but decoded once.

use super::{Rgb8, decode};
use crate::Result;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Decoded images by path, up to a number of bytes.
///
/// The images decoded first stay. Every epoch asks for all images in turn, so evicting the least recently used one
/// would evict each image shortly before it is needed again. Changes to files are not noticed, so a cache should not
/// outlive a training.
#[derive(Debug)]
pub struct DecodedCache {
    budget: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    images: HashMap<PathBuf, Arc<Rgb8>>,
    bytes: usize,
}

impl DecodedCache {
    /// An empty cache for up to `budget` bytes of pixels; with zero, every image is decoded each time.
    pub fn new(budget: usize) -> Self {
        Self { budget, kept: Mutex::default() }
    }

    /// The image at `path`, decoded if it is not cached. Several threads may call this at once.
    ///
    /// # Errors
    ///
    /// When the image cannot be read; the message names the file.
    pub fn read(&self, path: &Path) -> Result<Arc<Rgb8>> {
        if let Some(image) = self.lock().images.get(path) {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(decode::read(path)?);
        let mut kept = self.lock();
        let bytes = kept.bytes + image.data().len();
        if bytes <= self.budget && !kept.images.contains_key(path) {
            kept.bytes = bytes;
            kept.images.insert(path.to_owned(), Arc::clone(&image));
        }
        Ok(image)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Nothing panics between two changes that belong together, so a poisoned lock is harmless.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
