//! Layouts that hold CLIP under other names than OpenAI's, brought to these.

use crate::backbone::{Checkpoint, described};
use crate::{Error, Result};
use std::collections::BTreeMap;
use tch::Tensor;

/// How the weights are called in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// As OpenAI calls them, which `open_clip` does, too, but for its `CustomTextCLIP`.
    OpenAi,
    /// As transformers' `CLIPModel` does.
    Transformers,
}

impl Layout {
    /// The file beside weights of this layout that tells what they do not.
    pub(super) fn config_file(self) -> &'static str {
        match self {
            Self::OpenAi => described::OPEN_CLIP,
            Self::Transformers => described::TRANSFORMERS,
        }
    }
}

/// Gives the tensors OpenAI's names, where they are those of CLIP under others.
pub(super) fn to_openai(checkpoint: &mut Checkpoint) -> Result<Layout> {
    let has = |name: &str| checkpoint.tensors.contains_key(name);
    if has("text.token_embedding.weight") && has("visual.conv1.weight") {
        let tensors = std::mem::take(&mut checkpoint.tensors);
        let plain = |name: String| name.strip_prefix("text.").map_or(name.clone(), str::to_owned);
        for (name, tensor) in tensors {
            let name = plain(name);
            if checkpoint.tensors.insert(name.clone(), tensor).is_some() {
                return Err(
                    Error::new(format!("the checkpoint holds `{name}` and `text.{name}`")).expected("one text tower")
                );
            }
        }
        return Ok(Layout::OpenAi);
    }
    let whole = ["vision_model.embeddings.patch_embedding.weight", "text_model.embeddings.token_embedding.weight"];
    if !whole.into_iter().all(has)
        || !has("visual_projection.weight")
        || has("vision_model.head.attention.in_proj_weight")
    {
        return Ok(Layout::OpenAi);
    }
    let tensors = std::mem::take(&mut checkpoint.tensors);
    checkpoint.tensors = from_transformers(tensors)?;
    Ok(Layout::Transformers)
}

/// transformers' names in OpenAI's places, after `convert_clip_original_pytorch_to_hf.py`. What has no place keeps its name,
/// and is refused as a stranger.
fn from_transformers(tensors: BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
    let mut renamed = BTreeMap::new();
    // Queries, keys and values of a layer are one matrix in OpenAI's models.
    let mut parts: BTreeMap<String, [Option<Tensor>; 3]> = BTreeMap::new();
    for (name, tensor) in tensors {
        if let Some((joined, part)) = in_projection(&name) {
            parts.entry(joined).or_default()[part] = Some(tensor);
            continue;
        }
        let transposed = matches!(&*name, "text_projection.weight" | "visual_projection.weight");
        let tensor = if transposed && tensor.dim() == 2 { tensor.tr().contiguous() } else { tensor };
        renamed.insert(renamed_weight(&name).unwrap_or(name), tensor);
    }
    for (name, tensors) in parts {
        let [Some(queries), Some(keys), Some(values)] = tensors else {
            return Err(Error::new(format!("queries, keys or values of `{name}` are missing"))
                .help("the file is cut short, or holds another model"));
        };
        renamed.insert(name, Tensor::f_cat(&[queries, keys, values], 0)?);
    }
    Ok(renamed)
}

/// Where the prefix of a tower's layers goes.
fn tower(name: &str) -> Option<(&'static str, &str)> {
    let layers = |prefix: &str| name.strip_prefix(prefix)?.strip_prefix("encoder.layers.");
    let vision = layers("vision_model.").map(|rest| ("visual.transformer.resblocks.", rest));
    vision.or_else(|| layers("text_model.").map(|rest| ("transformer.resblocks.", rest)))
}

/// The matrix or bias that a query, key or value is a part of, and which part.
fn in_projection(name: &str) -> Option<(String, usize)> {
    let (prefix, rest) = tower(name)?;
    let (layer, rest) = rest.split_once(".self_attn.")?;
    let (part, kind) = rest.split_once("_proj.")?;
    let part = ["q", "k", "v"].iter().position(|known| *known == part)?;
    Some((format!("{prefix}{layer}.attn.in_proj_{kind}"), part))
}

fn renamed_weight(name: &str) -> Option<String> {
    if let Some((prefix, rest)) = tower(name) {
        let (layer, rest) = rest.split_once('.')?;
        let places = [
            ("self_attn.out_proj.", "attn.out_proj."),
            ("layer_norm1.", "ln_1."),
            ("layer_norm2.", "ln_2."),
            ("mlp.fc1.", "mlp.c_fc."),
            ("mlp.fc2.", "mlp.c_proj."),
        ];
        let (rest, place) = places.iter().find_map(|(from, to)| Some((rest.strip_prefix(from)?, to)))?;
        return Some(format!("{prefix}{layer}.{place}{rest}"));
    }
    let place = match name {
        "text_model.embeddings.token_embedding.weight" => "token_embedding.weight",
        "text_model.embeddings.position_embedding.weight" => "positional_embedding",
        "text_model.embeddings.position_ids" => "position_ids",
        "text_model.final_layer_norm.weight" => "ln_final.weight",
        "text_model.final_layer_norm.bias" => "ln_final.bias",
        "text_projection.weight" => "text_projection",
        "vision_model.embeddings.patch_embedding.weight" => "visual.conv1.weight",
        "vision_model.embeddings.class_embedding" => "visual.class_embedding",
        "vision_model.embeddings.position_embedding.weight" => "visual.positional_embedding",
        "vision_model.embeddings.position_ids" => "visual.position_ids",
        // Sic.
        "vision_model.pre_layrnorm.weight" => "visual.ln_pre.weight",
        "vision_model.pre_layrnorm.bias" => "visual.ln_pre.bias",
        "vision_model.post_layernorm.weight" => "visual.ln_post.weight",
        "vision_model.post_layernorm.bias" => "visual.ln_post.bias",
        "visual_projection.weight" => "visual.proj",
        _ => return None,
    };
    Some(place.to_owned())
}
