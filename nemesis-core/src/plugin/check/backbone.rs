//! The toy backbone behind the services: [`ToyTower`] as a family of its own.

use crate::Result;
use crate::backbone::{Backbone, BackboneSpec, Change, ChangedTowers, ClassPrompts};
use crate::method::ClassPosition;
use crate::method::testing::ToyTower;
use crate::method::towers::{Changes, ImageFeatures, TowerSizes};
use std::ops::Range;
use tch::Tensor;

/// A backbone of two small transformers.
pub(super) struct ToyBackbone {
    pub(super) spec: BackboneSpec,
    pub(super) tower: ToyTower,
}

/// The bytes of each name are its tokens.
pub(super) fn name_prompts(class_names: &[String]) -> ClassPrompts {
    let tokens: Vec<Vec<i64>> = class_names.iter().map(|name| name.bytes().map(i64::from).collect()).collect();
    let name_lengths = tokens.iter().map(Vec::len).collect();
    ClassPrompts { tokens, name_lengths }
}

/// The names whose prompts these are.
fn names(classes: &ClassPrompts) -> Vec<String> {
    let text = |tokens: &Vec<i64>| tokens.iter().map(|token| char::from(*token as u8)).collect();
    classes.tokens.iter().map(text).collect()
}

impl Backbone for ToyBackbone {
    fn spec(&self) -> &BackboneSpec {
        &self.spec
    }

    fn encode_images(&self, pixels: &Tensor) -> Result<Tensor> {
        Ok(self.tower.encode_images(pixels, &Changes::default(), false)?.global)
    }

    fn encode_places(&self, pixels: &Tensor) -> Result<(Tensor, Tensor)> {
        let features = self.tower.encode_images(pixels, &Changes::default(), true)?;
        let places = features.patches.ok_or_else(|| crate::Error::new("the toy tower made no features of patches"))?;
        Ok((features.global, places))
    }

    fn encode_strings(&self, prompts: &[String]) -> Result<Tensor> {
        Ok(self.tower.encode_strings(prompts, &Changes::default())?)
    }

    fn embed_text(&self, text: &str) -> Result<Tensor> {
        Ok(self.tower.embeddings(&text.split_whitespace().collect::<Vec<_>>())?)
    }

    fn embed_tokens(&self, tokens: &[i64]) -> Result<Tensor> {
        self.embed_text(&tokens.iter().map(|token| char::from(*token as u8)).collect::<String>())
    }

    fn start_token(&self) -> i64 {
        0
    }

    fn class_prompts(&self, class_names: &[String], _context_vectors: usize) -> Result<ClassPrompts> {
        Ok(name_prompts(class_names))
    }

    fn encode_contexts(&self, classes: &ClassPrompts, contexts: &Tensor, position: ClassPosition) -> Result<Tensor> {
        Ok(self.tower.encode_contexts(&names(classes), contexts, position, &Changes::default())?)
    }

    fn graph_bytes(&self, classes: &ClassPrompts, contexts: &Tensor, _position: ClassPosition) -> u64 {
        (classes.len() * contexts.numel() * contexts.kind().elt_size_in_bytes()) as u64
    }

    fn towers(&self) -> Option<&dyn ChangedTowers> {
        Some(self)
    }
}

/// Everything is encoded, and the part is taken from it, so that dropout does not depend on the division.
impl ChangedTowers for ToyBackbone {
    fn sizes(&self) -> TowerSizes {
        ToyTower::SIZES
    }

    fn encode_images(
        &self,
        pixels: &Tensor,
        part: Range<usize>,
        change: Change<'_>,
        patches: bool,
    ) -> Result<ImageFeatures> {
        let features = self.seeded(change).encode_images(pixels, change.changes, patches)?;
        Ok(ImageFeatures {
            global: rows(&features.global, 0, &part),
            patches: features.patches.map(|patches| rows(&patches, 0, &part)),
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
        let tower = self.seeded(change);
        Ok(rows(&tower.encode_contexts(&names(classes), contexts, position, change.changes)?, 1, &part))
    }

    fn encode_strings(&self, prompts: &[String], part: Range<usize>, change: Change<'_>) -> Result<Tensor> {
        Ok(rows(&self.seeded(change).encode_strings(prompts, change.changes)?, 0, &part))
    }

    fn images_bytes(&self, images: usize, _change: Change<'_>) -> u64 {
        images as u64
    }

    fn contexts_bytes(
        &self,
        classes: &ClassPrompts,
        contexts: &Tensor,
        position: ClassPosition,
        _change: Change<'_>,
    ) -> u64 {
        self.graph_bytes(classes, contexts, position)
    }

    fn strings_bytes(&self, prompts: &[String], _change: Change<'_>) -> u64 {
        prompts.len() as u64
    }
}

impl ToyBackbone {
    fn seeded(&self, change: Change<'_>) -> ToyTower {
        ToyTower { seed: change.seed, ..self.tower }
    }
}

fn rows(tensor: &Tensor, dim: i64, part: &Range<usize>) -> Tensor {
    tensor.narrow(dim, part.start as i64, part.len() as i64)
}
