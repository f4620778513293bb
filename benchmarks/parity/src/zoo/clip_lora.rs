//! `clip_lora`: `lora.py` and `loralib` of MaxZanella/CLIP-LoRA.

use super::file::Case;
use super::replay::Drawn;
use super::subject::Subject;
use crate::fixtures::Tensors;
use nemesis_core::method::ScheduleUnit;
use nemesis_core::train::ResolvedProtocol;
use nemesis_core::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Low-rank deltas on the attention of both towers.
#[derive(Debug)]
pub(super) struct ClipLora;

impl Subject for ClipLora {
    fn files(&self) -> &'static [&'static str] {
        &["clip_lora"]
    }

    fn method(&self) -> &'static str {
        "clip-lora"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        let params = case.setting("params")?.as_array().ok_or_else(|| Error::new("`params` is not a list"))?;
        let params: Vec<&str> = params.iter().filter_map(Value::as_str).collect();
        let mut options = Map::from_iter([("params".to_owned(), json!(params.join(",")))]);
        for (ours, theirs) in [
            ("encoder", "encoder"),
            ("position", "layers"),
            ("r", "r"),
            ("alpha", "alpha"),
            ("dropout_rate", "dropout"),
        ] {
            options.insert(ours.to_owned(), case.setting(theirs)?.clone());
        }
        Ok(options)
    }

    fn parameter(&self, name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    /// Without dropout, the authors' code takes the updates out of the weights, in place, before the backward pass. What it
    /// computes forward is right. Its gradients are those of another function wherever they come through a map with an
    /// update, which is everywhere but in the maps behind which there is none: those of the last layer. What was learned
    /// in a step is compared for these; the logits after it depend on all.
    fn compares(&self, case: &Case, golden: &Tensors, name: &str) -> bool {
        if case.flag("gradients_usable") {
            return true;
        }
        let is_last = |module: &str| {
            let prefix = case.tensor("init.");
            let all = golden.iter().filter_map(|(name, _)| place_of(name.strip_prefix(&prefix)?));
            let own = place_of(module);
            own.is_some_and(|own| all.filter(|other| other.tower == own.tower).all(|other| other.depth <= own.depth))
        };
        match name.split_once('.') {
            Some((_, module)) => is_last(module),
            None => name != "logits_eval_after",
        }
    }

    fn protocol(&self, case: &Case) -> ResolvedProtocol {
        ResolvedProtocol {
            warmup_epochs: 0,
            warmup_learning_rate: 0.0,
            schedule_unit: ScheduleUnit::Step,
            minimum_learning_rate: 1e-6,
            steps: Some(case.number("steps").unwrap_or(0.0) as u64),
            ..case.protocol()
        }
    }

    /// Masks are drawn by PyTorch's generator: `mask0.MODULE` holds them as `[tokens, sequences, from]`.
    fn drawn(&self, case: &Case, golden: &Tensors) -> Result<Option<Drawn>> {
        let prefix = case.tensor("mask0.");
        let masks = golden.iter().filter_map(|(name, mask)| {
            Some((map_of(name.strip_prefix(&prefix)?.strip_suffix(".dropout")?)?, mask.permute([1, 0, 2])))
        });
        let masks: BTreeMap<_, _> = masks.collect();
        let dropout = case.number("dropout")?;
        Ok((!masks.is_empty()).then(|| Drawn { masks, dropout, ..Drawn::default() }))
    }
}

/// Where a linear map stands in its tower.
struct Place<'a> {
    tower: &'a str,
    /// The layer, and within it whether the map comes behind the attention.
    depth: (usize, bool),
}

/// Where a parameter's linear map stands: `visual.transformer.resblocks.0.attn.q_proj.w_lora_A`.
fn place_of(parameter: &str) -> Option<Place<'_>> {
    let (tower, rest) = parameter.split_once("transformer.resblocks.")?;
    let (layer, part) = rest.split_once(".attn.")?;
    Some(Place { tower, depth: (layer.parse().ok()?, part.starts_with("proj.")) })
}

/// Our name of a linear map: `image.0.q` for `visual.transformer.resblocks.0.attn.q_proj`.
fn map_of(module: &str) -> Option<String> {
    let (tower, rest) = module.split_once("transformer.resblocks.")?;
    let (layer, part) = rest.split_once(".attn.")?;
    let tower = if tower.is_empty() { "text" } else { "image" };
    let part = part.strip_suffix("_proj").unwrap_or("o");
    Some(format!("{tower}.{layer}.{part}"))
}
