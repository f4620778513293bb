//! The toy towers: what the text tower is given, and what the image tower is.

use super::transformer::Transformer;
use crate::random::{draws, normals};
use crate::towers::{Changes, ImageFeatures, TowerSizes};
use crate::{ClassPosition, Error, Result};
use tch::{Device, Kind, Tensor};

/// Two small transformers with fixed random weights. Text features depend on every context vector, the class and the
/// class position; those of images on every pixel. Both depend on all [`Changes`].
#[derive(Clone, Copy, Debug)]
pub struct ToyTower {
    /// The type that it computes in.
    pub kind: Kind,
    /// The seed of dropout masks.
    pub seed: u64,
}

impl ToyTower {
    /// Width of a context vector.
    pub const WIDTH: i64 = Self::SIZES.text_width;
    /// Width of the embedding space.
    pub const EMBED_DIM: i64 = 5;
    /// The longest prompt in tokens.
    pub const CONTEXT_LENGTH: i64 = 77;
    /// Height and width of an image in pixels, of which each quarter is a patch.
    pub const SIDE: i64 = 8;
    /// The sizes of the transformers. No two are equal, so that a mix-up fails.
    pub const SIZES: TowerSizes = TowerSizes {
        image_layers: 3,
        image_width: 8,
        image_hidden: 11,
        image_tokens: 5,
        text_layers: 2,
        text_width: 6,
        text_hidden: 9,
    };

    /// Fixed normally distributed numbers, a pure function of name and index.
    pub fn numbers(self, name: &str, index: u64, shape: &[i64]) -> Tensor {
        let count = shape.iter().product::<i64>() as usize;
        let numbers = normals(count, |bits| draws(99, name, index, bits));
        Tensor::from_slice(&numbers).view(shape).to_kind(self.kind)
    }

    /// Features of pixels `[images, 3, side, side]`, and of patches if `patches`: as
    /// [`Towers::encode_images`](crate::towers::Towers::encode_images).
    ///
    /// # Errors
    ///
    /// When the pixels or a change do not fit.
    pub fn encode_images(self, pixels: &Tensor, changes: &Changes, patches: bool) -> Result<ImageFeatures> {
        let (side, width, tokens) = (Self::SIDE, Self::SIZES.image_width, Self::SIZES.image_tokens);
        let size = pixels.size();
        let &[images, 3, s, t] = size.as_slice() else {
            return Err(Error::new(format!("pixels have the shape {size:?}, not [images, 3, {side}, {side}]")));
        };
        if (s, t) != (side, side) {
            return Err(Error::new(format!("images of {s} × {t} pixels do not fit; they must have {side} × {side}")));
        }
        let tower = Transformer::image(self, changes)?;
        let half = side / 2;
        let cut = pixels.view([images, 3, 2, half, 2, half]).permute([0, 2, 4, 1, 3, 5]);
        let cut = cut.reshape([images, tokens - 1, 3 * half * half]);
        let embedded = cut.f_matmul(&(self.numbers("patches", 0, &[3 * half * half, width]) / side as f64))?;
        let class = self.numbers("class token", 0, &[1, 1, width]).expand([images, -1, -1], false);
        let x = Tensor::cat(&[class, embedded], 1) + self.numbers("image position", 0, &[tokens, width]);
        let prompts = tower.image_prompts(images)?;
        let appended = prompts.first().map_or(0, |(_, prompt)| prompt.size()[1]);
        let x = match prompts.first() {
            Some((_, first)) => Tensor::f_cat(&[&x, first], 1)?,
            None => x,
        };
        let x = tower.layer_norm(&x, "ln_pre")?;
        let x = tower.layers(x, |layer, x| {
            let Some((_, prompt)) = prompts.iter().find(|(of, _)| *of == layer && layer > 0) else { return Ok(x) };
            Ok(Tensor::f_cat(&[&x.narrow(1, 0, x.size()[1] - appended), prompt], 1)?)
        })?;
        let embed = |x: &Tensor| -> Result<Tensor> {
            let projection = self.numbers("image projection", 0, &[width, Self::EMBED_DIM]);
            Ok(tower.layer_norm(x, "ln_post")?.f_matmul(&projection)?)
        };
        let of_patches = patches.then(|| embed(&x.narrow(1, 1, tokens - 1))).transpose()?;
        Ok(ImageFeatures { global: embed(&x.select(1, 0))?, patches: of_patches })
    }

