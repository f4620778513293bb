//! What is encoded for a method, so that a backward pass can encode parts of it again.

use crate::backbone::{Backbone, Change, ChangedTowers, ClassPrompts};
use crate::method::ClassPosition;
use crate::method::towers::{Changes, Dropout, ImageFeatures, LayerPrompt, LowRank, Replacement};
use crate::{Error, Result};
use std::ops::Range;
use tch::Tensor;

/// One call of a service that encodes.
#[derive(Debug)]
pub(super) enum Encoding {
    /// Class names behind contexts in the frozen tower.
    Frozen { contexts: Tensor, position: ClassPosition },
    /// The same with changes.
    Contexts { contexts: Tensor, position: ClassPosition, changes: Changes },
    /// Whole prompts with changes.
    Strings { prompts: Vec<String>, changes: Changes },
    /// Pixels with changes; features of patches, too, if they are asked for.
    Images { pixels: Tensor, patches: bool, changes: Changes },
}

/// What encoding depends on besides the call.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) backbone: &'a dyn Backbone,
    pub(super) classes: &'a ClassPrompts,
    pub(super) seed: u64,
}

impl Setting<'_> {
    fn towers(&self) -> Result<&dyn ChangedTowers> {
        self.backbone.towers().ok_or_else(|| Error::new("this backbone's towers take no changes"))
    }
}

impl Encoding {
    /// How many classes, prompts or images there are.
    pub(super) fn count(&self, setting: Setting<'_>) -> usize {
        match self {
            Self::Frozen { .. } | Self::Contexts { .. } => setting.classes.len(),
            Self::Strings { prompts, .. } => prompts.len(),
            Self::Images { pixels, .. } => pixels.size().first().map_or(0, |images| *images as usize),
        }
    }

    /// The dimension of the features in which classes, prompts or images lie.
    pub(super) fn dim(&self) -> i64 {
        match self {
            Self::Frozen { .. } | Self::Contexts { .. } => 1,
            Self::Strings { .. } | Self::Images { .. } => 0,
        }
    }

    /// About how many bytes the graph takes.
    pub(super) fn bytes(&self, setting: Setting<'_>) -> u64 {
        let Setting { backbone, classes, seed } = setting;
        match (self, backbone.towers()) {
            (Self::Frozen { contexts, position }, _) => backbone.graph_bytes(classes, contexts, *position),
            (_, None) => 0,
            (Self::Contexts { contexts, position, changes }, Some(towers)) => {
                towers.contexts_bytes(classes, contexts, *position, Change { changes, seed })
            }
            (Self::Strings { prompts, changes }, Some(towers)) => {
                towers.strings_bytes(prompts, Change { changes, seed })
            }
            (Self::Images { changes, .. }, Some(towers)) => {
                towers.images_bytes(self.count(setting), Change { changes, seed })
            }
        }
    }

    /// Features of a part of the classes, prompts or images: one tensor, or two for images with patches.
    pub(super) fn encode(&self, setting: Setting<'_>, part: Range<usize>) -> Result<Vec<Tensor>> {
        let Setting { backbone, classes, seed } = setting;
        match self {
            Self::Frozen { contexts, position } if part.len() == classes.len() => {
                Ok(vec![backbone.encode_contexts(classes, contexts, *position)?])
            }
            Self::Frozen { contexts, position } => {
                let own = class_range(contexts, &part);
                Ok(vec![backbone.encode_contexts(&classes.slice(part), &own, *position)?])
            }
            Self::Contexts { contexts, position, changes } => {
                let change = Change { changes, seed };
                Ok(vec![setting.towers()?.encode_contexts(classes, part, contexts, *position, change)?])
            }
            Self::Strings { prompts, changes } => {
                Ok(vec![setting.towers()?.encode_strings(prompts, part, Change { changes, seed })?])
            }
            Self::Images { pixels, patches, changes } => {
                let change = Change { changes, seed };
                let ImageFeatures { global, patches } =
                    setting.towers()?.encode_images(pixels, part, change, *patches)?;
                Ok([global].into_iter().chain(patches).collect())
            }
        }
    }

    /// The tensors that features are differentiable in.
    pub(super) fn tensors(&self) -> Vec<Tensor> {
        let mut tensors = Vec::new();
        self.map(&mut |tensor| {
            tensors.push(tensor.shallow_clone());
            tensor.shallow_clone()
        });
        tensors
    }

    /// The same call with every tensor that features are differentiable in made into a different one.
    pub(super) fn map(&self, of: &mut dyn FnMut(&Tensor) -> Tensor) -> Self {
        match self {
            Self::Frozen { contexts, position } => Self::Frozen { contexts: of(contexts), position: *position },
            Self::Contexts { contexts, position, changes } => {
                Self::Contexts { contexts: of(contexts), position: *position, changes: map(changes, of) }
            }
            Self::Strings { prompts, changes } => Self::Strings { prompts: prompts.clone(), changes: map(changes, of) },
            Self::Images { pixels, patches, changes } => {
                Self::Images { pixels: pixels.shallow_clone(), patches: *patches, changes: map(changes, of) }
            }
        }
    }
}

/// Changes whose tensors share the memory of the given ones.
pub(super) fn shallow(changes: &Changes) -> Changes {
    map(changes, &mut Tensor::shallow_clone)
}

fn map(changes: &Changes, of: &mut dyn FnMut(&Tensor) -> Tensor) -> Changes {
    let Changes { prompts, low_rank, replaced, ending } = changes;
    let prompts = prompts.iter().map(|LayerPrompt { layer, tokens }| LayerPrompt { layer: *layer, tokens: of(tokens) });
    let prompts = prompts.collect();
    let low_rank = low_rank.iter().map(|LowRank { name, down, up, scale, dropout }| LowRank {
        name: name.clone(),
        down: of(down),
        up: of(up),
        scale: *scale,
        dropout: dropout.as_ref().map(|Dropout { probability, index, mask }| Dropout {
            probability: *probability,
            index: *index,
            mask: mask.as_ref().map(&mut *of),
        }),
    });
    let low_rank = low_rank.collect();
    let replaced =
        replaced.iter().map(|Replacement { name, tensor }| Replacement { name: name.clone(), tensor: of(tensor) });
    Changes { prompts, low_rank, replaced: replaced.collect(), ending: ending.clone() }
}

/// The contexts of a range of classes: all of them where one context serves every class.
fn class_range(contexts: &Tensor, part: &Range<usize>) -> Tensor {
    if contexts.size().get(1) == Some(&1) {
        contexts.shallow_clone()
    } else {
        contexts.narrow(1, part.start as i64, part.len() as i64)
    }
}
