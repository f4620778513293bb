//! A CLIP of two vision and three text heads, whose weights are made from their names as `make_towers.py` makes them.

use nemesis_core::backbone::clip::{Clip, TextPath};
use nemesis_core::backbone::{Assumption, Backbone, ClassPrompts};
use nemesis_core::method::Needs;
use nemesis_core::train::{Recompute, Services};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;
use tch::{Device, Kind, Tensor};

pub(crate) const IMAGE: i64 = 128;
pub(crate) const TEXT: i64 = 192;
pub(crate) const EMBED: i64 = 40;
pub(crate) const LAYERS: usize = 3;
pub(crate) const PATCH: i64 = 8;
pub(crate) const SIDE: i64 = 24;
pub(crate) const PATCHES: i64 = (SIDE / PATCH) * (SIDE / PATCH);

/// The seed of `make_towers.py`.
const SEED: u32 = 1;

pub(crate) static NEVER: AtomicBool = AtomicBool::new(false);

/// Numbers of 32 bits, a function of the name.
pub(crate) fn bits(name: &str) -> impl Iterator<Item = u32> + use<> {
    let seed = name.bytes().fold(SEED, |seed, byte| seed.wrapping_mul(31).wrapping_add(u32::from(byte)));
    (0_u32..).map(move |number| {
        let mut x = number.wrapping_mul(2_654_435_761).wrapping_add(seed);
        x ^= x >> 15;
        x = x.wrapping_mul(739_982_445);
        x ^= x >> 12;
        x = x.wrapping_mul(695_872_825);
        x ^ (x >> 15)
    })
}

/// Uniform numbers of standard deviation `scale` around `offset`.
pub(crate) fn noise(name: &str, shape: &[i64], scale: f64, offset: f64) -> Tensor {
    let count = shape.iter().product::<i64>() as usize;
    let number = |bits: u32| ((f64::from(bits) / 2.0_f64.powi(32) - 0.5) * (12.0_f64.sqrt() * scale) + offset) as f32;
    let numbers: Vec<f32> = bits(name).take(count).map(number).collect();
    Tensor::from_slice(&numbers).view(shape)
}

fn tower(prefix: &str, width: i64) -> Vec<(String, Tensor)> {
    let mut weights = Vec::new();
    for layer in 0..LAYERS {
        let block = format!("{prefix}transformer.resblocks.{layer}.");
        for norm in ["ln_1", "ln_2"] {
            weights.extend(normalisation(&format!("{block}{norm}"), width));
        }
        for (weight, bias, from, to) in [
            ("attn.in_proj_weight", "attn.in_proj_bias", width, 3 * width),
            ("attn.out_proj.weight", "attn.out_proj.bias", width, width),
            ("mlp.c_fc.weight", "mlp.c_fc.bias", width, 4 * width),
            ("mlp.c_proj.weight", "mlp.c_proj.bias", 4 * width, width),
        ] {
            let [weight, bias] = [weight, bias].map(|name| format!("{block}{name}"));
            weights.push((weight.clone(), noise(&weight, &[to, from], 1.5 / (from as f64).sqrt(), 0.0)));
            weights.push((bias.clone(), noise(&bias, &[to], 0.2, 0.0)));
        }
    }
    weights
}

fn normalisation(name: &str, width: i64) -> [(String, Tensor); 2] {
    let [weight, bias] = ["weight", "bias"].map(|kind| format!("{name}.{kind}"));
    let tensors = [noise(&weight, &[width], 0.2, 1.0), noise(&bias, &[width], 0.2, 0.0)];
    let [first, second] = tensors;
    [(weight, first), (bias, second)]
}

/// The checkpoint, written once.
static CHECKPOINT: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    // Tests run side by side already.
    tch::set_num_threads(1);
    let mut weights = [tower("", TEXT), tower("visual.", IMAGE)].concat_by_move();
    for (name, shape, scale) in [
        ("token_embedding.weight", &[49408, TEXT][..], 0.3),
        ("positional_embedding", &[77, TEXT], 0.1),
        ("text_projection", &[TEXT, EMBED], 0.1),
        ("visual.conv1.weight", &[IMAGE, 3, PATCH, PATCH], 0.1),
        ("visual.class_embedding", &[IMAGE], 0.3),
        ("visual.positional_embedding", &[1 + PATCHES, IMAGE], 0.3),
        ("visual.proj", &[IMAGE, EMBED], 0.1),
    ] {
        weights.push((name.to_owned(), noise(name, shape, scale, 0.0)));
    }
    for (name, width) in [("ln_final", TEXT), ("visual.ln_pre", IMAGE), ("visual.ln_post", IMAGE)] {
        weights.extend(normalisation(name, width));
    }
    weights.push(("logit_scale".to_owned(), Tensor::from(3.0_f32)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.safetensors");
    Tensor::write_safetensors(&weights, &path).unwrap();
    (folder, path)
});

/// Joins vectors of what cannot be cloned.
trait ConcatByMove {
    fn concat_by_move(self) -> Vec<(String, Tensor)>;
}

impl<const N: usize> ConcatByMove for [Vec<(String, Tensor)>; N] {
    fn concat_by_move(self) -> Vec<(String, Tensor)> {
        self.into_iter().flatten().collect()
    }
}

/// The model in a type, with prompts going some way.
pub(crate) fn clip(kind: Kind, path: TextPath) -> Clip {
    Clip::load_assuming(&CHECKPOINT.1, Some(Assumption::OpenAi), Device::Cpu, kind).unwrap().with_text_path(path)
}

/// The model as it trains in mixed precision.
pub(crate) fn mixed() -> Clip {
    Clip::load_mixed(&CHECKPOINT.1, Some(Assumption::OpenAi), Device::Cpu).unwrap()
}

/// The prompts of some classes behind so many context vectors.
pub(crate) fn prompts(clip: &Clip, names: &[&str], vectors: usize) -> ClassPrompts {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    clip.class_prompts(&names, vectors).unwrap()
}

/// Services that offer towers.
pub(crate) fn services<'a>(clip: &'a Clip, classes: &'a ClassPrompts, recompute: Recompute) -> Services<'a> {
    let needs = Needs { towers: true, pixels: true, ..Needs::default() };
    Services::new(clip, classes, 7, recompute, &NEVER).with_towers(needs)
}

/// The largest difference, relative to the largest expected number.
pub(crate) fn error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let largest = expected.abs().max().double_value(&[]);
    let error = ((found - expected).abs().max() / (largest + f64::MIN_POSITIVE)).double_value(&[]);
    if error.is_nan() { f64::INFINITY } else { error }
}
