//! Readers of weights and images.

use super::all_of;
use super::data::put;
use crate::chance::Chance;
use crate::repair;
use nemesis_core::backbone::{Assumption, Checkpoint, Config};
use nemesis_core::interchange::coop::Context;
use nemesis_core::{Result, image as images};
use std::path::Path;

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

/// As `open_clip` and transformers write them, the latter with that of its image processor behind a form feed; one in our own
/// form; and an index of shards.
pub(super) fn configs() -> Vec<Vec<u8>> {
    let open_clip = br#"{"model_cfg": {"embed_dim": 512, "quick_gelu": true, "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32}, "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}}, "preprocess_cfg": {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711], "interpolation": "bicubic", "resize_mode": "shortest"}}"#;
    let transformers = b"{\"model_type\": \"clip\", \"projection_dim\": 512, \"text_config\": {\"hidden_size\": 512, \"num_attention_heads\": 8, \"hidden_act\": \"quick_gelu\"}, \"vision_config\": {\"hidden_size\": 768, \"patch_size\": 32, \"layer_norm_eps\": 1e-05}}\x0c{\"do_center_crop\": true, \"crop_size\": {\"height\": 224, \"width\": 224}, \"size\": {\"shortest_edge\": 224}, \"resample\": 3, \"image_mean\": [0.5, 0.5, 0.5]}";
    let own = Assumption::Config(Config::OPENAI).to_string().into_bytes();
    let index = br#"{"metadata": {"total_size": 8}, "weight_map": {"a": "1.safetensors"}}"#;
    vec![open_clip.to_vec(), transformers.to_vec(), own, index.to_vec()]
}

/// Beside weights, as the metadata of weights, or as an index beside a shard.
pub(super) fn read_config(folder: &Path, input: &[u8]) -> Result<()> {
    let mut parts = input.splitn(2, |byte| *byte == 0x0c);
    let config = parts.next().unwrap_or_default();
    let text = String::from_utf8_lossy(config);
    if text.contains("\"weight_map\"") {
        let mut shard = br#"########{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}01234567"#.to_vec();
        repair::safetensors(&mut shard);
        put(&folder.join("1.safetensors"), &shard)?;
        let file = folder.join("model.safetensors.index.json");
        put(&file, config)?;
        return Checkpoint::read(&file).map(drop);
    }
    // Anything else would be the name of a file.
    if text.trim_start().starts_with('{') {
        let _ = text.parse::<Assumption>();
    }
    put(&folder.join("preprocessor_config.json"), parts.next().unwrap_or_default())?;
    let file = folder.join("config.json");
    put(&file, config)?;
    file.to_string_lossy().parse::<Assumption>().map(drop)
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
