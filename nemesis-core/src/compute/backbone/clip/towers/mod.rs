//! CLIP's towers with changes of a method's own.

mod changes;
mod image;
mod names;
mod text;

use super::frozen::Layer;
use super::prompts::Prompts;
use super::tokenizer::{END, Tokenizer};
use super::vit::VisionTransformer;
use super::{Clip, ImageTower, TextPath};
use crate::backbone::{Change, ChangedTowers, ClassPrompts};
use crate::method::ClassPosition;
use crate::method::towers::{Changes, ImageFeatures, TowerSizes};
use crate::{Error, Result};
use image::ChangedImage;
use std::borrow::Cow;
use std::ops::Range;
use tch::{Tensor, no_grad};
use text::ChangedText;

/// Images that go through the tower together: more are not faster, and take more memory.
const IMAGES_AT_A_TIME: usize = 32;

impl Clip {
    fn vision_transformer(&self) -> Result<(&VisionTransformer, &[Layer])> {
        match &self.image {
            ImageTower::VisionTransformer(tower) => {
                let layers = || no_grad(|| tower.blocks().iter().map(|block| Layer::new(block, false)).collect());
                Ok((tower, self.image_layers.get_or_init(layers)))
            }
            ImageTower::ModifiedResNet(_) => Err(Error::new(
                "the image tower is a residual network, which takes neither prompt tokens nor deltas on weights",
            )
            .help("use a backbone with a vision transformer, such as ViT-B/16")),
        }
    }

    /// Whole prompts as classes without contexts.
    fn whole_prompts(&self, prompts: &[String]) -> Result<ClassPrompts> {
        let mut all = ClassPrompts { tokens: Vec::new(), name_lengths: Vec::new() };
        for prompt in prompts {
            let mut tokens = self.tokenize(prompt)?;
            // A prompt may spell out the end token, and CLIP reads the first one.
            tokens.truncate(1 + tokens.iter().position(|token| *token == END).unwrap_or(0));
            all.tokens.push(tokens.split_off(1));
            all.name_lengths.push(0);
        }
        Ok(all)
    }

    /// No context vectors, for one copy of whole prompts.
    fn no_contexts(&self) -> Tensor {
        Tensor::zeros([1, 1, 0, self.spec.width], (self.spec.kind, self.spec.device))
    }
}

/// The classes with `ending` behind their names.
fn ended<'a>(classes: &'a ClassPrompts, ending: Option<&str>) -> Result<Cow<'a, ClassPrompts>> {
    let Some(ending) = ending else { return Ok(Cow::Borrowed(classes)) };
    let after = Tokenizer::clip().encode(ending);
    if after.contains(&END) {
        return Err(Error::new(format!("what follows class names, `{ending}`, contains the end token")));
    }
    let name_lengths = classes.name_lengths.clone();
    let names = classes.tokens.iter().zip(&name_lengths).map(|(tokens, name)| &tokens[..*name]);
    let tokens = names.map(|name| [name, &after, &[END]].concat()).collect();
    Ok(Cow::Owned(ClassPrompts { tokens, name_lengths }))
}

impl ChangedTowers for Clip {
    fn sizes(&self) -> TowerSizes {
        let [image_layers, image_width, image_hidden, image_tokens] = match &self.image {
            ImageTower::VisionTransformer(tower) => {
                [tower.layers(), tower.width(), tower.blocks()[0].c_fc.weight.size()[0], tower.places()]
            }
            ImageTower::ModifiedResNet(_) => [0; 4],
        };
        let text = self.text.as_ref().map(|text| &text.layers);
        TowerSizes {
            image_layers: image_layers as usize,
            image_width,
            image_hidden,
            image_tokens,
            text_layers: text.map_or(0, Vec::len),
            text_width: self.spec.width,
            text_hidden: text.map_or(0, |layers| layers[0].hidden()),
        }
    }

    fn encode_images(
        &self,
        pixels: &Tensor,
        part: Range<usize>,
        change: Change<'_>,
        patches: bool,
    ) -> Result<ImageFeatures> {
        let pixels = self.fitting(pixels)?;
        let (tower, layers) = self.vision_transformer()?;
        let tower = ChangedImage::new(tower, layers, pixels.size()[0], change)?;
        let starts = part.clone().step_by(IMAGES_AT_A_TIME);
        let parts: Vec<ImageFeatures> =
            starts.map(|start| tower.encode(&pixels, start..part.end.min(start + IMAGES_AT_A_TIME), patches)).collect();
        let joined = |features: Vec<Tensor>| match &features[..] {
            [all] => all.to_kind(self.spec.kind),
            parts => Tensor::cat(parts, 0).to_kind(self.spec.kind),
        };
        if parts.is_empty() {
            return Err(Error::new("there are no images to encode"));
        }
        let (global, patches): (Vec<Tensor>, Vec<Option<Tensor>>) =
            parts.into_iter().map(|features| (features.global, features.patches)).unzip();
        Ok(ImageFeatures {
            global: joined(global),
            patches: patches.into_iter().collect::<Option<Vec<_>>>().map(joined),
        })
    }

