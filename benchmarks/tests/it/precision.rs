//! Tables computed in half or mixed precision: they learn, and the notes under them say what they were computed in.

use crate::command::{nemesis, told, written};
use serde_json::Value;
use std::fs;

/// Runs a few cells with some arguments more, which learn something, and returns the first and the last note under the
/// table.
#[track_caller]
fn notes_of_what_learns(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let some = ["run", "--datasets", "eurosat", "--methods", "nemesis-pan", "--shots", "1", "--seeds", "1"];
    let output = nemesis(folder.path(), &[&some, arguments].concat()).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let table: Value = serde_json::from_slice(&fs::read(written(folder.path(), &output, ".json")).unwrap()).unwrap();
    let markdown = fs::read_to_string(written(folder.path(), &output, ".md")).unwrap();
    let notes: Vec<&str> = markdown.lines().skip_while(|line| !line.starts_with("Top-1")).collect();
    let [first, .., last] = notes[..] else { panic!("there are notes: {markdown}") };
    let accuracy = table["rows"][0]["values"][1][0]["mean"].as_f64().unwrap();
    assert!(accuracy > 60.0, "{accuracy}");
    format!("{first}\n{last}")
}

#[test]
fn half_precision_learns_and_is_named() {
    insta::assert_snapshot!(notes_of_what_learns(&["--precision", "fp16"]), @r"
    Top-1 accuracy in percent on all test images; protocol `mini`, fp16; seed 1.
    computed in half precision (fp16) as on the authors' GPUs, context, gradient and momentum included; these results depend on the hardware
    ");
}

#[test]
fn bfloat16_is_a_protocol() {
    insta::assert_snapshot!(notes_of_what_learns(&["--protocol", "bf16"]), @r"
    Top-1 accuracy in percent on all test images; protocol `bf16`, bf16; seed 1.
    computed in bfloat16, context, gradient and momentum included, where the authors' GPUs computed in fp16; these results depend on the hardware
    ");
}

#[test]
fn mixed_precision_learns_and_is_named() {
    insta::assert_snapshot!(notes_of_what_learns(&["--precision", "amp"]), @r"
    Top-1 accuracy in percent on all test images; protocol `mini`, amp; seed 1.
    mixed precision as the authors' `amp` has it: trained with products in fp16 and a gradient scaler, evaluated in single precision; the scaler and what is rounded where autocast would do it are ours, logits and losses are in single precision, and PAN tries positions on the features that it trains on; these results depend on the hardware
    ");
}
