//! A transformer small enough to be checked by finite differences, with the changes of one call.

use super::ToyTower;
use crate::random::{draws, uniform};
use crate::towers::{Changes, LowRank};
use crate::{Error, Result};
use std::collections::BTreeSet;
use tch::{Kind, Tensor};

/// Attention heads of each layer.
const HEADS: i64 = 2;

/// The linear maps of a layer, each with what it leads from and to: a token, or the hidden layer of the perceptron.
const MAPS: [(&str, [Side; 2]); 6] = [
    ("q", [Side::Token, Side::Token]),
    ("k", [Side::Token, Side::Token]),
    ("v", [Side::Token, Side::Token]),
    ("o", [Side::Token, Side::Token]),
    ("c_fc", [Side::Token, Side::Hidden]),
    ("c_proj", [Side::Hidden, Side::Token]),
];

#[derive(Clone, Copy)]
enum Side {
    Token,
    Hidden,
}

/// One of the towers, for one call.
pub(super) struct Transformer<'a> {
    toy: ToyTower,
    name: &'static str,
    count: usize,
    width: i64,
    hidden: i64,
    causal: bool,
    changes: &'a Changes,
}

impl<'a> Transformer<'a> {
    /// The image tower, if the changes fit it.
    pub(super) fn image(toy: ToyTower, changes: &'a Changes) -> Result<Self> {
        let sizes = ToyTower::SIZES;
        let (count, width, hidden) = (sizes.image_layers, sizes.image_width, sizes.image_hidden);
        Self { toy, name: "image", count, width, hidden, causal: false, changes }.checked(&["ln_pre", "ln_post"])
    }

    /// The text tower, if the changes fit it.
    pub(super) fn text(toy: ToyTower, changes: &'a Changes) -> Result<Self> {
        let sizes = ToyTower::SIZES;
        let (count, width, hidden) = (sizes.text_layers, sizes.text_width, sizes.text_hidden);
        Self { toy, name: "text", count, width, hidden, causal: true, changes }.checked(&["ln_final"])
    }

    /// Refuses changes of weights or layers that the tower does not have, and those that are given twice.
    fn checked(self, outside: &[&str]) -> Result<Self> {
        let layers = (0..self.count).map(|layer| format!("{}.{layer}", self.name));
        let maps: BTreeSet<_> =
            layers.clone().flat_map(|layer| MAPS.map(|(part, _)| format!("{layer}.{part}"))).collect();
        let norms = layers.flat_map(|layer| ["ln_1", "ln_2"].map(|part| format!("{layer}.{part}")));
        let norms = norms.chain(outside.iter().map(|part| format!("{}.{part}", self.name)));
        let weights: BTreeSet<_> =
            maps.iter().cloned().chain(norms).flat_map(|of| [format!("{of}.weight"), format!("{of}.bias")]).collect();
        let Changes { prompts, low_rank, replaced, ending: _ } = self.changes;
        once(self.name, "linear map", low_rank.iter().map(|delta| &delta.name), &maps)?;
        once(self.name, "weight", replaced.iter().map(|replaced| &replaced.name), &weights)?;
        let numbers: BTreeSet<_> = (0..self.count).map(|layer| layer.to_string()).collect();
        let given: Vec<_> = prompts.iter().map(|prompt| prompt.layer.to_string()).collect();
        once(self.name, "layer", given.iter(), &numbers)?;
        Ok(self)
    }

    /// Whether masks are given, which are those of prompts of full length.
    pub(super) fn has_masks(&self) -> bool {
        let mut dropouts = self.changes.low_rank.iter().filter_map(|delta| delta.dropout.as_ref());
        dropouts.any(|dropout| dropout.mask.is_some())
    }

