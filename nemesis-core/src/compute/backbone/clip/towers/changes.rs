//! Changes put into the layers of a tower, after checking that they fit.

use super::names::{Norm, Place, Tower};
use crate::backbone::Change;
use crate::backbone::clip::frozen::{Delta, Layer, Masks};
use crate::backbone::clip::layers::{LayerNorm, Which};
use crate::error::suggest;
use crate::method::towers::{Dropout, LayerPrompt};
use crate::{Error, Result};
use std::collections::BTreeSet;
use tch::Device;

/// The parts of a tower that a call may change.
pub(super) struct Parts<'a> {
    pub(super) tower: Tower,
    pub(super) layers: &'a mut [Layer],
    pub(super) norms: &'a mut [(Norm, LayerNorm)],
    pub(super) device: Device,
    /// How many sequences there are in the whole call, and how many places each has, for masks.
    pub(super) sequences: i64,
    pub(super) places: i64,
}

/// What of the changes decides how rows go through a tower.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noise {
    /// The first layer with dropout.
    pub(super) first: Option<usize>,
    /// Whether a mask was given, rather than all of them drawn.
    pub(super) is_given: bool,
}

impl Parts<'_> {
    /// Puts in what is changed of weights.
    ///
    /// # Errors
    ///
    /// When a name is unknown or there twice, or a shape does not fit.
    pub(super) fn change(&mut self, change: Change<'_>) -> Result<Noise> {
        self.replace(change)?;
        self.add(change)
    }

    fn replace(&mut self, change: Change<'_>) -> Result<()> {
        if change.changes.replaced.is_empty() {
            return Ok(());
        }
        let known = self.tower.weights(self.layers.len());
        let mut seen = BTreeSet::new();
        for replacement in &change.changes.replaced {
            let name = &replacement.name;
            let (place, which) = self.find(name, &known, "weight")?;
            once(&mut seen, name, "replaced weights")?;
            let expected = match place {
                Place::Norm(norm) => self.norm(norm).weight.size(),
                Place::Layer(layer, part) => match (self.layers[layer].shape(part), which) {
                    (Some(shape), Which::Weight) => shape.to_vec(),
                    (Some([to, _]), Which::Bias) => vec![to],
                    (None, _) => vec![self.layers[layer].width()],
                },
            };
            let shape = replacement.tensor.size();
            if shape != expected {
                return Err(Error::new(format!("the tensor in the place of `{name}` has the shape {shape:?}"))
                    .expected(format!("the shape {expected:?}")));
            }
            let tensor = replacement.tensor.to_device(self.device);
            match place {
                Place::Norm(norm) => self.norm(norm).replace(which, &tensor),
                Place::Layer(layer, part) => self.layers[layer].replace(part, which, &tensor),
            }
        }
        Ok(())
    }

    fn add(&mut self, change: Change<'_>) -> Result<Noise> {
        let mut noise = Noise::default();
        if change.changes.low_rank.is_empty() {
            return Ok(noise);
        }
        let known = self.tower.maps(self.layers.len());
        let mut seen = BTreeSet::new();
        for delta in &change.changes.low_rank {
            let name = &delta.name;
            let (number, part) = self.find(name, &known, "linear map")?;
            once(&mut seen, name, "low-rank deltas")?;
            let layer = &mut self.layers[number];
            let [to, from] = layer.shape(part).expect("linear maps have shapes");
            match (&delta.down.size()[..], &delta.up.size()[..]) {
                ([rank, f], [t, r]) if *rank > 0 && rank == r && (*f, *t) == (from, to) => {}
                (down, up) => {
                    return Err(Error::new(format!(
                        "the delta on `{name}` has the shapes {down:?} (down) and {up:?} (up)"
                    ))
                    .expected(format!("the shapes [rank, {from}] and [{to}, rank]")));
                }
            }
            let dropout = match &delta.dropout {
                Some(dropout) if dropout.probability != 0.0 || dropout.mask.is_some() => {
                    noise.first = Some(noise.first.unwrap_or(number).min(number));
                    noise.is_given |= dropout.mask.is_some();
                    Some(masks(dropout, name, change.seed, [self.sequences, self.places, from])?)
                }
                _ => None,
            };
            let [down, up] = [&delta.down, &delta.up].map(|tensor| tensor.to_device(self.device));
            layer.add_delta(part, Delta::new(down, up * delta.scale, dropout));
        }
        Ok(noise)
    }

    fn norm(&mut self, norm: Norm) -> &mut LayerNorm {
        let (_, found) =
            self.norms.iter_mut().find(|(other, _)| *other == norm).expect("a tower has its normalisations");
        found
    }

    /// What a name stands for.
    fn find<T: Copy>(&self, name: &str, known: &[(String, T)], what: &str) -> Result<T> {
        if let Some((_, found)) = known.iter().find(|(other, _)| other == name) {
            return Ok(*found);
        }
        let tower = self.tower.name();
        let error = Error::new(format!("`{name}` is not a {what} of the {tower} tower"));
        let (other, calls) = match self.tower {
            Tower::Image => ("text.", "`encode_contexts` and `encode_strings`"),
            Tower::Text => ("image.", "`encode_images`"),
        };
        Err(if name.starts_with(other) {
            error.help(format!("changes of that tower belong to calls of {calls}"))
        } else {
            error.help(suggest(name, known.iter().map(|(name, _)| &**name)))
        })
    }
}

/// Where the masks of a delta come from.
fn masks(dropout: &Dropout, name: &str, seed: u64, shape: [i64; 3]) -> Result<Masks> {
    match &dropout.mask {
        Some(mask) if mask.size() == shape => Ok(Masks::Given(mask.flatten(0, 1))),
        Some(mask) => Err(Error::new(format!("the dropout mask of `{name}` has the shape {:?}", mask.size()))
            .expected(format!("the shape {shape:?}: sequences, tokens and the map's input"))),
        None if (0.0..1.0).contains(&dropout.probability) => Ok(Masks::Drawn {
            seed,
            purpose: format!("dropout of {name}"),
            index: dropout.index,
            probability: dropout.probability,
        }),
        None => Err(Error::new(format!("the dropout of `{name}` has the probability {}", dropout.probability))
            .expected("at least 0 and less than 1")),
    }
}

/// Checks that prompt tokens are for layers of the tower, each at most once.
pub(super) fn check_layers(prompts: &[LayerPrompt], tower: Tower, layers: usize) -> Result<()> {
    let mut seen = BTreeSet::new();
    for LayerPrompt { layer, .. } in prompts {
        if *layer >= layers {
            let last = layers - 1;
            return Err(Error::new(format!("prompt tokens for layer {layer} of the {} tower", tower.name()))
                .expected(format!("a layer from 0 to {last}")));
        }
        if !seen.insert(layer) {
            return Err(Error::new(format!("layer {layer} appears twice among the prompt tokens")));
        }
    }
    Ok(())
}

fn once(seen: &mut BTreeSet<String>, name: &str, among: &str) -> Result<()> {
    if seen.insert(name.to_owned()) {
        return Ok(());
    }
    Err(Error::new(format!("`{name}` appears twice among the {among}")))
}