    fn encode_contexts(
        &self,
        classes: &ClassPrompts,
        part: Range<usize>,
        contexts: &Tensor,
        position: ClassPosition,
        change: Change<'_>,
    ) -> Result<Tensor> {
        let copies = contexts.size().first().copied().unwrap_or_default();
        let text = ChangedText::new(self.text()?, copies, classes.len(), &part, change)?;
        let contexts = match contexts.size().get(1) {
            Some(sets) if *sets as usize == classes.len() => contexts.narrow(1, part.start as i64, part.len() as i64),
            _ => contexts.shallow_clone(),
        };
        let own = ended(&classes.slice(part), change.changes.ending.as_deref())?.into_owned();
        let prompts = Prompts::new(text.tower(), &own, &contexts, position)?;
        text.encode(&prompts, self.path)
    }

    fn encode_strings(&self, prompts: &[String], part: Range<usize>, change: Change<'_>) -> Result<Tensor> {
        if prompts.is_empty() {
            return Ok(Tensor::zeros([0, self.spec.embed_dim], (self.spec.kind, self.spec.device)));
        }
        if change.changes.ending.is_some() {
            return Err(Error::new("whole prompts have no class name for an ending to follow"));
        }
        let prompts = self.whole_prompts(prompts)?;
        let features =
            ChangedTowers::encode_contexts(self, &prompts, part, &self.no_contexts(), ClassPosition::End, change)?;
        Ok(features.squeeze_dim(0))
    }

    fn images_bytes(&self, images: usize, change: Change<'_>) -> u64 {
        let ImageTower::VisionTransformer(tower) = &self.image else { return 0 };
        let prompts =
            change.changes.prompts.first().map_or(0, |prompt| prompt.tokens.size().get(1).copied().unwrap_or(0));
        let rows = images as u64 * (tower.places() + prompts) as u64;
        let numbers = rows * KEPT * tower.width() as u64 * tower.layers() as u64;
        (numbers + masks(rows, change.changes)) * self.spec.kind.elt_size_in_bytes() as u64
    }

    fn contexts_bytes(
        &self,
        classes: &ClassPrompts,
        contexts: &Tensor,
        position: ClassPosition,
        change: Change<'_>,
    ) -> u64 {
        let Some(text) = &self.text else { return 0 };
        let ended = ended(classes, change.changes.ending.as_deref());
        let classes = ended.as_deref().unwrap_or(classes);
        let [copies, sets, vectors, width] = contexts.size()[..] else { return 0 };
        let own: usize = classes.tokens.iter().map(Vec::len).sum();
        let whole = own + classes.len() * (1 + vectors as usize);
        let has_dropout = change.changes.low_rank.iter().any(|delta| delta.dropout.is_some());
        let is_given =
            change.changes.low_rank.iter().any(|delta| delta.dropout.as_ref().is_some_and(|d| d.mask.is_some()));
        let is_specific = change.changes.prompts.iter().any(|prompt| prompt.tokens.size().get(1) != Some(&1));
        let rows = if self.path == TextPath::Plain || is_given {
            classes.len() * self.spec.context_length as usize
        } else if self.path == TextPath::Shared
            && sets == 1
            && position == ClassPosition::End
            && !has_dropout
            && !is_specific
        {
            own
        } else {
            whole
        };
        let rows = copies as u64 * rows as u64;
        let numbers = rows * KEPT * width as u64 * text.layers.len() as u64;
        (numbers + masks(rows, change.changes)) * self.spec.kind.elt_size_in_bytes() as u64
    }

    fn strings_bytes(&self, prompts: &[String], change: Change<'_>) -> u64 {
        let Ok(prompts) = self.whole_prompts(prompts) else { return 0 };
        self.contexts_bytes(&prompts, &self.no_contexts(), ClassPosition::End, change)
    }
}

/// How many times a row's width a layer keeps for the gradient: its input twice, queries, keys and values, what attention
/// makes of them, and four times the width in the perceptron; blocks of a tree keep the prefix's keys, too.
const KEPT: u64 = 13;

/// The numbers that dropout keeps: masks and what they are multiplied with.
fn masks(rows: u64, changes: &Changes) -> u64 {
    let with_dropout = changes.low_rank.iter().filter(|delta| delta.dropout.is_some());
    with_dropout.map(|delta| 2 * rows * delta.down.size().get(1).copied().unwrap_or(0) as u64).sum()
}
