//! The CLIP backbone against values computed by PyTorch with OpenAI's model classes (`fixtures/parity`).

use nemesis_core::backbone::Backbone;
use nemesis_core::backbone::clip::{Checkpoint, Clip, END, START, TextTower, Tokenizer, Weights};
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(name)
}

fn load(name: &str) -> Clip {
    Clip::load(&fixture(name), Device::Cpu, Kind::Float).unwrap()
}

/// The norm of the difference, relative to the norm of what was expected.
fn error(found: &Tensor, expected: &Tensor) -> f64 {
    ((found - expected).norm() / expected.norm()).double_value(&[])
}

#[test]
fn tokens_are_those_of_clip() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(fixture("tokenizer.json")).unwrap()).unwrap();
    assert!(cases.len() > 100);
    for case in &cases {
        let text = case["text"].as_str().unwrap();
        let ids: Vec<i64> = case["ids"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
        assert_eq!([vec![START], Tokenizer::clip().encode(text), vec![END]].concat(), ids, "{text:?}");
    }
}

#[test]
fn image_towers_give_the_features_of_clip() {
    for name in ["clip_vit", "clip_rn"] {
        let clip = load(&format!("{name}.safetensors"));
        let golden = Checkpoint::read(&fixture(&format!("{name}_io.safetensors"))).unwrap().tensors;
        let features = clip.encode_images(&golden["images"]).unwrap();
        let error = error(&features, &golden["image_features"]);
        assert!(error < 1e-5, "{name}: {error}");
    }
}

#[test]
fn text_tower_gives_the_features_of_clip() {
    let weights = Weights::new(Checkpoint::read(&fixture("clip_vit.safetensors")).unwrap().tensors);
    let tower = TextTower::from_weights(&weights.to(Device::Cpu, Kind::Float)).unwrap();
    let golden = Checkpoint::read(&fixture("clip_vit_io.safetensors")).unwrap().tensors;
    let error = error(&tower.forward_tokens(&golden["tokens"]), &golden["text_features"]);
    assert!(error < 1e-5, "{error}");
}
