//! Image features, encoded once and kept for all cells that share them.

use super::pictures::{Augmentation, Pictures};
use crate::backbone::{Backbone, BackboneSpec};
use crate::contents::{Contents, digest};
use crate::image::{DecodedCache, Preprocess, Rgb8, load_batch, prefetch};
use crate::pool::{PartKey, Pool, View};
use crate::sample::Sample;
use crate::{Error, Result};
use blake3::Hash;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Tensor, no_grad};

/// Images encoded at once.
///
/// Measured on two cores by the benchmark `image tower` (ViT-B/32 and RN50, images a second): 18.1 and 16.7 with 8 at a
/// time, 20.1 and 15.1 with 16, 20.4 and 13.9 with 32, 18.5 and 13.1 with 64, because activations of few images stay in
/// the caches. It is the same on every machine, because the last digits of features depend on it.
const BATCH: usize = 16;

/// The same on a GPU, which works best with many at once. Not measured.
const BATCH_ON_GPU: usize = 64;

/// How many images to encode at once.
fn batch(spec: &BackboneSpec) -> usize {
    if spec.device.is_cuda() { BATCH_ON_GPU } else { BATCH }
}

/// The features of one data set that an engine holds, and the pool they are read from and written to.
#[derive(Debug)]
pub struct Features {
    preprocess: Preprocess,
    pool: Option<Pool>,
    contents: Contents,
    /// The images' hashes, kept while their features may be held here, so that features and ids refer to the same
    /// images.
    hashes: HashMap<PathBuf, Hash>,
    /// How many bytes of decoded few-shot images to keep, because they are cropped again in every epoch.
    decoded: usize,
    /// Features of test images by their files: several data sets may have equal relative paths.
    test: HashMap<Vec<PathBuf>, Tensor>,
    /// The current few-shot sample.
    training: Option<Views>,
}

/// The views of one few-shot sample.
#[derive(Debug)]
struct Views {
    samples: Vec<Sample>,
    seed: u64,
    /// The hash of the images, for the pool, once features have been asked for.
    images: Option<String>,
    decoded: Arc<DecodedCache>,
    /// By the number of the view, or without one for images prepared like test images.
    encoded: HashMap<Option<u64>, Tensor>,
}

impl Features {
    /// No features yet. With a pool, features are looked up there before they are computed. Up to `decoded` bytes of
    /// decoded few-shot images are kept, because they are cropped again in every epoch. `contents` knows the images'
    /// hashes.
    pub fn new(spec: &BackboneSpec, pool: Option<Pool>, decoded: usize, contents: Contents) -> Self {
        let preprocess = spec.preprocess.clone();
        Self { preprocess, pool, contents, hashes: HashMap::new(), decoded, test: HashMap::new(), training: None }
    }

    /// The [`digest`] of the images' hashes, in order. Each image is read only once until [`Self::forget`] is called.
    ///
    /// # Errors
    ///
    /// When an image cannot be read; the message names it.
    pub fn images(&mut self, folder: &Path, samples: &[Sample]) -> Result<String> {
        let paths = paths(folder, samples);
        let new: Vec<PathBuf> = paths.iter().filter(|path| !self.hashes.contains_key(*path)).cloned().collect();
        for (path, hash) in new.iter().zip(self.contents.hashes(&new)?) {
            let hash = hash.ok_or_else(|| Error::new("the image is missing").at(path))?;
            self.hashes.insert(path.clone(), hash);
        }
        Ok(digest(paths.iter().map(|path| self.hashes.get(path).copied())))
    }

