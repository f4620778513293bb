//! The image tower of a checkpoint, whichever it is.

use super::resnet::ModifiedResNet;
use super::vit::VisionTransformer;
use super::weights::Weights;
use crate::Result;
use tch::Tensor;

/// Either of CLIP's image towers.
#[derive(Debug)]
pub enum ImageTower {
    /// ViT-B/32, ViT-B/16, ViT-L/14, ….
    VisionTransformer(VisionTransformer),
    /// RN50, RN101, and wider ones.
    ModifiedResNet(ModifiedResNet),
}

impl ImageTower {
    /// Reads whichever tower the weights `visual.*` are of.
    ///
    /// # Errors
    ///
    /// When a weight is missing or has another shape than the others ask for.
    pub fn from_weights(weights: &Weights) -> Result<Self> {
        // A vision transformer that lacks one of these is told so, and not taken for a residual network.
        if weights.contains("visual.proj") || weights.contains("visual.class_embedding") {
            VisionTransformer::from_weights(weights).map(Self::VisionTransformer)
        } else {
            ModifiedResNet::from_weights(weights).map(Self::ModifiedResNet)
        }
    }

    /// The same tower arranged for speed, given that its weights do not change.
    pub(super) fn frozen(self) -> Self {
        match self {
            Self::VisionTransformer(tower) => Self::VisionTransformer(tower),
            Self::ModifiedResNet(tower) => Self::ModifiedResNet(tower.frozen()),
        }
    }

    /// Side of the input image in pixels.
    pub fn image_size(&self) -> i64 {
        match self {
            Self::VisionTransformer(tower) => tower.image_size(),
            Self::ModifiedResNet(tower) => tower.image_size(),
        }
    }

    /// The places that it knows: one for each patch, or pixel of its last layer, and one for all of the image.
    pub(super) fn places(&self) -> i64 {
        match self {
            Self::VisionTransformer(tower) => tower.places(),
            Self::ModifiedResNet(tower) => tower.places(),
        }
    }

    /// Its sizes in words.
    pub(super) fn shape(&self) -> String {
        match self {
            Self::VisionTransformer(tower) => tower.shape(),
            Self::ModifiedResNet(tower) => tower.shape(),
        }
    }

    /// Width of the shared embedding space.
    pub fn embed_dim(&self) -> i64 {
        match self {
            Self::VisionTransformer(tower) => tower.embed_dim(),
            Self::ModifiedResNet(tower) => tower.embed_dim(),
        }
    }

    /// Features `[images, embed_dim]`, not normalised, of pixels `[images, 3, image_size, image_size]`.
    pub fn forward(&self, pixels: &Tensor) -> Tensor {
        match self {
            Self::VisionTransformer(tower) => tower.forward(pixels),
            Self::ModifiedResNet(tower) => tower.forward(pixels),
        }
    }

    /// Features as of [`Self::forward`], and dense features `[images, places, embed_dim]`.
    pub fn forward_places(&self, pixels: &Tensor) -> (Tensor, Tensor) {
        match self {
            Self::VisionTransformer(tower) => tower.forward_places(pixels),
            Self::ModifiedResNet(tower) => tower.forward_places(pixels),
        }
    }
}
