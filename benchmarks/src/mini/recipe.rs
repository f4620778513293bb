//! The recipe of pre-training, read from YAML.

use serde::Deserialize;

/// The sizes of the model and the settings of its training.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The seed of pictures, captions, initial weights and order.
    pub seed: u64,
    /// How many picture–caption pairs are drawn.
    pub pairs: usize,
    /// How often each is seen.
    pub epochs: usize,
    /// Pairs in a step.
    pub batch_size: usize,
    /// The highest learning rate, reached after the warm-up and annealed to zero by a cosine.
    pub learning_rate: f64,
    /// Steps in which the learning rate rises from zero.
    pub warmup_steps: usize,
    /// The weight decay of `AdamW`.
    pub weight_decay: f64,
    /// The image tower.
    pub image: ImageSizes,
    /// The text tower.
    pub text: TextSizes,
    /// Width of the shared embedding space.
    pub embed_dim: i64,
}

/// The sizes of the vision transformer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSizes {
    /// Side of a picture in pixels.
    pub side: i64,
    /// Side of a patch in pixels.
    pub patch: i64,
    /// Width of the transformer.
    pub width: i64,
    /// Number of its layers.
    pub layers: i64,
}

/// The sizes of the text transformer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSizes {
    /// The number of tokens.
    pub vocabulary: i64,
    /// The longest prompt in tokens.
    pub context_length: i64,
    /// Width of the transformer.
    pub width: i64,
    /// Number of its layers.
    pub layers: i64,
}
