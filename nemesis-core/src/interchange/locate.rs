//! Finds the context among the tensors of a file.

use super::coop::CONTEXT;
use crate::{Error, Result};
use std::collections::BTreeMap;
use tch::Tensor;

pub(super) const WANTED: &str = "a checkpoint of CoOp's prompt learner, whose state holds the tensor `ctx`, or a file \
    with a single tensor: [vectors, width], or [classes, vectors, width] if each class has its own";

/// The context in a file and the tensors saved with it.
pub(super) struct Found {
    pub(super) vectors: Tensor,
    pub(super) prefix: Option<Tensor>,
    pub(super) suffix: Option<Tensor>,
    /// What was assumed, one sentence each.
    pub(super) assumed: Vec<String>,
}

/// The parts of `CoOp`'s `CustomCLIP` other than the prompt learner: CLIP's own, which are frozen.
const OF_CLIP: [&str; 3] = ["image_encoder.", "text_encoder.", "logit_scale"];

/// What other methods call what they add within CLIP's towers, which CLIP itself has not: visual and deep prompts of
/// `MaPLe`'s code, low-rank matrices, adapters.
const ADDED: [&str; 4] = ["VPT", "prompt", "lora", "adapter"];

/// What trainers save with a state, which does not matter here.
const OF_TRAINERS: [&str; 5] = ["optimizer.", "optim.", "scheduler.", "lr_scheduler.", "scaler."];

/// Finds the one context among named tensors.
///
/// # Errors
///
/// When there is none, or several, or something beside it that gives it another meaning.
pub(super) fn locate(mut tensors: BTreeMap<String, Tensor>) -> Result<Found> {
    tensors.retain(|name, _| !OF_TRAINERS.iter().any(|start| name.starts_with(start)));
    let is_context = |name: &&String| name.rsplit('.').next() == Some(CONTEXT);
    let contexts: Vec<String> = tensors.keys().filter(is_context).cloned().collect();
    let [name] = &contexts[..] else {
        if contexts.len() > 1 {
            return Err(Error::new(format!(
                "the checkpoint holds {} contexts: `{}`",
                contexts.len(),
                contexts.join("`, `")
            ))
            .help("save only the one you mean: torch.save(tensor, FILE)"));
        }
        return only_tensor(tensors);
    };
    let module = &name[..name.len() - CONTEXT.len()];
    let mut take = |last: &str| tensors.remove(&format!("{module}{last}"));
    let (vectors, prefix, suffix) = (take(CONTEXT), take("token_prefix"), take("token_suffix"));
    let vectors = vectors.ok_or_else(|| Error::new("the checkpoint holds no context"))?;
    // Otherwise a different kind of method would be evaluated as if it were CoOp.
    let model = module.strip_suffix("prompt_learner.").unwrap_or(module);
    let of_clip = |name: &str| {
        let own = name.strip_prefix(model).unwrap_or(name);
        OF_CLIP.iter().any(|start| own.starts_with(start)) && !ADDED.iter().any(|part| own.contains(part))
    };
    if let Some(other) = tensors.keys().find(|name| !of_clip(name)) {
        return Err(Error::new(format!(
            "besides the context, the checkpoint holds `{other}`, which CoOp does not have"
        )));
    }
    let mut assumed = Vec::new();
    if !module.is_empty() {
        assumed.push(format!("`{name}` is taken as the context"));
    }
    if let Some(first) = tensors.keys().next() {
        let count = tensors.len();
        assumed.push(format!(
            "the CLIP weights saved with it ({count} tensors, such as `{first}`) are taken to be the backbone's, \
             unchanged"
        ));
    }
    Ok(Found { vectors, prefix, suffix, assumed })
}

/// The only tensor of a file, whatever its name.
fn only_tensor(tensors: BTreeMap<String, Tensor>) -> Result<Found> {
    let count = tensors.len();
    let listed = |(name, tensor): (&String, &Tensor)| format!("`{name}` {:?}", tensor.size());
    let names: Vec<String> = tensors.iter().take(3).map(listed).collect();
    let mut all = tensors.into_iter();
    match (all.next(), all.next()) {
        (Some((name, vectors)), None) => {
            let named = if name.is_empty() { String::new() } else { format!(", `{name}`,") };
            let shape = vectors.size();
            let meaning = if shape.len() == 3 { "[classes, vectors, width]" } else { "[vectors, width]" };
            let assumed = format!("the file's only tensor{named} of shape {shape:?} is taken as the context {meaning}");
            Ok(Found { vectors, prefix: None, suffix: None, assumed: vec![assumed] })
        }
        (None, _) => Err(Error::new("the checkpoint holds no context").help(
            "it holds no tensors, neither at the top level nor in dictionaries; CoOp writes \
             prompt_learner/model.pth.tar-EPOCH",
        )),
        _ => Err(Error::new("the checkpoint holds no context").help(format!(
            "it holds {count} tensors, such as {}; CoOp writes prompt_learner/model.pth.tar-EPOCH",
            names.join(", ")
        ))),
    }
}
