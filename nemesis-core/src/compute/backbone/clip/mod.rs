//! CLIP as OpenAI published it: Radford et al., "Learning Transferable Visual Models From Natural Language
//! Supervision" (2021), after `clip/model.py` of openai/CLIP.
//!
//! [`Clip`] is the frozen model behind the trait [`Backbone`]. The towers alone ([`VisionTransformer`],
//! [`ModifiedResNet`], [`TextTower`]) are made of [`Weights`], keep shallow copies of them, and are differentiable in
//! those that require gradients: what pre-training needs.

mod batches;
mod buffers;
mod checked;
mod foreign;
mod frozen;
mod half;
mod image;
mod layers;
mod layout;
mod load;
mod preprocess;
mod prompts;
mod resnet;
mod text;
mod text_cleaning;
mod tokenizer;
mod towers;
mod tree;
mod vit;
mod weights;

pub use image::ImageTower;
pub(super) use load::FAMILY;
pub use preprocess::preprocess;
pub use resnet::ModifiedResNet;
pub use text::TextTower;
pub(crate) use text_cleaning::clean as clean_text;
pub use tokenizer::{END, START, Tokenizer};
pub use vit::VisionTransformer;
pub use weights::Weights;

use super::{Backbone, BackboneSpec, ChangedTowers, ClassPrompts};
use crate::backbone::class_words;
use crate::method::ClassPosition;
use crate::{Error, Result};
use frozen::{FrozenText, Layer};
use prompts::Prompts;
use std::collections::HashMap;
use std::sync::OnceLock;
use tch::Tensor;

/// How prompts go through the text tower. All ways give the same features and gradients, up to rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextPath {
    /// Prompts padded to the context length, as OpenAI and CoOp compute them: the reference for the others.
    Plain,
    /// Prompts cut at their end tokens, after which nothing matters; those of like length in one batch.
    Cut,
    /// What prompts begin with is computed once: start token and common context, and tokens that class names share.
    /// Prompts without a common context (one for each class, or a class name before its end) are cut instead.
    #[default]
    Shared,
}

/// A frozen CLIP model.
#[derive(Debug)]
pub struct Clip {
    spec: BackboneSpec,
    image: ImageTower,
    /// Checkpoints of an image tower alone lack it.
    text: Option<FrozenText>,
    path: TextPath,
    /// The image tower's layers arranged for speed, once a method changes something in them.
    image_layers: OnceLock<Vec<Layer>>,
}

impl Clip {
    /// The same model with prompts going another way through the text tower.
    #[must_use]
    pub fn with_text_path(self, path: TextPath) -> Self {
        Self { path, ..self }
    }

    fn text(&self) -> Result<&FrozenText> {
        self.text.as_ref().ok_or_else(|| {
            Error::new("the checkpoint holds an image tower alone, so it cannot encode text")
                .help("give a checkpoint of a whole CLIP model")
        })
    }

    /// Pixels of the right shape, where the weights lie and of their type.
    fn fitting(&self, pixels: &Tensor) -> Result<Tensor> {
        let side = self.spec.image_size();
        match pixels.size()[..] {
            [_, 3, height, width] if height == side && width == side => {
                Ok(pixels.to_device(self.spec.device).to_kind(self.spec.kind))
            }
            ref shape => Err(Error::new(format!("pixels of the shape {shape:?}"))
                .expected(format!("the shape [images, 3, {side}, {side}]"))),
        }
    }

    /// Tokens `[prompts, context_length]`, padded as CLIP does with the token zero.
    fn padded(&self, tower: &TextTower, prompts: &[Vec<i64>]) -> Tensor {
        let length = self.spec.context_length;
        let padded = |tokens: &Vec<i64>| tokens.clone().into_iter().chain(std::iter::repeat(0)).take(length as usize);
        tower.indices(&prompts.iter().flat_map(padded).collect::<Vec<_>>()).view([-1, length])
    }

    /// The tokens of a prompt, start and end included.
    fn tokenize(&self, prompt: &str) -> Result<Vec<i64>> {
        let mut tokens = vec![START];
        tokens.extend(Tokenizer::clip().encode(prompt));
        tokens.push(END);
        self.check_length(tokens.len(), || format!("the prompt `{prompt}`"))?;
        Ok(tokens)
    }

    fn check_length(&self, tokens: usize, what: impl Fn() -> String) -> Result<()> {
        let most = self.spec.context_length as usize;
        if tokens <= most {
            return Ok(());
        }
        Err(Error::new(format!("{} is {tokens} tokens long, with start and end", what()))
            .expected(format!("at most {most} tokens"))
            .help("shorten it, or use fewer context vectors before a class name"))
    }
}

impl Backbone for Clip {
    fn spec(&self) -> &BackboneSpec {
        &self.spec
    }

    fn encode_images(&self, pixels: &Tensor) -> Result<Tensor> {
        let pixels = self.fitting(pixels)?;
        let _guard = tch::no_grad_guard();
        Ok(self.image.forward(&pixels).to_kind(self.spec.kind))
    }

