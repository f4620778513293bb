//! Half precision against values that PyTorch computes in it with OpenAI's model classes (`fixtures/half`).

use nemesis_core::backbone::Checkpoint;
use nemesis_core::backbone::clip::{Clip, TextTower, Weights};
use nemesis_core::backbone::{Assumption, Backbone};
use nemesis_core::method::{ClassPosition, Host};
use nemesis_core::train::{Recompute, Services};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use tch::{Device, Kind, Tensor, no_grad};

/// How far features may lie from PyTorch's, which lie 0.0004 to 0.001 from those in single precision: the orders of sums
/// differ, and what is rounded otherwise spreads. For bfloat16, which has three bits less, eight times as far.
const FEATURES: f64 = 0.002;

/// The same for a gradient, which passes through the tower twice: PyTorch's lies 0.0018 from that in single precision.
const GRADIENT: f64 = 0.004;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn read(name: &str) -> BTreeMap<String, Tensor> {
    Checkpoint::read(&fixture(name)).unwrap().tensors
}

/// The norm of the difference, relative to the norm of what was expected.
fn error(found: &Tensor, expected: &Tensor) -> f64 {
    let [found, expected] = [found, expected].map(|tensor| tensor.to_kind(Kind::Double));
    ((found - &expected).norm() / expected.norm()).double_value(&[])
}

#[test]
fn image_towers_give_the_features_of_clip() {
    let golden = read("half/half.safetensors");
    for name in ["vit", "rn"] {
        let images = &read(&format!("parity/clip_{name}_io.safetensors"))["images"];
        let weights = fixture(&format!("parity/clip_{name}.safetensors"));
        let features = |kind| {
            Clip::load_assuming(&weights, Some(Assumption::OpenAi), Device::Cpu, kind)
                .unwrap()
                .encode_images(images)
                .unwrap()
        };
        let [half, bfloat, single] = [Kind::Half, Kind::BFloat16, Kind::Float].map(features);
        assert_eq!((half.kind(), bfloat.kind()), (Kind::Half, Kind::BFloat16));
        let error_of_half = error(&half, &golden[&format!("{name}.fp16")]);
        assert!(error_of_half < FEATURES, "{name}: {error_of_half}");
        let error_of_bfloat = error(&bfloat, &single);
        assert!(error_of_bfloat < 8.0 * FEATURES, "{name}: {error_of_bfloat}");
    }
}

#[test]
fn text_tower_gives_the_features_and_gradients_of_clip() {
    let golden = read("half/half.safetensors");
    let tokens = &read("parity/clip_vit_io.safetensors")["tokens"];
    let weights = Weights::new(read("parity/clip_vit.safetensors"));
    for (precision, kind, [features_within, gradient_within]) in [
        ("fp32", Kind::Float, [1e-5, 1e-5]),
        ("fp16", Kind::Half, [FEATURES, GRADIENT]),
        ("amp", Kind::Float, [FEATURES, GRADIENT]),
    ] {
        let held = if precision == "amp" { Kind::Half } else { kind };
        let tower = TextTower::from_weights(&weights.to(Device::Cpu, held)).unwrap();
        let tower = if precision == "amp" { tower.mixed() } else { tower };
        let context = golden["context"].to_kind(kind).copy().set_requires_grad(true);
        let [prompts, length] = tokens.size()[..] else { panic!("tokens have two dimensions") };
        let (embedded, vectors) = (tower.embed(tokens), context.size()[0]);
        let context_of_all = context.expand([prompts, -1, -1], false);
        let rest = embedded.narrow(1, 1 + vectors, length - 1 - vectors);
        let embedded = Tensor::cat(&[embedded.narrow(1, 0, 1), context_of_all, rest], 1);
        let features = tower.forward(&embedded, &tokens.argmax(-1, false));
        (features.to_kind(Kind::Float) * &golden["probe"]).sum(None::<Kind>).backward();
        let gradient = context.grad();
        assert_eq!((features.kind(), gradient.kind()), (kind, kind));
        let [of_features, of_gradient] = [(&features, "text"), (&gradient, "gradient")]
            .map(|(found, what)| error(found, &golden[&format!("{what}.{precision}")]));
        assert!(of_features < features_within, "{precision}: the features differ by {of_features}");
        assert!(of_gradient < gradient_within, "{precision}: the gradients differ by {of_gradient}");
    }
}

/// Whatever gets a gradient is encoded in mixed precision, in one graph or in chunks; all else in single precision.
#[test]
fn mixed_precision_is_for_gradients_alone() {
    let weights = fixture("parity/clip_vit.safetensors");
    let single = Clip::load_assuming(&weights, Some(Assumption::OpenAi), Device::Cpu, Kind::Float).unwrap();
    let mixed = Clip::load_mixed(&weights, Some(Assumption::OpenAi), Device::Cpu).unwrap();
    let images = &read("parity/clip_vit_io.safetensors")["images"];
    let golden = read("half/half.safetensors");
    let features = mixed.encode_images(images).unwrap();
    assert_eq!((features.kind(), golden["vit.amp"].kind()), (Kind::Float, Kind::Half));
    assert!(error(&features, &golden["vit.amp"]) < FEATURES);

    let names = ["great white shark", "great auk", "balloon"].map(str::to_owned);
    let classes = single.class_prompts(&names, 2).unwrap();
    let context = golden["context"].copy().set_requires_grad(true);
    let contexts = || context.unsqueeze(0).unsqueeze(0);
    let cancelled = AtomicBool::new(false);
    let expected = no_grad(|| single.encode_contexts(&classes, &contexts(), ClassPosition::End).unwrap());
    for recompute in [Recompute::Never, Recompute::Chunks(2)] {
        let services = Services::new(&single, &classes, 1, recompute, &cancelled).with_mixed(Some(&mixed));
        let plain = no_grad(|| services.encode_contexts(&contexts(), ClassPosition::End).unwrap());
        assert!(error(&plain, &expected) < 1e-6);
        let trained = services.encode_contexts(&contexts(), ClassPosition::End).unwrap();
        assert_eq!(trained.kind(), Kind::Float);
        let difference = error(&trained, &expected);
        assert!(difference > 1e-5 && difference < FEATURES, "{difference}");
        services.backward(&(&trained * 1000.0).sum(None::<Kind>)).unwrap();
        assert!(bool::try_from(context.grad().isfinite().all()).unwrap());
    }
}
