//! The door to towers with changes of a method's own: prompt tokens in any layer, and deltas on weights.

use super::ClassPrompts;
use crate::Result;
use crate::method::ClassPosition;
use crate::method::towers::{Changes, ImageFeatures, TowerSizes};
use std::ops::Range;
use tch::Tensor;

/// What is different from the frozen model in one call, with the seed that dropout is drawn from.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The changes.
    pub changes: &'a Changes,
    /// The cell's seed.
    pub seed: u64,
}

/// The frozen towers with changes, as [`Towers`](crate::method::towers::Towers) describes them.
///
/// Every call encodes a part of what it is given, so that a backward pass can encode again a few classes or images at a
/// time. A part's features are those that it has in the whole: what is drawn does not depend on the division.
pub trait ChangedTowers {
    /// The sizes of both towers.
    fn sizes(&self) -> TowerSizes;

    /// Features, not normalised, of the pixels `[images, 3, image_size, image_size]` of some of the images, with dense
    /// ones if `patches`.
    ///
    /// # Errors
    ///
    /// When a change does not fit the tower, or the image tower is a residual network.
    fn encode_images(
        &self,
        pixels: &Tensor,
        part: Range<usize>,
        change: Change<'_>,
        patches: bool,
    ) -> Result<ImageFeatures>;

    /// Features `[copies, classes, embed_dim]`, not normalised, of some of the classes behind contexts of all.
    ///
    /// # Errors
    ///
    /// When a change or the contexts do not fit the tower, or a prompt is too long.
    fn encode_contexts(
        &self,
        classes: &ClassPrompts,
        part: Range<usize>,
        contexts: &Tensor,
        position: ClassPosition,
        change: Change<'_>,
    ) -> Result<Tensor>;

    /// Features `[prompts, embed_dim]`, not normalised, of some of the prompts.
    ///
    /// # Errors
    ///
    /// When a change does not fit the tower, or a prompt is too long.
    fn encode_strings(&self, prompts: &[String], part: Range<usize>, change: Change<'_>) -> Result<Tensor>;

    /// About how many bytes [`Self::encode_images`] keeps for the gradient of so many images.
    fn images_bytes(&self, images: usize, change: Change<'_>) -> u64;

    /// About how many bytes [`Self::encode_contexts`] keeps for the gradient of all classes.
    fn contexts_bytes(
        &self,
        classes: &ClassPrompts,
        contexts: &Tensor,
        position: ClassPosition,
        change: Change<'_>,
    ) -> u64;

    /// About how many bytes [`Self::encode_strings`] keeps for the gradient of all prompts.
    fn strings_bytes(&self, prompts: &[String], change: Change<'_>) -> u64;
}
