//! What a method asks the host to show it of images.

use serde::{Deserialize, Serialize};

/// The inputs that a method asks for. What nobody asks for is not computed.
///
/// Features are encoded once for all methods that share them. Pixels and dense features are too large for that: they are
/// made anew for each batch, which costs decoding, and for dense features a pass of the image tower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a request of its own, whatever the others are")]
pub struct Needs {
    /// Normalised pixels `[images, 3, side, side]`.
    pub pixels: bool,
    /// Global image features `[images, embed_dim]`, not normalised.
    pub features: bool,
    /// Dense image features `[images, places, embed_dim]`, not normalised: of a vision transformer those of its patches,
    /// of a residual network those of the pixels of its last layer, row by row.
    pub dense: bool,
    /// Features of the few-shot validation sample in [`Method::prepare`](crate::Method::prepare), besides those of the training sample.
    #[serde(default)]
    pub validation: bool,
}

impl Needs {
    /// Global image features alone, which is what most prompt-tuning methods want.
    pub const FEATURES: Self = Self { pixels: false, features: true, dense: false, validation: false };

    /// Whether global features come without the dense ones, which bring them along: both are of one pass through the tower.
    pub fn features_alone(self) -> bool {
        self.features && !self.dense
    }

    /// Whether the images of each batch must be read, for their pixels or dense features.
    pub fn images(self) -> bool {
        self.pixels || self.dense
    }
}
