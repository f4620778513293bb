//! The named tensors of a model, under the names that OpenAI's checkpoints use.

use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use tch::{Device, Kind, Tensor};

/// Named tensors that towers are made of.
///
/// A tower keeps shallow copies, so that gradients of weights which require them reach the tensors given here.
#[derive(Debug, Default)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
}

impl Weights {
    /// Wraps tensors under OpenAI's names (`visual.conv1.weight`, `transformer.resblocks.0.ln_1.weight`, …).
    pub fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        Self { tensors }
    }

    /// All floating-point weights in another type or on another device.
    #[must_use]
    pub fn to(&self, device: Device, kind: Kind) -> Self {
        let convert = |tensor: &Tensor| if tensor.is_floating_point() { tensor.to_kind(kind) } else { tensor.copy() };
        Self { tensors: self.tensors.iter().map(|(name, t)| (name.clone(), convert(t).to_device(device))).collect() }
    }

    /// The sizes of a tensor that has `dimensions` of them.
    ///
    /// # Errors
    ///
    /// When there is no such tensor.
    pub fn sizes<const N: usize>(&self, name: &str) -> Result<[i64; N]> {
        let sizes = self.tensor(name)?.size();
        <[i64; N]>::try_from(sizes.as_slice()).map_err(|_| {
            Error::new(format!("the weight `{name}` has the shape {sizes:?}"))
                .expected(format!("{N} dimensions"))
                .help(NOT_CLIP)
        })
    }

    /// The tensor of that name and shape.
    ///
    /// # Errors
    ///
    /// When there is none, or one of another shape.
    pub fn get(&self, name: &str, shape: &[i64]) -> Result<Tensor> {
        let tensor = self.tensor(name)?;
        if tensor.size() == shape {
            return Ok(tensor.shallow_clone());
        }
        Err(Error::new(format!("the weight `{name}` has the shape {:?}", tensor.size()))
            .expected(format!("the shape {shape:?}, which follows from the other weights"))
            .help(NOT_CLIP))
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// How many numbered modules lie under a prefix: 12 for `transformer.resblocks.` of CLIP's text tower.
    pub fn count_modules(&self, prefix: &str) -> usize {
        let number = |name: &str| name.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok();
        self.tensors.keys().filter_map(|name| number(name)).collect::<BTreeSet<_>>().len()
    }

    fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| Error::new(format!("the weight `{name}` is missing")).help(NOT_CLIP))
    }
}

/// What to do about weights that are not those of a CLIP model.
const NOT_CLIP: &str = "give a checkpoint of a CLIP model with OpenAI's weight names (RN50, ViT-B/16, …)";