    /// Prompts of the image tower `[images, tokens, width]` by layer, that of layer 0 first.
    pub(super) fn image_prompts(&self, images: i64) -> Result<Vec<(usize, Tensor)>> {
        let mut prompts = Vec::new();
        for prompt in &self.changes.prompts {
            let size = prompt.tokens.size();
            let fits = size.len() == 3 && [1, images].contains(&size[0]) && size[2] == self.width;
            if !fits {
                let (layer, width) = (prompt.layer, self.width);
                return Err(Error::new(format!(
                    "the prompt of layer {layer} has the shape {size:?}, not [1 or {images}, tokens, {width}]"
                )));
            }
            prompts.push((prompt.layer, prompt.tokens.expand([images, size[1], self.width], false)));
        }
        prompts.sort_by_key(|(layer, _)| *layer);
        let Some((layer, first)) = prompts.first() else { return Ok(prompts) };
        if *layer > 0 || prompts.iter().any(|(_, prompt)| prompt.size() != first.size()) {
            return Err(Error::new("prompts of the image tower need one of as many tokens at layer 0"));
        }
        Ok(prompts)
    }

    /// Prompts of the text tower `[copies · classes, tokens, width]` by layer.
    pub(super) fn text_prompts(&self, copies: i64, classes: i64, length: i64) -> Result<Vec<(usize, Tensor)>> {
        let mut prompts = Vec::new();
        for prompt in &self.changes.prompts {
            let (size, layer) = (prompt.tokens.size(), prompt.layer);
            if layer == 0 {
                return Err(Error::new("layer 0 of the text tower takes no prompt: contexts are what it is given"));
            }
            let fits = size.len() == 4 && size[0] == copies && [1, classes].contains(&size[1]) && size[3] == self.width;
            if !fits || size[2] >= length {
                let width = self.width;
                return Err(Error::new(format!(
                    "the prompt of layer {layer} has the shape {size:?}, not [{copies}, 1 or {classes}, fewer than \
                     {length}, {width}]"
                )));
            }
            let tokens = prompt.tokens.expand([copies, classes, size[2], self.width], false);
            prompts.push((layer, tokens.reshape([copies * classes, size[2], self.width])));
        }
        Ok(prompts)
    }

    /// All layers over tokens `[sequences, tokens, width]`; `before` changes what a layer is given.
    pub(super) fn layers(&self, mut x: Tensor, before: impl Fn(usize, Tensor) -> Result<Tensor>) -> Result<Tensor> {
        for layer in 0..self.count {
            x = before(layer, x)?;
            let attended = self.attention(&self.layer_norm(&x, &format!("{layer}.ln_1"))?, layer)?;
            // Not in place: the normalisation before it keeps its input for the gradient.
            x = &x + self.linear(&attended, layer, "o")?;
            let hidden = self.linear(&self.layer_norm(&x, &format!("{layer}.ln_2"))?, layer, "c_fc")?;
            x = &x + self.linear(&hidden.gelu("none"), layer, "c_proj")?;
        }
        Ok(x)
    }

