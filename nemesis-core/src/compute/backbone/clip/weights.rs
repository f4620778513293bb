//! The named tensors of a model, under the names that OpenAI's checkpoints use.

use super::half::{computed_in, is_half, stays_single};
use crate::backbone::Config;
use crate::{Error, Result};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use tch::{Device, Kind, Tensor};

/// Named tensors that towers are made of.
///
/// A tower keeps shallow copies, so that gradients of weights which require them reach the tensors given here.
#[derive(Debug)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
    /// The type that products are rounded to, when it is a half type: weights may be held in a wider one.
    half: Option<Kind>,
    /// What the tensors do not tell.
    config: Config,
    /// The names of those that were asked for.
    read: RefCell<BTreeSet<String>>,
}

impl Weights {
    /// Wraps tensors under OpenAI's names (`visual.conv1.weight`, `transformer.resblocks.0.ln_1.weight`, …).
    pub fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        Self { tensors, half: None, config: Config::OPENAI, read: RefCell::default() }
    }

    /// The same tensors of a model that computes something else with them than OpenAI's do.
    #[must_use]
    pub fn with_config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// What the tensors do not tell.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The weights on a device, for activations of type `kind`.
    ///
    /// With half types normalisations and embeddings stay in single precision, as openai/CLIP leaves them.
    #[must_use]
    pub fn to(&self, device: Device, kind: Kind) -> Self {
        let convert = |name: &str, tensor: &Tensor| {
            let tensor = tensor.to_device(device);
            if !tensor.is_floating_point() {
                tensor
            } else if is_half(kind) && stays_single(name) {
                tensor.to_kind(Kind::Float)
            } else {
                tensor.to_kind(kind).to_kind(computed_in(kind, device))
            }
        };
        let tensors = self.tensors.iter().map(|(name, tensor)| (name.clone(), convert(name, tensor))).collect();
        Self { tensors, half: is_half(kind).then_some(kind), config: self.config, read: RefCell::default() }
    }

    /// The type that products with one of these weights are rounded to.
    pub(super) fn rounds_to(&self, weight: &Tensor) -> Kind {
        self.half.unwrap_or(weight.kind())
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
            self.read.borrow_mut().insert(name.to_owned());
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
    ///
    /// # Errors
    ///
    /// When the numbers leave one out.
    pub fn count_modules(&self, prefix: &str) -> Result<usize> {
        let number = |name: &str| name.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok();
        let numbers: BTreeSet<usize> = self.tensors.keys().filter_map(|name| number(name)).collect();
        match (0..).zip(&numbers).find(|(expected, number)| expected != *number) {
            None => Ok(numbers.len()),
            Some((missing, _)) => {
                let highest = numbers.last().copied().unwrap_or_default();
                Err(Error::new(format!("the layer `{prefix}{missing}` is missing, and `{prefix}{highest}` is there"))
                    .help(NOT_CLIP))
            }
        }
    }

    /// All tensors, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Whether a tensor was asked for by [`Self::get`], in the shape that it has.
    pub(super) fn is_read(&self, name: &str) -> bool {
        self.read.borrow().contains(name)
    }

    fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| Error::new(format!("the weight `{name}` is missing")).help(NOT_CLIP))
    }
}

/// What to do about weights that are not those of a CLIP model.
pub(super) const NOT_CLIP: &str = "give a checkpoint of a CLIP model with OpenAI's weight names (RN50, ViT-B/16, …)";
