//! `fewshot.json`: what CPython draws from lists of labels, and how it divides lists into train and val.

use super::check::{Check, differing};
use super::fixtures::Fixtures;
use nemesis_core::dataset::division::{VAL_SHARE, split_trainval};
use nemesis_core::dataset::python_random::PythonRandom;
use nemesis_core::dataset::{Sample, few_shot};
use nemesis_core::{Error, Result};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    fewshot: Vec<FewShotCase>,
    split_trainval: Vec<SplitCase>,
}

#[derive(Deserialize)]
struct FewShotCase {
    seed: u64,
    shots: usize,
    train_labels: Vec<u32>,
    val_labels: Vec<u32>,
    /// The indices chosen, in order.
    train: Vec<usize>,
    val: Vec<usize>,
}

#[derive(Deserialize)]
struct SplitCase {
    seed: u64,
    /// How many samples each class has.
    per_class: Vec<usize>,
    p_val: f64,
    train: Vec<usize>,
    val: Vec<usize>,
}

pub(super) fn checks(fixtures: &Fixtures) -> Result<Vec<Check>> {
    let cases: Cases = fixtures.json("fewshot.json")?;
    let drawn = cases.fewshot.iter().map(|case| {
        let sample = few_shot(&listed(&case.train_labels), &listed(&case.val_labels), case.shots, case.seed);
        let wrong = wrong_picks(&sample.train, &case.train) + wrong_picks(&sample.val, &case.val);
        let FewShotCase { seed, shots, .. } = case;
        Check::exact(format!("fewshot, seed {seed}, {shots}-shot"), Ok(wrong))
    });
    let divided = cases.split_trainval.iter().map(|case| {
        let labels = case.per_class.iter().zip(0..).flat_map(|(count, label)| vec![label; *count]);
        let samples = listed(&labels.collect::<Vec<u32>>());
        let (train, val) = split_trainval(&samples, &mut PythonRandom::new(case.seed));
        let wrong = wrong_picks(&train, &case.train) + wrong_picks(&val, &case.val);
        let known = (case.p_val - VAL_SHARE).abs() < f64::EPSILON;
        let wrong = if known {
            Ok(wrong)
        } else {
            Err(Error::new(format!("a share of {} for val", case.p_val)).expected(VAL_SHARE.to_string()))
        };
        Check::exact(format!("split_trainval, seed {}", case.seed), wrong)
    });
    Ok(drawn.chain(divided).collect())
}

/// Samples whose paths are their indices.
fn listed(labels: &[u32]) -> Vec<Sample> {
    labels.iter().enumerate().map(|(i, label)| Sample { path: i.to_string().into(), label: *label }).collect()
}

fn wrong_picks(picked: &[Sample], golden: &[usize]) -> usize {
    let picked: Vec<String> = picked.iter().map(|sample| sample.path.display().to_string()).collect();
    let golden: Vec<String> = golden.iter().map(usize::to_string).collect();
    differing(&picked, &golden)
}
