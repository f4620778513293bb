//! Models under other names than OpenAI's: what they are, since "a weight is missing" would tell nobody.

use crate::backbone::{Checkpoint, described};
use crate::{Error, Result};
use std::path::Path;

/// What is read.
const EXPECTED: &str = "a whole CLIP of OpenAI, open_clip or transformers";

/// The weight that every image tower of OpenAI's has.
const FIRST: &str = "visual.conv1.weight";

/// Refuses checkpoints of another layout, by what they are.
pub(super) fn refuse_foreign(checkpoint: &Checkpoint, path: &Path) -> Result<()> {
    if is_shard(path) {
        return Err(Error::new("the file is one of the shards that a checkpoint lies in")
            .expected(EXPECTED)
            .help("give the folder, or the index (`….index.json`) that names all of them"));
    }
    let names: Vec<&str> = checkpoint.tensors.keys().map(String::as_str).collect();
    match Layout::of(&names, &checkpoint.beside) {
        None => Ok(()),
        Some(layout) => Err(Error::new(format!("the file holds {}", layout.what)).expected(EXPECTED).help(layout.help)),
    }
}

/// Whether a file is called `…-00001-of-00002…`, as transformers calls shards.
fn is_shard(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ends_in_digits = |text: &str| text.rsplit('-').next().is_some_and(is_number);
    stem.rsplit_once("-of-").is_some_and(|(before, count)| ends_in_digits(before) && is_number(count))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Another layout.
struct Layout {
    what: String,
    help: String,
}

impl Layout {
    /// The layout that has these names of tensors, unless it is OpenAI's.
    fn of(names: &[&str], beside: &[String]) -> Option<Self> {
        let has = |name: &str| names.contains(&name);
        // Models are often wrapped, so their modules' names may stand behind others.
        let in_any = |part: &str| names.iter().any(|name| name.starts_with(part) || name.contains(&format!(".{part}")));
        let not_read = |what: &str| {
            Some(Self {
                what: format!("{what}, whose layout is not read yet"),
                help: "give one of OpenAI's checkpoints (`nemesis backbone fetch`), or a CLIP of open_clip or transformers"
                    .to_owned(),
            })
        };
        let with = |what: &str, help: &str| Some(Self { what: what.to_owned(), help: help.to_owned() });
        let siglip = |what: &str| with(&format!("{what}, which is another family than CLIP"), described::SIGLIP);

        if names.is_empty() {
            return match beside.first().and_then(|module| module.strip_prefix(" (")?.strip_suffix(')')) {
                Some(class) => with(
                    &format!("a whole module of Python's class `{class}`, and no state dict"),
                    "save the state dict instead: torch.save(model.state_dict(), FILE)",
                ),
                None => with("no weights at all", "give another file"),
            };
        }
        if names.iter().any(|name| *name == "ctx" || name.rsplit('.').next() == Some("ctx") || in_prompt_learner(name))
            && !has(FIRST)
        {
            return with(
                "what a prompt learner has learned, and no CLIP",
                "`nemesis evaluate --context FILE` takes those of CoOp; `--weights` takes the CLIP that it was learned with",
            );
        }
        if names.iter().any(|name| name.starts_with("state.") || name.starts_with("param_groups."))
            && names.iter().any(|name| name.contains("exp_avg") || name.contains("momentum_buffer"))
        {
            return with("the state of an optimiser, and no model", "give the model that was saved beside it");
        }
        if names.iter().all(|name| name.to_lowercase().contains("lora_")) {
            return with("LoRA's weights alone", "merge them into the model that they belong to, and give that");
        }
        let [vision, text] = ["vision_model.", "text_model."].map(in_any);
        if vision || text {
            if in_any("vision_model.head.") || in_any("text_model.head.") {
                return siglip("a SigLIP of transformers");
            }
            return not_read(match (vision, text) {
                (true, false) => "an image tower alone, of transformers' CLIPVisionModel",
                (false, true) => "a text tower alone, of transformers' CLIPTextModel",
                _ => "a part of transformers' CLIPModel, or one with another module around it",
            });
        }
        let eva = ["rope.", "inner_attn_ln.", "mlp.ffn_ln.", "mlp.w1.", "mlp.w12.", "attn.q_bias"];
        if eva.iter().any(|part| in_any(part) || names.iter().any(|name| name.ends_with(part))) {
            return with(
                "an EVA-CLIP, which is another family than CLIP",
                "EVA-CLIP is not read: its image tower has rotary positions, gated perceptrons and norms within its blocks",
            );
        }
        if in_any("text_decoder.") {
            return not_read("a CoCa of open_clip");
        }
        if in_any("visual.trunk.") {
            if in_any("logit_bias") {
                return siglip("a SigLIP of open_clip");
            }
            return not_read("a model of open_clip with an image tower of timm (`visual.trunk.`)");
        }
        if names.iter().any(|name| name.starts_with("text.")) {
            return not_read(
                "a model of open_clip's CustomTextCLIP with a text tower that is not CLIP's under `text.`",
            );
        }
        if let Some(two) = Self::of_several(names, beside) {
            return Some(two);
        }
        if has(FIRST) {
            return None;
        }
        if let Some(prefix) = names.iter().find_map(|name| name.strip_suffix(FIRST)) {
            let prefix = prefix.trim_end_matches('.');
            return with(
                &format!("a CLIP whose weights lie under `{prefix}.`, with another module or dictionary around it"),
                &format!("save what lies under `{prefix}` alone, without that prefix in its names"),
            );
        }
        if has("token_embedding.weight") && !names.iter().any(|name| name.starts_with("visual.")) {
            return not_read("a text tower alone");
        }
        if has("conv1.weight") && (has("class_embedding") || in_any("attnpool.")) {
            return not_read("an image tower alone, without `visual.` before its names");
        }
        if has("conv1.weight") && in_any("layer1.") {
            return with("a residual network of torchvision, and no CLIP", "give a checkpoint of CLIP");
        }
        if in_any("patch_embed.proj.") || in_any("cls_token") {
            return with("an image tower of timm, and no CLIP", "give a checkpoint of CLIP");
        }
        let named: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
        let dots = if names.len() > named.len() { ", …" } else { "" };
        with(&format!("no CLIP, but {} tensors: {}{dots}", names.len(), named.join(", ")), "give a checkpoint of CLIP")
    }
}

impl Layout {
    /// The layout of several models in one file, such as a model and the average of its weights over a training.
    fn of_several(names: &[&str], beside: &[String]) -> Option<Self> {
        let all = names.iter().copied().chain(beside.iter().map(String::as_str));
        let mut places: Vec<&str> = all
            .filter_map(|name| name.strip_suffix(FIRST))
            .filter(|place| place.is_empty() || place.ends_with('.'))
            .map(|place| place.trim_end_matches('.'))
            .collect();
        places.sort_unstable();
        if places.len() < 2 {
            return None;
        }
        let count = if places.len() == 2 { "two".to_owned() } else { places.len().to_string() };
        let named: Vec<String> = places
            .iter()
            .map(|place| if place.is_empty() { "without a prefix".to_owned() } else { format!("under `{place}.`") })
            .collect();
        Some(Self {
            what: format!("{count} models: one {}", named.join(", and one ")),
            help: "save the state dict of the one that is meant alone, without a prefix in its names: \
                   torch.save(torch.load(FILE)[KEY], NEW)"
                .to_owned(),
        })
    }
}

/// Whether a name is one of CoOp's prompt learner, or of those that descend from it.
fn in_prompt_learner(name: &str) -> bool {
    name.starts_with("prompt_learner.") || matches!(name, "token_prefix" | "token_suffix")
}
