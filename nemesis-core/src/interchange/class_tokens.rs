//! Which backbone and classes a context was learned with: `CoOp` saves the token embeddings around it, which show both.
//!
//! `CoOp` drops them when it loads a checkpoint, so that one context can be used for other classes, and so do we. But a
//! context is meaningless with another backbone, and a class-specific one is meaningless for other classes.

use super::coop::Context;
use crate::backbone::Backbone;
use crate::{Error, Result};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Whether a context was learned for the classes that it is to be evaluated on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearnedFor {
    /// The file does not say.
    Unknown,
    /// The same names in the same order.
    These,
    /// Different ones: this class, counted from zero, is the first that differs.
    Others(usize),
}

/// How much an embedding may differ from ours, relative to its length: half precision rounds them.
const TOLERANCE: f64 = 0.02;

impl Context {
    /// Compares what the file at `path` says about itself with a backbone and class names as used in prompts.
    ///
    /// # Errors
    ///
    /// When the context was learned with another backbone, or is class-specific and the classes differ; the message
    /// names the first that does.
    pub fn check(&self, path: &Path, backbone: &dyn Backbone, class_names: &[String]) -> Result<LearnedFor> {
        let start = rows(&backbone.embed_tokens(&[backbone.start_token()])?);
        let width = start.size().last().copied();
        for (name, vectors) in [("token_prefix", &self.prefix), ("token_suffix", &self.suffix)] {
            if let Some(size) = vectors.as_ref().map(Tensor::size).filter(|size| size.last().copied() != width) {
                return Err(Error::new(format!("`{name}` has the shape {size:?}"))
                    .at(path)
                    .expected(format!("vectors of {} numbers, as the backbone has", width.unwrap_or_default())));
            }
        }
        if let Some(prefix) = &self.prefix {
            let stored = rows(prefix);
            if !same(&stored, &start.expand_as(&stored)) {
                return Err(Error::new(
                    "the context was learned with a different backbone: the embedding of the start token in the file \
                     differs",
                )
                .at(path)
                .help(
                    "use the CLIP checkpoint that it was learned with: --weights NAME=FILE. To try it with another \
                     backbone anyway, save it without `token_prefix` and `token_suffix`",
                ));
            }
        }
        let learned_for = match (&self.classes, &self.suffix) {
            (Some(names), _) => by_names(names, class_names),
            (None, Some(suffix)) => by_tokens(suffix, backbone, &backbone.class_prompts(class_names, 0)?.tokens)?,
            (None, None) => return Ok(LearnedFor::Unknown),
        };
        match learned_for {
            LearnedFor::Others(class) if self.classes().is_some() => {
                let here = class_names.get(class).map_or("no class", String::as_str);
                let what = match self.classes.as_ref().and_then(|names| names.get(class)) {
                    Some(theirs) => {
                        format!(
                            "the vectors of class {class} were learned for `{theirs}`, but that class is `{here}` here"
                        )
                    }
                    None => format!(
                        "the vectors of class {class} were learned for a different name than `{here}`, its name here"
                    ),
                };
                Err(Error::new(format!("the context is class-specific: {what}"))
                    .at(path)
                    .expected("a context learned for the same class names in the same order")
                    .help("evaluate it on the classes it was learned for, in the same order"))
            }
            learned_for => Ok(learned_for),
        }
    }
}

fn by_names(theirs: &[String], ours: &[String]) -> LearnedFor {
    match theirs.iter().zip(ours).position(|(theirs, ours)| theirs != ours) {
        Some(class) => LearnedFor::Others(class),
        None if theirs.len() == ours.len() => LearnedFor::These,
        None => LearnedFor::Others(theirs.len().min(ours.len())),
    }
}

/// Compares `suffix` `[classes, tokens, width]` with what follows the context in our prompts, up to the end token.
fn by_tokens(suffix: &Tensor, backbone: &dyn Backbone, tokens: &[Vec<i64>]) -> Result<LearnedFor> {
    let size = suffix.size();
    let &[classes, length, _] = &size[..] else { return Ok(LearnedFor::Others(0)) };
    for (class, tokens) in tokens.iter().enumerate() {
        let count = tokens.len() as i64;
        if class as i64 >= classes || count > length {
            return Ok(LearnedFor::Others(class));
        }
        let stored = suffix.get(class as i64).narrow(0, 0, count);
        if !same(&rows(&stored), &rows(&backbone.embed_tokens(tokens)?)) {
            return Ok(LearnedFor::Others(class));
        }
    }
    Ok(if classes == tokens.len() as i64 { LearnedFor::These } else { LearnedFor::Others(tokens.len()) })
}

/// Vectors `[…, width]` as rows of numbers that can be compared.
fn rows(vectors: &Tensor) -> Tensor {
    let width = vectors.size().last().copied().unwrap_or(1);
    vectors.to_device(Device::Cpu).to_kind(Kind::Double).reshape([-1, width])
}

/// Whether all rows are the same, up to half-precision rounding.
fn same(stored: &Tensor, ours: &Tensor) -> bool {
    if stored.size() != ours.size() {
        return false;
    }
    let norm = |rows: &Tensor| rows.norm_scalaropt_dim(2.0, [-1i64].as_slice(), false);
    bool::try_from(norm(&(stored - ours)).le_tensor(&(norm(ours) * TOLERANCE)).all()).unwrap_or(false)
}
