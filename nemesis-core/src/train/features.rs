//! Image features, encoded once and kept for all cells that share them.

use crate::Result;
use crate::backbone::{Backbone, BackboneSpec};
use crate::dataset::Sample;
use crate::image::{DecodedCache, Preprocess, Rgb8, load_batch, prefetch};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tch::{Tensor, no_grad};

/// Images that are encoded at a time.
const BATCH: usize = 64;

/// How many bytes of decoded few-shot images are kept, which are cropped anew in every epoch.
const DECODED: usize = 1 << 29;

/// The features of one data set that an engine holds.
#[derive(Debug)]
pub struct Features {
    preprocess: Preprocess,
    test: HashMap<Vec<Sample>, Tensor>,
    /// By few-shot sample and seed: the views encoded so far.
    training: HashMap<(Vec<Sample>, u64), HashMap<u64, Tensor>>,
    decoded: DecodedCache,
}

impl Features {
    /// No features yet.
    pub fn new(spec: &BackboneSpec) -> Self {
        Self {
            preprocess: Preprocess::clip(spec.image_size as usize),
            test: HashMap::new(),
            training: HashMap::new(),
            decoded: DecodedCache::new(DECODED),
        }
    }

    /// Forgets everything, when another data set's turn comes.
    pub fn forget(&mut self) {
        self.test.clear();
        self.training.clear();
        self.decoded = DecodedCache::new(DECODED);
    }

    /// Features `[images, embed_dim]` of test images.
    ///
    /// # Errors
    ///
    /// When an image cannot be read; the message names it.
    pub fn test(&mut self, backbone: &dyn Backbone, folder: &Path, samples: &[Sample]) -> Result<Tensor> {
        if let Some(features) = self.test.get(samples) {
            return Ok(features.shallow_clone());
        }
        let paths = paths(folder, samples);
        let features = encode(backbone, &self.preprocess, &paths, &DecodedCache::new(0), |_, picture| {
            self.preprocess.eval(picture)
        })?;
        self.test.insert(samples.to_vec(), features.shallow_clone());
        Ok(features)
    }

    /// Features `[images, embed_dim]` of one augmented view of a few-shot sample.
    ///
    /// # Errors
    ///
    /// When an image cannot be read; the message names it.
    pub fn training(
        &mut self,
        backbone: &dyn Backbone,
        folder: &Path,
        samples: &[Sample],
        seed: u64,
        view: u64,
    ) -> Result<Tensor> {
        let key = (samples.to_vec(), seed);
        if !self.training.contains_key(&key) {
            // One sample at a time: the cells that share one follow each other.
            self.training.clear();
            self.decoded = DecodedCache::new(DECODED);
        }
        let views = self.training.entry(key).or_default();
        if let Some(features) = views.get(&view) {
            return Ok(features.shallow_clone());
        }
        let paths = paths(folder, samples);
        let features = encode(backbone, &self.preprocess, &paths, &self.decoded, |place, picture| {
            self.preprocess.train(picture, seed, view as u32, item(&samples[place]))
        })?;
        views.insert(view, features.shallow_clone());
        Ok(features)
    }
}

/// The number that an image's crops are drawn by: the same in every sample that holds the image, whatever its place.
fn item(sample: &Sample) -> u32 {
    let hash = blake3::hash(sample.path.to_string_lossy().as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn paths(folder: &Path, samples: &[Sample]) -> Vec<PathBuf> {
    samples.iter().map(|sample| folder.join(&sample.path)).collect()
}

/// Features `[images, embed_dim]` of image files by the test preprocessing.
///
/// # Errors
///
/// When an image cannot be read; the message names it.
pub fn encode_images(backbone: &dyn Backbone, paths: &[PathBuf]) -> Result<Tensor> {
    let preprocess = Preprocess::clip(backbone.spec().image_size as usize);
    encode(backbone, &preprocess, paths, &DecodedCache::new(0), |_, picture| preprocess.eval(picture))
}

/// Decodes, transforms and encodes images, a batch at a time, of which the next is decoded meanwhile. `transform` is
/// told an image's place in `paths`.
fn encode(
    backbone: &dyn Backbone,
    preprocess: &Preprocess,
    paths: &[PathBuf],
    decoded: &DecodedCache,
    transform: impl Fn(usize, &Rgb8) -> Rgb8 + Sync,
) -> Result<Tensor> {
    let spec = backbone.spec();
    let batches: Vec<_> = paths.chunks(BATCH).collect();
    let load = |number: usize| {
        let transform = |place, picture: &Rgb8| transform(number * BATCH + place, picture);
        preprocess.tensor(&load_batch(batches[number], decoded, transform)?, spec.kind)
    };
    let mut parts = Vec::with_capacity(batches.len());
    prefetch(batches.len(), load, |_, pixels| {
        parts.push(no_grad(|| backbone.encode_images(&pixels.to_device(spec.device)))?);
        Ok(())
    })?;
    if parts.is_empty() {
        return Ok(Tensor::zeros([0, spec.embed_dim], (spec.kind, spec.device)));
    }
    Ok(Tensor::f_cat(&parts, 0)?)
}
