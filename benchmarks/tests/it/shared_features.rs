//! Methods with protocols of their own share the features that can be shared.

use crate::command::{nemesis, told};
use std::fs;

#[test]
fn trainings_of_different_lengths_share_views_and_unaugmented_images_are_encoded_once() {
    let folder = tempfile::tempdir().unwrap();
    let suite = "name: mine
title: Mine
table: few-shot
datasets: [dtd]
shots: [1]
seeds: [1]
methods:
  - {method: coop, protocol: {epochs: 2}}
  - {method: coop, label: Longer, protocol: {epochs: 4, batch_size: 8}}
  - {method: coop, label: Plain, protocol: {epochs: 3, augmentation: none}}
  - {method: coop, label: By steps, protocol: {steps: 3, optimiser: adam, augmentation: none}}
";
    fs::write(folder.path().join("mine.yaml"), suite).unwrap();
    let output = nemesis(folder.path(), &["run", "--suite", "mine.yaml"]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let pooled = fs::read_dir(folder.path().join("out/pool")).unwrap().map(|entry| entry.unwrap().path());
    let parts = pooled.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")).count();
    assert_eq!(parts, 4 + 1 + 1, "four views, the sample as it is, the test images");
}