    /// Saves the hashes of the images that were read, so that the next process need not read them again.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub fn remember(&mut self) -> Result<()> {
        self.contents.save()
    }

    /// Forgets the current few-shot sample, and marks it in the pool as no longer needed by anyone known.
    ///
    /// # Errors
    ///
    /// When a file of the pool cannot be marked.
    pub fn release(&mut self, spec: &BackboneSpec) -> Result<()> {
        let (Some(pool), Some(Views { images: Some(images), seed, encoded, .. })) = (&self.pool, self.training.take())
        else {
            return Ok(());
        };
        encoded.keys().try_for_each(|view| pool.release(&self.key(spec, images.clone(), part_of(*view, seed))))
    }

    /// Forgets everything in memory, before the next data set.
    pub fn forget(&mut self) {
        self.test.clear();
        self.hashes.clear();
        self.training = None;
    }

    /// Features `[images, embed_dim]` of test images.
    ///
    /// # Errors
    ///
    /// When an image cannot be read; the message names it.
    pub fn test(&mut self, backbone: &dyn Backbone, folder: &Path, samples: &[Sample]) -> Result<Tensor> {
        let paths = paths(folder, samples);
        if let Some(features) = self.test.get(&paths) {
            return Ok(features.shallow_clone());
        }
        let images = self.hash_images(folder, samples)?;
        let compute = || {
            encode(backbone, &self.preprocess, &paths, &DecodedCache::new(0), |_, picture| {
                self.preprocess.eval(picture)
            })
        };
        let features = self.pooled(backbone.spec(), images, View::Test, compute)?;
        self.test.insert(paths, features.shallow_clone());
        Ok(features)
    }

    /// Features `[images, embed_dim]` of one augmented view of a few-shot sample, or without a number of a view those of
    /// the sample prepared like test images.
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
        view: Option<u64>,
    ) -> Result<Tensor> {
        let paths = paths(folder, samples);
        let mut views = self.take_views(samples, seed);
        let images = match &views.images {
            Some(images) => images.clone(),
            None => self.hash_images(folder, samples)?,
        };
        views.images = Some(images.clone());
        let known = views.encoded.get(&view).map(Tensor::shallow_clone);
        let features = match known {
            Some(features) => Ok(features),
            None => self.pooled(backbone.spec(), images, part_of(view, seed), || {
                encode(backbone, &self.preprocess, &paths, &views.decoded, |place, picture| match view {
                    Some(view) => self.preprocess.train(picture, seed, view as u32, item(&samples[place])),
                    None => self.preprocess.eval(picture),
                })
            }),
        };
        if let Ok(features) = &features {
            views.encoded.insert(view, features.shallow_clone());
        }
        self.training = Some(views);
        features
    }

    /// The images of a few-shot sample, for methods that use more than their features; `augmented` by crops and flips,
    /// or prepared like test images.
    pub fn pictures(&mut self, folder: &Path, samples: &[Sample], seed: u64, augmented: bool) -> Pictures {
        let views = self.take_views(samples, seed);
        let pictures = Pictures {
            preprocess: self.preprocess.clone(),
            paths: paths(folder, samples),
            decoded: Arc::clone(&views.decoded),
            augmentation: augmented.then(|| Augmentation { seed, items: samples.iter().map(item).collect() }),
        };
        self.training = Some(views);
        pictures
    }

    /// The views of a few-shot sample, to be put back. One sample is kept at a time: the cells that share one follow
    /// each other.
    fn take_views(&mut self, samples: &[Sample], seed: u64) -> Views {
        match self.training.take() {
            Some(views) if views.seed == seed && views.samples == samples => views,
            _ => Views {
                samples: samples.to_vec(),
                seed,
                images: None,
                decoded: Arc::new(DecodedCache::new(self.decoded)),
                encoded: HashMap::new(),
            },
        }
    }

    /// The hash of images for the pool: over their contents, and their paths, which seed their crops.
    fn hash_images(&mut self, folder: &Path, samples: &[Sample]) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.images(folder, samples)?.as_bytes());
        for sample in samples {
            hasher.update(sample.path.to_string_lossy().as_bytes());
            hasher.update(b"\n");
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    fn pooled(
        &self,
        spec: &BackboneSpec,
        images: String,
        view: View,
        compute: impl FnOnce() -> Result<Tensor>,
    ) -> Result<Tensor> {
        let Some(pool) = &self.pool else { return compute() };
        Ok(pool.get_or_compute(&self.key(spec, images, view), compute)?.to_device(spec.device))
    }

    fn key(&self, spec: &BackboneSpec, images: String, view: View) -> PartKey {
        PartKey {
            images,
            weights: spec.weights_hash.clone(),
            assumed: spec.origin.assumed().map(String::from),
            preprocess: self.preprocess.id(),
            precision: if spec.rounds_to == spec.kind {
                format!("{:?}", spec.kind)
            } else {
                format!("{:?} of {:?}", spec.kind, spec.rounds_to)
            },
            code: crate::FINGERPRINT.to_owned(),
            view,
        }
    }
}

/// The pool's name of a view of a few-shot sample.
fn part_of(view: Option<u64>, seed: u64) -> View {
    view.map_or(View::Test, |epoch| View::Train { seed, epoch })
}

/// The number that seeds an image's crops: the same in every sample that holds the image, whatever its index.
fn item(sample: &Sample) -> u32 {
    let hash = blake3::hash(sample.path.to_string_lossy().as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn paths(folder: &Path, samples: &[Sample]) -> Vec<PathBuf> {
    samples.iter().map(|sample| folder.join(&sample.path)).collect()
}

/// Features `[images, embed_dim]` of image files, with test preprocessing.
///
/// # Errors
///
/// When an image cannot be read; the message names it.
pub fn encode_images(backbone: &dyn Backbone, paths: &[PathBuf]) -> Result<Tensor> {
    let preprocess = &backbone.spec().preprocess;
    encode(backbone, preprocess, paths, &DecodedCache::new(0), |_, picture| preprocess.eval(picture))
}

/// Decodes, transforms and encodes images in batches, decoding the next batch meanwhile. `transform` gets an image's
/// index in `paths`.
fn encode(
    backbone: &dyn Backbone,
    preprocess: &Preprocess,
    paths: &[PathBuf],
    decoded: &DecodedCache,
    transform: impl Fn(usize, &Rgb8) -> Rgb8 + Sync,
) -> Result<Tensor> {
    let spec = backbone.spec();
    let batch = batch(spec);
    let batches: Vec<_> = paths.chunks(batch).collect();
    let load = |number: usize| {
        let transform = |place, picture: &Rgb8| transform(number * batch + place, picture);
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
    let features = Tensor::f_cat(&parts, 0)?;
    super::encoded::check(&features, paths)?;
    Ok(features)
}
