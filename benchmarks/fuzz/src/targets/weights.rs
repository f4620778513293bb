//! Readers of weights and images.

use super::data::put;
use super::{all_of, source};
use crate::chance::Chance;
use crate::repair;
use nemesis_core::backbone::{Checkpoint, Request, inspect};
use nemesis_core::interchange::coop::Context;
use nemesis_core::{Result, image as images};
use std::fs;
use std::path::Path;
use tch::{Device, Kind};

const CHECKPOINTS: &str = "nemesis-core/tests/fixtures/checkpoints";

pub(super) fn image(_: &Path, input: &[u8]) -> Result<()> {
    images::decode_with_alpha(input).map(drop)
}

pub(super) fn pack_png(mut input: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    if !chance.one_in(4) {
        repair::png(&mut input);
    }
    input
}

/// The files in zips, one after the other, and those of before there were zips.
pub(super) fn pickles() -> Vec<Vec<u8>> {
    let all = torch();
    let old = all_of(CHECKPOINTS, &["legacy.pt", "legacy4.pt"]);
    all.iter().filter_map(|file| repair::unzip(file)).chain(old).collect()
}

pub(super) fn torch() -> Vec<Vec<u8>> {
    all_of(CHECKPOINTS, &[".pt"])
}

pub(super) fn pack_zip(input: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    // What begins like a pickle is one without a zip.
    if input.first() == Some(&0x80) || chance.one_in(16) { input } else { repair::zip(&input) }
}

pub(super) fn read_pt(folder: &Path, input: &[u8]) -> Result<()> {
    let file = folder.join("weights.pt");
    put(&file, input)?;
    Checkpoint::read(&file).map(drop)
}

pub(super) fn safetensors() -> Vec<Vec<u8>> {
    let mut seeds = all_of(CHECKPOINTS, &["safetensors"]);
    seeds.extend(all_of("nemesis-core/tests/fixtures/coop", &["safetensors"]));
    seeds.push(br#"########{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"I64","shape":[],"data_offsets":[8,16]}}0123456789abcdef"#.to_vec());
    seeds.iter_mut().for_each(repair::safetensors);
    seeds
}

pub(super) fn pack_safetensors(mut input: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    if !chance.one_in(4) {
        repair::safetensors(&mut input);
    }
    input
}

pub(super) fn read_safetensors(folder: &Path, input: &[u8]) -> Result<()> {
    let file = folder.join("weights.safetensors");
    put(&file, input)?;
    Checkpoint::read(&file).map(drop)
}

pub(super) fn contexts() -> Vec<Vec<u8>> {
    let all = all_of("nemesis-core/tests/fixtures/coop", &["pt", "tar-50", "tar-200"]);
    let packed = all.iter().filter_map(|file| repair::unzip(file));
    packed.chain(all.iter().filter(|file| file.first() == Some(&0x80)).cloned()).collect()
}

pub(super) fn context(folder: &Path, input: &[u8]) -> Result<()> {
    let file = folder.join("model.pth.tar-50");
    put(&file, input)?;
    Context::read(&file).map(drop)
}

pub(super) fn configs() -> Vec<Vec<u8>> {
    let open_clip = r#"{"model_cfg": {"embed_dim": 8, "vision_cfg": {"image_size": 32, "layers": 2, "width": 16, "patch_size": 8, "head_width": 8}, "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}, "quick_gelu": true}, "preprocess_cfg": {"mean": [0.48, 0.45, 0.4], "std": [0.26, 0.26, 0.27], "interpolation": "bicubic", "resize_mode": "shortest"}}"#;
    let transformers = r#"{"architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": 8, "text_config": {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "hidden_act": "quick_gelu", "eos_token_id": 49407}, "vision_config": {"hidden_size": 16, "image_size": 32, "patch_size": 8, "num_attention_heads": 2, "hidden_act": "gelu"}}"#;
    vec![open_clip.into(), transformers.into()]
}

/// Beside weights that are sound, under each of the names that are looked for.
pub(super) fn config(folder: &Path, input: &[u8]) -> Result<()> {
    let weights = folder.join("open_clip_model.safetensors");
    put(&weights, &fs::read(source(CHECKPOINTS).join("expected.safetensors")).unwrap_or_default())?;
    let mut outcome = Ok(());
    for name in ["open_clip_config.json", "config.json", "preprocessor_config.json"] {
        put(&folder.join(name), input)?;
        outcome = inspect(&Request::new(&weights, None, Device::Cpu, Kind::Float)).map(drop);
        let _ = fs::remove_file(folder.join(name));
    }
    outcome
}