    fn encode_places(&self, pixels: &Tensor) -> Result<(Tensor, Tensor)> {
        let pixels = self.fitting(pixels)?;
        let _guard = tch::no_grad_guard();
        let (whole, places) = self.image.forward_places(&pixels);
        Ok((whole.to_kind(self.spec.kind), places.to_kind(self.spec.kind)))
    }

    fn encode_strings(&self, prompts: &[String]) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let text = self.text()?;
        // Texts that differ only in what CLIP cleans away have the same tokens, too.
        let mut distinct: Vec<Vec<i64>> = Vec::new();
        let mut number_of = HashMap::new();
        let mut numbers = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            let mut tokens = self.tokenize(prompt)?;
            // A prompt may spell out the end token, and CLIP reads the first one.
            tokens.truncate(1 + tokens.iter().position(|token| *token == END).unwrap_or(0));
            numbers.push(*number_of.entry(tokens).or_insert_with_key(|tokens| {
                distinct.push(tokens.clone());
                distinct.len() as i64 - 1
            }));
        }
        if distinct.is_empty() {
            return Ok(Tensor::zeros([0, self.spec.embed_dim], (self.spec.kind, self.spec.device)));
        }
        let features = match self.path {
            TextPath::Plain => text.tower.forward_tokens(&self.padded(&text.tower, &distinct)),
            TextPath::Cut | TextPath::Shared => {
                let start = text.tower.embed(&text.tower.indices(&[START])).unsqueeze(0);
                let after_start: Vec<&[i64]> = distinct.iter().map(|tokens| &tokens[1..]).collect();
                text.encode_tree(&start, &after_start).squeeze_dim(0)
            }
        };
        Ok(features.index_select(0, &text.tower.indices(&numbers)))
    }

    fn embed_text(&self, text: &str) -> Result<Tensor> {
        let tokens = self.tokenize(text)?;
        let tower = &self.text()?.tower;
        let _guard = tch::no_grad_guard();
        Ok(tower.embed(&tower.indices(&tokens[1..tokens.len() - 1])))
    }

    fn embed_tokens(&self, tokens: &[i64]) -> Result<Tensor> {
        let tower = &self.text()?.tower;
        let _guard = tch::no_grad_guard();
        Ok(tower.embed(&tower.indices(tokens)))
    }

    fn start_token(&self) -> i64 {
        START
    }

    fn class_prompts(&self, class_names: &[String], context_vectors: usize) -> Result<ClassPrompts> {
        self.text()?;
        let mut prompts = ClassPrompts { tokens: Vec::new(), name_lengths: Vec::new() };
        for class_name in class_names {
            let name = class_words(class_name);
            let mut tokens = Tokenizer::clip().encode(&format!("{name}."));
            if tokens.contains(&END) {
                return Err(Error::new(format!("the class name `{class_name}` contains the end token"))
                    .help("rename the class"));
            }
            tokens.push(END);
            self.check_length(1 + context_vectors + tokens.len(), || {
                format!("the prompt of the class `{class_name}` with {context_vectors} context vectors")
            })?;
            prompts.tokens.push(tokens);
            prompts.name_lengths.push(Tokenizer::clip().encode(&name).len());
        }
        Ok(prompts)
    }

    fn encode_contexts(&self, classes: &ClassPrompts, contexts: &Tensor, position: ClassPosition) -> Result<Tensor> {
        let text = self.text()?;
        let prompts = Prompts::new(&text.tower, classes, contexts, position)?;
        Ok(match (self.path, prompts.common_prefix()) {
            (TextPath::Plain, _) => {
                let all: Vec<usize> = (0..prompts.classes()).collect();
                let embeddings = prompts.embed(&all, self.spec.context_length).flatten(0, 1);
                let ends = prompts.end_rows(&all).repeat([prompts.copies()]);
                text.tower.forward(&embeddings, &ends).view([prompts.copies(), all.len() as i64, -1])
            }
            (TextPath::Shared, Some(prefix)) => text.encode_tree(&prefix, &prompts.class_tokens()),
            _ => text.encode_cut(&prompts),
        })
    }

    fn graph_bytes(&self, classes: &ClassPrompts, contexts: &Tensor, position: ClassPosition) -> u64 {
        let Some(text) = &self.text else { return 0 };
        let size = contexts.size();
        let [copies, sets, vectors, width] = size[..] else { return 0 };
        let own: usize = classes.tokens.iter().map(Vec::len).sum();
        let whole = own + classes.len() * (1 + vectors as usize);
        // Of every row a layer keeps its input, queries, keys and values, what attention makes of them, and four times
        // the width in the perceptron; the plain tower keeps that twice. Blocks of rows keep the prefix's keys, too.
        let (rows, widths) = match self.path {
            TextPath::Plain => (classes.len() * self.spec.context_length as usize, 16),
            TextPath::Shared if sets == 1 && position == ClassPosition::End => (own, 13),
            TextPath::Cut | TextPath::Shared => (whole, 11),
        };
        let numbers = copies as u64 * rows as u64 * widths * width as u64 * text.tower.blocks.len() as u64;
        numbers * self.spec.kind.elt_size_in_bytes() as u64
    }

    fn towers(&self) -> Option<&dyn ChangedTowers> {
        Some(self)
    }
}
