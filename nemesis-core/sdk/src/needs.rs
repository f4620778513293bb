//! What a method asks the host to provide for each image.

use serde::{Deserialize, Serialize};

/// The inputs that a method asks for. What nobody asks for is not computed.
///
/// Features are encoded once for all methods that share them. Pixels and dense features are too large for that: they
/// are recomputed for each batch, which costs decoding, and for dense features a pass through the image tower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent request")]
pub struct Needs {
    /// Normalised pixels `[images, 3, side, side]`.
    pub pixels: bool,
    /// Global image features `[images, embed_dim]`, not normalised.
    pub features: bool,
    /// Dense image features `[images, places, embed_dim]`, not normalised: one for each patch of a vision transformer,
    /// or for each pixel of the last layer of a residual network, row by row.
    pub dense: bool,
    /// Features of the few-shot validation sample in [`Method::prepare`](crate::Method::prepare), in addition to those
    /// of the training sample.
    #[serde(default)]
    pub validation: bool,
    /// The service of [`towers`](crate::towers), for methods that learn inside of the encoders.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub towers: bool,
    /// How many augmented views of the training sample [`Method::prepare`](crate::Method::prepare) gets, where the
    /// protocol has as many; one unless it is higher.
    #[serde(default, skip_serializing_if = "at_most_one")]
    pub views: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn at_most_one(views: &u64) -> bool {
    *views <= 1
}

impl Needs {
    /// Only global image features, which is what most prompt-tuning methods need.
    pub const FEATURES: Self =
        Self { pixels: false, features: true, dense: false, validation: false, towers: false, views: 1 };

    /// Pixels and the towers to put them through, which is what methods that learn inside of the encoders need.
    pub const TOWERS: Self =
        Self { pixels: true, features: false, dense: false, validation: false, towers: true, views: 1 };

    /// Whether global features are needed without dense ones. Otherwise one pass through the tower gives both.
    pub fn features_alone(self) -> bool {
        self.features && !self.dense
    }

    /// Whether the images of each batch must be read, for their pixels or dense features.
    pub fn images(self) -> bool {
        self.pixels || self.dense
    }
}
