//! Readers of weights and images.

use super::all_of;
use super::data::put;
use crate::chance::Chance;
use crate::repair;
use nemesis_core::backbone::Checkpoint;
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
