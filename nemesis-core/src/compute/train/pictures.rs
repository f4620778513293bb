//! What methods get besides global features: pixels and dense features, made for one batch at a time.

use crate::Result;
use crate::backbone::Backbone;
use crate::image::{DecodedCache, Preprocess, load_batch};
use crate::method::Needs;
use std::path::PathBuf;
use std::sync::Arc;
use tch::{Kind, Tensor, no_grad};

/// The images of a few-shot sample or a test split, by index.
#[derive(Debug)]
pub struct Pictures {
    pub(super) preprocess: Preprocess,
    pub(super) paths: Vec<PathBuf>,
    pub(super) decoded: Arc<DecodedCache>,
    /// How they are augmented; `None` for test images.
    pub(super) augmentation: Option<Augmentation>,
}

/// What seeds random crops and flips.
#[derive(Debug)]
pub(super) struct Augmentation {
    pub(super) seed: u64,
    /// For each image, the number that seeds its crops.
    pub(super) items: Vec<u32>,
}

/// What a batch contains: what was asked for.
#[derive(Debug, Default)]
pub struct Seen {
    /// Global features `[images, embed_dim]`, if dense ones are asked for: one pass through the tower gives both.
    pub features: Option<Tensor>,
    /// Dense features `[images, places, embed_dim]`.
    pub dense: Option<Tensor>,
    /// Pixels `[images, 3, side, side]`.
    pub pixels: Option<Tensor>,
}

impl Pictures {
    /// Image files with the preprocessing of test images.
    pub fn of_files(backbone: &dyn Backbone, paths: Vec<PathBuf>) -> Self {
        let preprocess = backbone.spec().preprocess.clone();
        Self { preprocess, paths, decoded: Arc::new(DecodedCache::new(0)), augmentation: None }
    }

    /// How many images make a batch if nothing else decides: as many as CoOp trains on. The last digits of what a tower
    /// makes of an image depend on it.
    const AT_A_TIME: usize = 32;
    /// The same on a GPU, which works best with many at once (not measured), and for methods that encode images themselves:
    /// they may encode their texts in every batch, so there are fewer of them. The pixels of 256 take 154 MB at 224 pixels.
    const MANY_AT_A_TIME: usize = 256;

    /// How many test images to look at in one batch.
    pub fn at_a_time(backbone: &dyn Backbone, needs: Needs) -> usize {
        if needs.towers || backbone.spec().device.is_cuda() { Self::MANY_AT_A_TIME } else { Self::AT_A_TIME }
    }

    /// What `needs` asks for, for the images at these indices, in one of their augmented views.
    ///
    /// # Errors
    ///
    /// When an image cannot be read; the message names it.
    pub fn see(&self, backbone: &dyn Backbone, needs: Needs, view: u64, places: &[usize]) -> Result<Seen> {
        if !needs.images() {
            return Ok(Seen::default());
        }
        self.seen(backbone, needs, &self.pixels(backbone.spec().kind, view, places)?, places)
    }

    /// Pixels `[images, 3, side, side]` on the CPU.
    pub(super) fn pixels(&self, kind: Kind, view: u64, places: &[usize]) -> Result<Tensor> {
        let paths: Vec<_> = places.iter().map(|place| &self.paths[*place]).collect();
        let images = load_batch(&paths, &self.decoded, |n, picture| match &self.augmentation {
            Some(Augmentation { seed, items }) => self.preprocess.train(picture, *seed, view as u32, items[places[n]]),
            None => self.preprocess.eval(picture),
        })?;
        self.preprocess.tensor(&images, kind)
    }

    /// What `needs` asks for of these pixels.
    pub(super) fn seen(
        &self,
        backbone: &dyn Backbone,
        needs: Needs,
        pixels: &Tensor,
        places: &[usize],
    ) -> Result<Seen> {
        let paths: Vec<_> = places.iter().map(|place| &self.paths[*place]).collect();
        let pixels = pixels.to_device(backbone.spec().device);
        let (features, dense) = if needs.dense {
            let (features, dense) = no_grad(|| backbone.encode_places(&pixels))?;
            super::encoded::check(&features, &paths)?;
            super::encoded::check(&dense, &paths)?;
            (needs.features.then_some(features), Some(dense))
        } else {
            (None, None)
        };
        Ok(Seen { features, dense, pixels: needs.pixels.then_some(pixels) })
    }
}
