//! What a method changes in the towers for one call, as `nemesis.Changes` says it.

use crate::border::Crossing;
use nemesis_sdk::towers::{Changes, Dropout, LayerPrompt, LowRank, Replacement, TowerSizes};
use pyo3::prelude::*;
use std::collections::BTreeMap;
use tch::Tensor;

/// `nemesis.Changes`, whose attributes have these names.
#[derive(FromPyObject)]
pub(crate) struct PyChanges {
    prompts: BTreeMap<usize, Crossing>,
    low_rank: Vec<PyLowRank>,
    replaced: BTreeMap<String, Crossing>,
    ending: Option<String>,
}

/// `nemesis.LowRank`.
#[derive(FromPyObject)]
struct PyLowRank {
    name: String,
    down: Crossing,
    up: Crossing,
    scale: f64,
    dropout: Option<f64>,
    index: u64,
}

impl PyChanges {
    /// Changes of the image tower, whose prompt tokens are `[1 or images, tokens, width]`.
    pub(crate) fn of_images(self) -> Changes {
        self.with_dimensions(3)
    }

    /// Changes of the text tower, whose prompt tokens are `[copies, 1 or classes, tokens, width]`.
    pub(crate) fn of_text(self) -> Changes {
        self.with_dimensions(4)
    }

    fn with_dimensions(self, dimensions: usize) -> Changes {
        let prompts = self.prompts.into_iter();
        Changes {
            prompts: prompts
                .map(|(layer, tokens)| LayerPrompt { layer, tokens: padded(&tokens.0, dimensions) })
                .collect(),
            low_rank: self.low_rank.into_iter().map(PyLowRank::into_low_rank).collect(),
            replaced: self.replaced.into_iter().map(|(name, tensor)| Replacement { name, tensor: tensor.0 }).collect(),
            ending: self.ending,
        }
    }
}

impl PyLowRank {
    fn into_low_rank(self) -> LowRank {
        let Self { name, down, up, scale, dropout, index } = self;
        let dropout = dropout.map(|probability| Dropout { probability, index, mask: None });
        LowRank { name, down: down.0, up: up.0, scale, dropout }
    }
}

/// A tensor with this many dimensions, those that it lacks in front: what is the same for all may be left without them.
pub(crate) fn padded(tensor: &Tensor, dimensions: usize) -> Tensor {
    let mut padded = tensor.shallow_clone();
    while padded.dim() < dimensions {
        padded = padded.unsqueeze(0);
    }
    padded
}

/// The sizes of the towers, for making parameters. See `nemesis/_native.pyi`.
#[pyclass(frozen, get_all, name = "TowerSizes")]
pub(crate) struct PyTowerSizes {
    image_layers: usize,
    image_width: i64,
    image_hidden: i64,
    image_tokens: i64,
    text_layers: usize,
    text_width: i64,
    text_hidden: i64,
}

impl From<TowerSizes> for PyTowerSizes {
    fn from(sizes: TowerSizes) -> Self {
        let TowerSizes { image_layers, image_width, image_hidden, image_tokens, text_layers, text_width, text_hidden } =
            sizes;
        Self { image_layers, image_width, image_hidden, image_tokens, text_layers, text_width, text_hidden }
    }
}
