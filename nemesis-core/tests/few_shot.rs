//! Few-shot sampling and splitting draw exactly what CPython draws.

use nemesis_core::dataset::division::split_trainval;
use nemesis_core::dataset::python_random::PythonRandom;
use nemesis_core::dataset::{ClassSubset, Contents, Dataset, Listed, Sample, Split, few_shot};
use serde_json::Value;

/// Samples whose paths are their indices.
fn samples(labels: impl IntoIterator<Item = u32>) -> Vec<Sample> {
    labels.into_iter().enumerate().map(|(i, label)| Sample { path: i.to_string().into(), label }).collect()
}

fn indices(samples: &[Sample]) -> Vec<u64> {
    samples.iter().map(|sample| sample.path.to_str().unwrap().parse().unwrap()).collect()
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect()
}

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/parity/fewshot.json")).unwrap()
}

#[test]
fn few_shot_samples_are_those_of_cpython() {
    let cases = fixture()["fewshot"].as_array().unwrap().clone();
    assert_eq!(cases.len(), 15);
    for case in cases {
        let labels = |key: &str| samples(numbers(&case[key]).into_iter().map(|label| label as u32));
        let (shots, seed) = (case["shots"].as_u64().unwrap(), case["seed"].as_u64().unwrap());
        let drawn = few_shot(&labels("train_labels"), &labels("val_labels"), shots as usize, seed);
        assert_eq!(indices(&drawn.train), numbers(&case["train"]), "train, {shots} shots, seed {seed}");
        assert_eq!(indices(&drawn.val), numbers(&case["val"]), "val, {shots} shots, seed {seed}");
    }
}

#[test]
fn splits_of_train_and_val_are_those_of_cpython() {
    let cases = fixture()["split_trainval"].as_array().unwrap().clone();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let counts = numbers(&case["per_class"]);
        let all = samples(counts.iter().zip(0..).flat_map(|(count, label)| vec![label; *count as usize]));
        let (train, val) = split_trainval(&all, &mut PythonRandom::new(case["seed"].as_u64().unwrap()));
        assert_eq!(indices(&train), numbers(&case["train"]));
        assert_eq!(indices(&val), numbers(&case["val"]));
    }
}

fn listed(val: Option<Vec<Sample>>) -> Listed {
    Listed {
        name: "toy".into(),
        folder: "toy".into(),
        template: "a photo of a {}.".into(),
        own_templates: Vec::new(),
        contents: Contents {
            class_names: ["a", "b", "c"].map(String::from).into(),
            train: samples((0..60).map(|i| i / 20)),
            val,
            test: samples((0..30).map(|i| i / 10)),
            ..Contents::default()
        },
    }
}

#[test]
fn no_validation_sample_is_drawn_where_they_are_the_test_samples() {
    let imagenet_like = listed(None);
    let drawn = few_shot::draw(&imagenet_like, 16, 1);
    assert_eq!((drawn.train.len(), drawn.val.len()), (48, 0));
    assert_eq!(imagenet_like.samples(Split::Val), imagenet_like.samples(Split::Test));
    assert_eq!(few_shot::draw(&listed(Some(samples((0..30).map(|i| i / 10)))), 16, 1).val.len(), 12);
}

#[test]
fn the_shots_of_the_base_classes_are_those_of_a_run_on_all_classes() {
    let drawn = few_shot::draw(&listed(None), 2, 3).train;
    assert_eq!(ClassSubset::Base.samples(&drawn, 3), drawn[..4]);
}