    /// Features `[copies, classes, embed_dim]` of class names behind `contexts` `[copies, 1 or classes, context
    /// vectors, width]`: as [`Towers::encode_contexts`](crate::towers::Towers::encode_contexts).
    ///
    /// # Errors
    ///
    /// When the contexts or a change do not fit, or a prompt is too long.
    pub fn encode_contexts(
        self,
        class_names: &[String],
        contexts: &Tensor,
        position: ClassPosition,
        changes: &Changes,
    ) -> Result<Tensor> {
        let size = contexts.size();
        let classes = class_names.len() as i64;
        let &[copies, of_classes, vectors, Self::WIDTH] = size.as_slice() else {
            let width = Self::WIDTH;
            return Err(Error::new(format!(
                "contexts have the shape {size:?}, not [copies, 1 or {classes}, vectors, {width}]"
            )));
        };
        if of_classes != 1 && of_classes != classes {
            return Err(Error::new(format!("contexts for {of_classes} classes do not fit {classes} classes")));
        }
        let before = match position {
            ClassPosition::End => vectors,
            ClassPosition::Middle => vectors / 2,
            ClassPosition::Front => 0,
        };
        let contexts = contexts.expand([copies, classes, vectors, Self::WIDTH], false);
        let ending = self.embeddings(&words(changes.ending.as_deref().unwrap_or_default()))?;
        let ending = ending.unsqueeze(0).expand([copies, -1, -1], false);
        let sequences = class_names.iter().enumerate().map(|(class, name)| {
            let name = self.embeddings(&words(name))?.unsqueeze(0).expand([copies, -1, -1], false);
            let context = contexts.select(1, class as i64);
            let after = context.narrow(1, before, vectors - before);
            let parts = [context.narrow(1, 0, before), name, after, ending.shallow_clone()];
            Ok(Tensor::f_cat(&parts, 1)?)
        });
        self.encode_text(&sequences.collect::<Result<Vec<_>>>()?, changes)
    }

    /// Features `[prompts, embed_dim]` of whole prompts: as
    /// [`Towers::encode_strings`](crate::towers::Towers::encode_strings).
    ///
    /// # Errors
    ///
    /// When there are no prompts, one is too long, or a change does not fit.
    pub fn encode_strings(self, prompts: &[String], changes: &Changes) -> Result<Tensor> {
        if changes.ending.is_some() {
            return Err(Error::new("whole prompts have no class name for an ending to follow"));
        }
        let sequences = prompts.iter().map(|prompt| Ok(self.embeddings(&words(prompt))?.unsqueeze(0)));
        Ok(self.encode_text(&sequences.collect::<Result<Vec<_>>>()?, changes)?.squeeze_dim(0))
    }

    /// Embeddings `[words, width]` of words, each of which is one token here.
    ///
    /// # Errors
    ///
    /// When libtorch fails.
    pub fn embeddings<W: AsRef<str>>(self, words: &[W]) -> Result<Tensor> {
        if words.is_empty() {
            return Ok(Tensor::zeros([0, Self::WIDTH], (self.kind, Device::Cpu)));
        }
        let rows: Vec<_> = words.iter().map(|word| self.numbers(word.as_ref(), 0, &[Self::WIDTH])).collect();
        Ok(Tensor::f_stack(&rows, 0)?)
    }

    /// Features `[copies, classes, embed_dim]` of the tokens `[copies, tokens, width]` between the start and the end
    /// token of each class.
    fn encode_text(self, sequences: &[Tensor], changes: &Changes) -> Result<Tensor> {
        let (width, classes) = (Self::WIDTH, sequences.len() as i64);
        let Some(copies) = sequences.first().map(|sequence| sequence.size()[0]) else {
            return Err(Error::new("there are no prompts"));
        };
        let tower = Transformer::text(self, changes)?;
        let ends: Vec<i64> = sequences.iter().map(|sequence| sequence.size()[1] + 1).collect();
        let longest = ends.iter().max().map_or(0, |end| end + 1);
        if longest > Self::CONTEXT_LENGTH {
            let limit = Self::CONTEXT_LENGTH;
            return Err(Error::new(format!("a prompt of {longest} tokens is longer than {limit} tokens")));
        }
        // Masks are for prompts of full length. Otherwise nothing behind the end token counts, in a causal tower.
        let length = if tower.has_masks() { Self::CONTEXT_LENGTH } else { longest };
        let token = |name: &str| self.numbers(name, 0, &[1, 1, width]).expand([copies, -1, -1], false);
        let padded = sequences.iter().zip(&ends).map(|(sequence, end)| {
            let rest = Tensor::zeros([copies, length - 1 - end, width], (self.kind, Device::Cpu));
            Ok(Tensor::f_cat(&[token("start of text"), sequence.shallow_clone(), token("end of text"), rest], 1)?)
        });
        let x = Tensor::f_stack(&padded.collect::<Result<Vec<_>>>()?, 1)?.reshape([copies * classes, length, width]);
        let x = x + self.numbers("text position", 0, &[Self::CONTEXT_LENGTH, width]).narrow(0, 0, length);
        let prompts = tower.text_prompts(copies, classes, length)?;
        let x = tower.layers(x, |layer, x| {
            let Some((_, prompt)) = prompts.iter().find(|(of, _)| *of == layer) else { return Ok(x) };
            let after = 1 + prompt.size()[1];
            Ok(Tensor::f_cat(&[&x.narrow(1, 0, 1), prompt, &x.narrow(1, after, length - after)], 1)?)
        })?;
        let rows: Vec<_> = (0..copies).flat_map(|_| &ends).copied().collect();
        let rows = Tensor::from_slice(&rows).view([-1, 1, 1]).expand([-1, 1, width], false);
        let x = tower.layer_norm(&x.gather(1, &rows, false).squeeze_dim(1), "ln_final")?;
        let projection = self.numbers("text projection", 0, &[width, Self::EMBED_DIM]);
        Ok(x.f_matmul(&projection)?.view([copies, classes, Self::EMBED_DIM]))
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}