    /// Layer normalisation by the name of its weights, without the tower's.
    pub(super) fn layer_norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let weight = self.weight(&format!("{name}.weight"), &[self.width], |numbers| numbers * 0.2 + 1.0)?;
        let bias = self.weight(&format!("{name}.bias"), &[self.width], |numbers| numbers * 0.2)?;
        Ok(x.f_layer_norm([self.width], Some(&weight), Some(&bias), 1e-5, false)?)
    }

    fn attention(&self, x: &Tensor, layer: usize) -> Result<Tensor> {
        let (sequences, tokens) = (x.size()[0], x.size()[1]);
        let head = |part| -> Result<Tensor> {
            Ok(self.linear(x, layer, part)?.view([sequences, tokens, HEADS, -1]).transpose(1, 2))
        };
        let (q, k, v) = (head("q")?, head("k")?, head("v")?);
        let mut scores = q.f_matmul(&k.transpose(-2, -1))? / ((self.width / HEADS) as f64).sqrt();
        if self.causal {
            let later = Tensor::ones([tokens, tokens], (Kind::Bool, x.device())).triu(1);
            scores = scores.masked_fill(&later, f64::NEG_INFINITY);
        }
        let attended = scores.softmax(-1, None::<Kind>).f_matmul(&v)?;
        Ok(attended.transpose(1, 2).reshape([sequences, tokens, self.width]))
    }

    /// A linear map of a layer, with its delta.
    fn linear(&self, x: &Tensor, layer: usize, part: &str) -> Result<Tensor> {
        let [from, to] = MAPS.iter().find(|(name, _)| *name == part).map_or([self.width; 2], |(_, sides)| {
            sides.map(|side| match side {
                Side::Token => self.width,
                Side::Hidden => self.hidden,
            })
        });
        let name = format!("{layer}.{part}");
        let root = (from as f64).sqrt();
        let weight = self.weight(&format!("{name}.weight"), &[to, from], |numbers| numbers / root)?;
        let bias = self.weight(&format!("{name}.bias"), &[to], |numbers| numbers * 0.2)?;
        let y = x.f_matmul(&weight.tr())? + bias;
        let name = format!("{}.{name}", self.name);
        let Some(delta) = self.changes.low_rank.iter().find(|delta| delta.name == name) else { return Ok(y) };
        let (down, up) = (delta.down.size(), delta.up.size());
        if down.len() != 2 || up.len() != 2 || down[1] != from || up[0] != to || down[0] != up[1] {
            return Err(Error::new(format!(
                "the delta on `{name}` has the shapes {down:?} and {up:?}, not [rank, {from}] and [{to}, rank]"
            )));
        }
        let dropped = self.dropped(x, delta)?;
        Ok(y + dropped.f_matmul(&delta.down.tr())?.f_matmul(&delta.up.tr())? * delta.scale)
    }

    /// The input of a delta, after dropout.
    fn dropped(&self, x: &Tensor, delta: &LowRank) -> Result<Tensor> {
        let Some(dropout) = &delta.dropout else { return Ok(x.shallow_clone()) };
        let probability = dropout.probability;
        if !(0.0..1.0).contains(&probability) {
            return Err(Error::new(format!("a dropout with probability {probability} is not between 0 and 1")));
        }
        if let Some(mask) = &dropout.mask {
            let (mask_size, size) = (mask.size(), x.size());
            if mask_size != size {
                let name = &delta.name;
                return Err(Error::new(format!("the mask of `{name}` has the shape {mask_size:?}, not {size:?}")));
            }
            return Ok(x * mask);
        }
        let bits = draws(self.toy.seed, &format!("dropout {}", delta.name), dropout.index, x.numel());
        let kept = 1.0 / (1.0 - probability);
        let mask: Vec<f64> =
            bits.into_iter().map(|bits| if uniform(bits) < probability { 0.0 } else { kept }).collect();
        Ok(x * Tensor::from_slice(&mask).view(x.size().as_slice()).to_kind(x.kind()))
    }

    /// A weight by its name without the tower's: the trained copy if there is one, and otherwise fixed random numbers,
    /// as `make` scales them.
    fn weight(&self, name: &str, shape: &[i64], make: impl FnOnce(Tensor) -> Tensor) -> Result<Tensor> {
        let name = format!("{}.{name}", self.name);
        let Some(replaced) = self.changes.replaced.iter().find(|replaced| replaced.name == name) else {
            return Ok(make(self.toy.numbers(&name, 0, shape)));
        };
        let found = replaced.tensor.size();
        if found != shape {
            return Err(Error::new(format!("the copy of `{name}` has the shape {found:?}, not {shape:?}")));
        }
        Ok(replaced.tensor.shallow_clone())
    }
}

/// Refuses what the tower does not have, and what is given twice.
fn once<'n>(tower: &str, what: &str, names: impl Iterator<Item = &'n String>, known: &BTreeSet<String>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !known.contains(name) {
            return Err(Error::new(format!("the {tower} tower has no {what} `{name}`")));
        }
        if !seen.insert(name) {
            return Err(Error::new(format!("the {what} `{name}` is changed twice")));
        }
    }
    Ok(())
}
