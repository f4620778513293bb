//! What tensors do not tell of a model: what it computes with them, and what is done to its images.

use crate::image::{Interpolation, Preprocess, RandomCrop, ResizeMode};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The function between the two layers of a perceptron.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x σ(1.702 x)`: OpenAI's models, and those trained on from them.
    QuickGelu,
    /// The Gaussian error linear unit: LAION's models, and most of `open_clip`.
    Gelu,
    /// Its approximation by a hyperbolic tangent.
    GeluTanh,
}

/// All that a checkpoint's tensors leave open.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The activation of both towers.
    pub activation: Activation,
    /// The width of an attention head of the image tower, where that is a transformer.
    pub image_head_width: i64,
    /// The width of an attention head of the text tower.
    pub text_head_width: i64,
    /// The epsilon of layer normalisation in the image tower.
    pub image_epsilon: f64,
    /// The epsilon of layer normalisation in the text tower.
    pub text_epsilon: f64,
    /// Mean of red, green and blue, in units of 0 to 1.
    pub mean: [f64; 3],
    /// Standard deviation of red, green and blue.
    pub std: [f64; 3],
    /// How a test image becomes a square.
    pub resize: ResizeMode,
    /// The filter of resizing.
    pub interpolation: Interpolation,
    /// The longest prompt in tokens.
    pub context_length: i64,
    /// What a file with all this said of sizes, too.
    #[serde(default, skip_serializing_if = "Sizes::is_empty")]
    pub sizes: Sizes,
}

/// Sizes that a configuration tells, and that tensors tell, too: by them it is known whether it is about a checkpoint. They
/// are no part of what is assumed, so configurations are the same whatever these are. 0 is what is not told.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Sizes([u32; 7]);

/// What they are called.
const SIZES: [&str; 7] =
    ["dimensions", "image size", "image width", "image layers", "patch size", "text width", "text layers"];

impl PartialEq for Sizes {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Sizes {
    const NONE: Self = Self([0; 7]);

    /// Sizes by their names; others are left out.
    pub(super) fn of(named: &[(&str, i64)]) -> Self {
        // No model has a size that no `u32` has, nor none at all.
        let number = |size: i64| u32::try_from(size).ok().filter(|size| *size > 0).unwrap_or(u32::MAX);
        let told = |name| named.iter().rev().find(|(other, _)| *other == name).map_or(0, |(_, size)| number(*size));
        Self(SIZES.map(told))
    }

    /// With their names.
    pub(super) fn named(self) -> Vec<(&'static str, i64)> {
        SIZES.into_iter().zip(self.0.map(i64::from)).filter(|(_, size)| *size > 0).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|size| *size == 0)
    }
}

impl Config {
    /// That of OpenAI's models.
    pub const OPENAI: Self = Self {
        activation: Activation::QuickGelu,
        image_head_width: 64,
        text_head_width: 64,
        image_epsilon: 1e-5,
        text_epsilon: 1e-5,
        mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
        std: [0.268_629_54, 0.261_302_58, 0.275_777_11],
        resize: ResizeMode::Shortest,
        interpolation: Interpolation::Bicubic,
        context_length: 77,
        sizes: Sizes::NONE,
    };

    /// What is done to images, at a side of `size` pixels.
    pub fn preprocess(&self, size: usize) -> Preprocess {
        let Self { mean, std, resize, interpolation, .. } = *self;
        Preprocess { size, mean, std, resize, interpolation, crop: RandomCrop::COOP }
    }

    /// Without sizes.
    pub(super) fn alone(self) -> Self {
        Self { sizes: Sizes::NONE, ..self }
    }

    /// As JSON, from which the same is read again.
    pub(super) fn to_json(self) -> String {
        serde_json::to_string(&self).expect("numbers and names are JSON")
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let activation = match self.activation {
            Activation::QuickGelu => "QuickGELU",
            Activation::Gelu => "GELU",
            Activation::GeluTanh => "tanh GELU",
        };
        write!(f, "{activation}, ")?;
        if self.image_head_width == self.text_head_width {
            write!(f, "heads {} wide", self.image_head_width)?;
        } else {
            write!(f, "heads {} (image) and {} (text) wide", self.image_head_width, self.text_head_width)?;
        }
        if (self.image_epsilon, self.text_epsilon) != (1e-5, 1e-5) {
            write!(f, ", epsilon {:e} (image) and {:e} (text)", self.image_epsilon, self.text_epsilon)?;
        }
        let resize = match self.resize {
            ResizeMode::Shortest => "images resized to the shorter side",
            ResizeMode::Squash => "images squashed",
        };
        write!(f, ", {resize}")?;
        if self.interpolation == Interpolation::Bilinear {
            write!(f, " bilinearly")?;
        }
        if (self.mean, self.std) == (Self::OPENAI.mean, Self::OPENAI.std) {
            write!(f, ", OpenAI's mean and deviation")
        } else {
            write!(f, ", mean {:?}, deviation {:?}", self.mean, self.std)
        }
    }
}
