//! The vision transformer with changes.

use super::changes::{Noise, Parts, check_layers};
use super::names::{Norm, Tower};
use crate::backbone::Change;
use crate::backbone::clip::frozen::{Layer, Rows, Seen};
use crate::backbone::clip::layers::LayerNorm;
use crate::backbone::clip::vit::VisionTransformer;
use crate::method::towers::{ImageFeatures, LayerPrompt};
use crate::{Error, Result};
use std::ops::Range;
use tch::{Kind, Tensor};

/// A vision transformer as one call sees it.
pub(super) struct ChangedImage<'a> {
    tower: &'a VisionTransformer,
    layers: Vec<Layer>,
    ln_pre: LayerNorm,
    ln_post: LayerNorm,
    /// Prompt tokens `[1 or images, tokens, width]` by layer.
    prompts: Vec<(usize, Tensor)>,
    /// Tokens of an image, prompts included.
    tokens: i64,
    noise: Noise,
}

impl<'a> ChangedImage<'a> {
    /// The tower, whose frozen `layers` are these, with changes for a call with so many images.
    ///
    /// # Errors
    ///
    /// When a change does not fit.
    pub(super) fn new(tower: &'a VisionTransformer, layers: &[Layer], images: i64, change: Change<'_>) -> Result<Self> {
        let prompts = prompts(&change.changes.prompts, tower, images)?;
        let appended = prompts.first().map_or(0, |(_, tokens)| tokens.size()[1]);
        let tokens = tower.places() + appended;
        let mut layers: Vec<Layer> = layers.iter().map(Layer::shallow_clone).collect();
        let mut norms = [(Norm::Pre, tower.ln_pre().shallow_clone()), (Norm::Post, tower.ln_post().shallow_clone())];
        let noise = Parts {
            tower: Tower::Image,
            layers: &mut layers,
            norms: &mut norms,
            device: tower.device(),
            sequences: images,
            places: tokens,
        }
        .change(change)?;
        let [(_, ln_pre), (_, ln_post)] = norms;
        Ok(Self { tower, layers, ln_pre, ln_post, prompts, tokens, noise })
    }

    /// Features of the pixels of some of the images.
    pub(super) fn encode(&self, pixels: &Tensor, part: Range<usize>, patches: bool) -> ImageFeatures {
        let (first, count) = (part.start as i64, part.len() as i64);
        let prompt = |layer| {
            let (_, tokens) = self.prompts.iter().find(|(other, _)| *other == layer)?;
            let tokens = if tokens.size()[0] == 1 { tokens.shallow_clone() } else { tokens.narrow(0, first, count) };
            Some(tokens.expand([count, -1, -1], false))
        };
        let mut x = self.tower.embed(&pixels.narrow(0, first, count));
        if let Some(tokens) = prompt(0) {
            x = Tensor::cat(&[x, tokens], 1);
        }
        x = self.ln_pre.forward(&x);
        let rows = self.noise.first.map(|_| Rows::first(first..first + count, self.tokens, self.tokens));
        let class_token = Tensor::zeros([count, 1], (Kind::Int64, x.device()));
        for (number, layer) in self.layers.iter().enumerate() {
            if let Some(tokens) = prompt(number).filter(|_| number > 0) {
                x = Tensor::cat(&[x.narrow(1, 0, self.tokens - tokens.size()[1]), tokens], 1);
            }
            // Nothing else is read of what the last layer leaves, unless it is the patches.
            let ends = (number + 1 == self.layers.len() && !patches).then_some(&class_token);
            x = layer.forward(&x, &Seen { ends, rows: rows.as_ref(), ..Seen::default() });
        }
        let project = |tokens: &Tensor| self.tower.project(&self.ln_post, tokens);
        let patches = patches.then(|| project(&x.narrow(1, 1, self.tower.places() - 1)));
        ImageFeatures { global: project(&x.select(1, 0)), patches }
    }
}

/// Prompt tokens by layer in the tower's type, in order.
fn prompts(prompts: &[LayerPrompt], tower: &VisionTransformer, images: i64) -> Result<Vec<(usize, Tensor)>> {
    check_layers(prompts, Tower::Image, tower.layers() as usize)?;
    let width = tower.width();
    let mut fitting = Vec::with_capacity(prompts.len());
    for LayerPrompt { layer, tokens } in prompts {
        match tokens.size()[..] {
            [sets, count, w] if (sets == 1 || sets == images) && count > 0 && w == width => {}
            ref shape => {
                return Err(Error::new(format!(
                    "prompt tokens of the shape {shape:?} for layer {layer} of the image tower"
                ))
                .expected(format!("the shape [1 or {images}, tokens, {width}]")));
            }
        }
        fitting.push((*layer, tokens.to_device(tower.device()).to_kind(tower.kind())));
    }
    fitting.sort_by_key(|(layer, _)| *layer);
    let Some((first, appended)) = fitting.first() else { return Ok(fitting) };
    if *first != 0 {
        return Err(Error::new(format!("prompt tokens for layer {first} of the image tower, and none for layer 0"))
            .help("prompt tokens of later layers take the place of those that layer 0 appends"));
    }
    let count = appended.size()[1];
    if let Some((layer, tokens)) = fitting.iter().find(|(_, tokens)| tokens.size()[1] != count) {
        return Err(Error::new(format!("{} prompt tokens for layer {layer} of the image tower", tokens.size()[1]))
            .expected(format!("{count}, as many as layer 0 appends")));
    }
    Ok(fitting)
}
