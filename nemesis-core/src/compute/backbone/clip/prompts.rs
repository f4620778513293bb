//! Prompts as rows of embeddings: start token, context vectors and class tokens, in the order of the class position.
//!
//! After `PromptLearner` in `trainers/coop.py` of CoOp.

use super::text::TextTower;
use super::tokenizer::{END, START};
use crate::backbone::ClassPrompts;
use crate::method::ClassPosition;
use crate::{Error, Result};
use tch::Tensor;

/// Context vectors and class tokens that fit together and fit a tower.
pub(super) struct Prompts<'a> {
    tower: &'a TextTower,
    classes: &'a ClassPrompts,
    /// `[copies, 1 or classes, context vectors, width]`
    contexts: Tensor,
    position: ClassPosition,
    /// For each class the place of its end token among its own tokens.
    ends: Vec<usize>,
}

impl<'a> Prompts<'a> {
    /// # Errors
    ///
    /// When there is no class, when the contexts have another shape, or when a prompt is too long.
    pub(super) fn new(
        tower: &'a TextTower,
        classes: &'a ClassPrompts,
        contexts: &Tensor,
        position: ClassPosition,
    ) -> Result<Self> {
        if classes.is_empty() {
            return Err(Error::new("there are no classes to make prompts of").help("name at least one class"));
        }
        let width = tower.width();
        match contexts.size()[..] {
            [copies, sets, _, w] if copies > 0 && w == width && (sets == 1 || sets as usize == classes.len()) => {}
            ref shape => {
                return Err(Error::new(format!("context vectors of the shape {shape:?}"))
                    .expected(format!("the shape [copies, 1 or {}, context vectors, {width}]", classes.len())));
            }
        }
        let contexts = contexts.to_device(tower.device()).to_kind(tower.kind());
        let ends = classes.tokens.iter().map(|tokens| tokens.iter().position(|token| *token == END));
        let ends = ends.zip(&classes.name_lengths).enumerate().map(|(class, (end, name))| {
            end.filter(|end| end >= name).ok_or_else(|| {
                Error::new(format!("the tokens of class {class} lack the end token after the class name"))
                    .help("make them with `class_prompts`")
            })
        });
        let prompts = Self { tower, classes, contexts, position, ends: ends.collect::<Result<_>>()? };
        let too_long = (0..classes.len()).find(|class| prompts.length(*class) > tower.context_length());
        match too_long {
            Some(class) => Err(Error::new(format!("the prompt of class {class} has {} tokens", prompts.length(class)))
                .expected(format!("at most {}", tower.context_length()))
                .help("use fewer context vectors or a shorter class name")),
            None => Ok(prompts),
        }
    }

    /// The number of classes.
    pub(super) fn classes(&self) -> usize {
        self.ends.len()
    }

    /// The number of copies of every prompt, which differ in their context vectors.
    pub(super) fn copies(&self) -> i64 {
        self.contexts.size()[0]
    }

    /// What all prompts begin with, when they do: embeddings `[copies, 1 + context vectors, width]` of start token and
    /// context vectors, without positions.
    pub(super) fn common_prefix(&self) -> Option<Tensor> {
        let (copies, sets, _, width) = self.contexts.size4().expect("`new` has checked the shape");
        let start = self.tower.embed(&self.tower.indices(&[START])).expand([copies, 1, width], false);
        (sets == 1 && self.position == ClassPosition::End).then(|| Tensor::cat(&[start, self.contexts.select(1, 0)], 1))
    }

    /// The tokens of each class up to its end token.
    pub(super) fn class_tokens(&self) -> Vec<&[i64]> {
        self.classes.tokens.iter().zip(&self.ends).map(|(tokens, end)| &tokens[..=*end]).collect()
    }

    /// The length of a class's prompt, from start token to end token.
    pub(super) fn length(&self, class: usize) -> i64 {
        1 + self.vectors() + self.ends[class] as i64 + 1
    }

    /// The number of context vectors.
    fn vectors(&self) -> i64 {
        self.contexts.size()[2]
    }

    /// Embeddings `[copies, classes, length, width]` of the prompts of some classes, without positions, cut or padded
    /// to `length`.
    pub(super) fn embed(&self, classes: &[usize], length: i64) -> Tensor {
        let (copies, sets, vectors, width) = self.contexts.size4().expect("`new` has checked the shape");
        let count = classes.len() as i64;
        let own = length - 1 - vectors;
        let expand = |rows: Tensor, length| rows.expand([copies, count, length, width], false);
        let start = expand(self.tower.embed(&self.tower.indices(&[START])), 1);
        let contexts = match sets {
            1 => self.contexts.shallow_clone(),
            _ => self.contexts.index_select(1, &self.class_indices(classes)),
        };
        let tokens = expand(self.tower.embed(&self.padded_tokens(classes, own)), own);
        let rows = Tensor::cat(&[start, expand(contexts, vectors), tokens], 2);
        if self.position == ClassPosition::End {
            return rows;
        }
        let order: Vec<i64> = classes.iter().flat_map(|class| self.order(*class, length)).collect();
        let order = self.tower.indices(&order).view([1, count, length, 1]);
        rows.gather(2, &order.expand_as(&rows), false)
    }

    /// The row of each class's end token in what [`Prompts::embed`] returns.
    pub(super) fn end_rows(&self, classes: &[usize]) -> Tensor {
        // No class position moves the end token, since nothing comes after it.
        self.tower.indices(&classes.iter().map(|class| self.length(*class) - 1).collect::<Vec<_>>())
    }

    /// Tokens `[classes, length]` of some classes, padded as CLIP does with the token zero.
    fn padded_tokens(&self, classes: &[usize], length: i64) -> Tensor {
        let padded = classes.iter().flat_map(|class| {
            let tokens = self.classes.tokens[*class].iter().copied().chain(std::iter::repeat(0));
            tokens.take(length as usize)
        });
        self.tower.indices(&padded.collect::<Vec<_>>()).view([classes.len() as i64, length])
    }

    pub(super) fn class_indices(&self, classes: &[usize]) -> Tensor {
        self.tower.indices(&classes.iter().map(|class| *class as i64).collect::<Vec<_>>())
    }

    /// Where each row of a prompt comes from among start token, context vectors and class tokens.
    fn order(&self, class: usize, length: i64) -> impl Iterator<Item = i64> + use<> {
        let vectors = self.vectors();
        let before = match self.position {
            ClassPosition::End => vectors,
            ClassPosition::Middle => vectors / 2,
            ClassPosition::Front => 0,
        };
        let name = 1 + vectors..1 + vectors + self.classes.name_lengths[class] as i64;
        (0..=before).chain(name.clone()).chain(1 + before..name.start).chain(name.end..length)
    }
}
