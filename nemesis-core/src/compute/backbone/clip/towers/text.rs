//! The text tower with changes.

use super::changes::{Noise, Parts, check_layers};
use super::names::{Norm, Tower};
use crate::backbone::Change;
use crate::backbone::clip::TextPath;
use crate::backbone::clip::frozen::{Deep, FrozenText, Layer, Numbering};
use crate::backbone::clip::prompts::Prompts;
use crate::backbone::clip::text::TextTower;
use crate::method::towers::LayerPrompt;
use crate::{Error, Result};
use std::ops::Range;
use tch::Tensor;

/// The text tower as one call sees it.
pub(super) struct ChangedText {
    text: FrozenText,
    noise: Noise,
}

impl ChangedText {
    /// The tower with changes, for `part` of so many classes in a call with `copies` of each.
    ///
    /// # Errors
    ///
    /// When a change does not fit.
    pub(super) fn new(
        frozen: &FrozenText,
        copies: i64,
        classes: usize,
        part: &Range<usize>,
        change: Change<'_>,
    ) -> Result<Self> {
        let tower = &frozen.tower;
        let deep = prompts(&change.changes.prompts, frozen, copies, classes as i64, part)?;
        let mut layers: Vec<Layer> = frozen.layers.iter().map(Layer::shallow_clone).collect();
        let mut norms = [(Norm::Final, tower.ln_final().shallow_clone())];
        let noise = Parts {
            tower: Tower::Text,
            layers: &mut layers,
            norms: &mut norms,
            device: tower.device(),
            sequences: copies * classes as i64,
            places: tower.context_length(),
        }
        .change(change)?;
        let [(_, ln_final)] = norms;
        let tower = tower.with_ln_final(ln_final);
        let numbering = Numbering { first: part.start, all: classes };
        Ok(Self { text: FrozenText { tower, layers, deep, first_dropout: noise.first, numbering }, noise })
    }

    /// The tower, for the prompts of a call.
    pub(super) fn tower(&self) -> &TextTower {
        &self.text.tower
    }

    /// Features `[copies, classes, embed_dim]` of the part's prompts.
    ///
    /// # Errors
    ///
    /// When prompt tokens take the place of an end token.
    pub(super) fn encode(&self, prompts: &Prompts<'_>, path: TextPath) -> Result<Tensor> {
        let text = &self.text;
        for deep in &text.deep {
            let tokens = deep.tokens.size()[2];
            if let Some(class) = (0..prompts.classes()).find(|class| tokens + 1 >= prompts.length(*class)) {
                let (number, length) = (text.numbering.first + class, prompts.length(class));
                return Err(Error::new(format!(
                    "{tokens} prompt tokens before layer {} reach the end token of prompt {number}",
                    deep.layer
                ))
                .expected(format!("at most {}, since the prompt has {length} tokens with start and end", length - 2)));
            }
        }
        Ok(match (path, prompts.common_prefix()) {
            (TextPath::Plain, _) => text.encode_padded(prompts),
            _ if self.noise.is_given => text.encode_padded(prompts),
            (TextPath::Shared, Some(prefix)) => match self.shared_layers() {
                0 => text.encode_cut(prompts),
                layers if layers == text.layers.len() => text.encode_tree(&prefix, &prompts.class_tokens()),
                split => text.encode_split(&prefix, prompts, split),
            },
            _ => text.encode_cut(prompts),
        })
    }

    /// How many layers come before the first in which every prompt needs rows of its own.
    fn shared_layers(&self) -> usize {
        let deep = self.text.deep.iter().filter(|deep| deep.is_class_specific()).map(|deep| deep.layer);
        deep.chain(self.noise.first).min().unwrap_or(self.text.layers.len())
    }
}

/// Prompt tokens for a part of the classes, in the tower's type.
fn prompts(
    prompts: &[LayerPrompt],
    frozen: &FrozenText,
    copies: i64,
    classes: i64,
    part: &Range<usize>,
) -> Result<Vec<Deep>> {
    check_layers(prompts, Tower::Text, frozen.layers.len())?;
    let tower = &frozen.tower;
    let width = tower.width();
    let fitting = |LayerPrompt { layer, tokens }: &LayerPrompt| {
        if *layer == 0 {
            return Err(Error::new("prompt tokens for layer 0 of the text tower")
                .help("what enters the text tower are the contexts of `encode_contexts`"));
        }
        let sets = match tokens.size()[..] {
            [c, sets, count, w] if c == copies && (sets == 1 || sets == classes) && count > 0 && w == width => sets,
            ref shape => {
                return Err(Error::new(format!(
                    "prompt tokens of the shape {shape:?} for layer {layer} of the text tower"
                ))
                .expected(format!("the shape [{copies}, 1 or {classes}, tokens, {width}]")));
            }
        };
        let tokens = tokens.to_device(tower.device()).to_kind(tower.kind());
        let tokens = if sets == 1 { tokens } else { tokens.narrow(1, part.start as i64, part.len() as i64) };
        Ok(Deep { layer: *layer, tokens })
    };
    prompts.iter().map(fitting).collect()
}
