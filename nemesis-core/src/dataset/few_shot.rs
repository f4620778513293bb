//! Few-shot sampling, exactly as CoOp and Dassl draw it.

use super::division::Labelled;
use super::python_random::PythonRandom;
use super::{Dataset, Sample, Split};
pub use crate::shots::ALL_SHOTS;
use std::collections::HashMap;

/// The most validation samples that CoOp draws per class, whatever the number of shots.
pub(crate) const MAX_VAL_SHOTS: usize = 4;

/// What a few-shot training sees: some samples of train, and of val, class by class in the order drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FewShot {
    /// `shots` samples of each class, fewer where the class has fewer.
    pub train: Vec<Sample>,
    /// Up to four samples of each class; none where the data set's validation samples are its test samples.
    pub val: Vec<Sample>,
}

/// Draws the few-shot samples that CoOp draws from `dataset` with this seed.
///
/// CoOp seeds Python's `random` once and samples train and then val from one stream (`datasets/*.py`, Dassl's
/// `generate_fewshot_dataset`). From ImageNet, whose validation samples are its test samples, it draws train alone.
/// A base or new half is taken of the result: sampling sees all classes (see [`super::ClassSubset`]). With [`ALL_SHOTS`]
/// nothing is drawn: as in CoOp with less than one shot, it is all of train and all of val, in their order.
pub fn draw(dataset: &dyn Dataset, shots: usize, seed: u64) -> FewShot {
    let val = if dataset.val_is_test() { &[] } else { dataset.samples(Split::Val) };
    let train = dataset.samples(Split::Train);
    if shots == ALL_SHOTS as usize {
        return FewShot { train: train.to_vec(), val: val.to_vec() };
    }
    few_shot(train, val, shots, seed)
}

/// Draws `shots` samples of each class from `train`, then up to four from `val`, from one stream of random numbers.
///
/// Classes come in the order of their first appearance in the list, which need not be that of their labels.
pub fn few_shot(train: &[Sample], val: &[Sample], shots: usize, seed: u64) -> FewShot {
    let mut random = PythonRandom::new(seed);
    let train = per_class(train, shots, &mut random);
    let val = per_class(val, shots.min(MAX_VAL_SHOTS), &mut random);
    FewShot { train, val }
}

fn per_class(samples: &[Sample], shots: usize, random: &mut PythonRandom) -> Vec<Sample> {
    by_class(samples).iter().flat_map(|members| random.sample(members, shots)).cloned().collect()
}

/// The samples of each class, classes in the order of their first appearance.
pub(super) fn by_class<T: Labelled>(samples: &[T]) -> Vec<Vec<&T>> {
    let mut classes: Vec<Vec<&T>> = Vec::new();
    let mut places: HashMap<u32, usize> = HashMap::new();
    for sample in samples {
        let place = *places.entry(sample.label()).or_insert(classes.len());
        if place == classes.len() {
            classes.push(Vec::new());
        }
        classes[place].push(sample);
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Samples whose paths are their indices.
    fn samples(labels: &[u32]) -> Vec<Sample> {
        labels.iter().enumerate().map(|(i, label)| Sample { path: i.to_string().into(), label: *label }).collect()
    }

    proptest! {
        #[test]
        fn every_class_gives_its_shots_in_order_of_first_appearance(
            labels in prop::collection::vec(0_u32..9, 0..120), shots in 0_usize..17, seed: u64,
        ) {
            let all = samples(&labels);
            let drawn = few_shot(&all, &all, shots, seed);
            for (part, shots) in [(&drawn.train, shots), (&drawn.val, shots.min(4))] {
                let mut expected = Vec::new();
                for members in by_class(&all) {
                    expected.extend(vec![members[0].label; members.len().min(shots)]);
                }
                prop_assert_eq!(part.iter().map(|s| s.label).collect::<Vec<_>>(), expected);
                let mut paths: Vec<_> = part.iter().map(|s| &s.path).collect();
                paths.sort();
                paths.dedup();
                prop_assert_eq!(paths.len(), part.len());
            }
        }

        #[test]
        fn val_does_not_change_what_train_draws(
            labels in prop::collection::vec(0_u32..5, 1..60), shots in 1_usize..9, seed: u64,
        ) {
            let all = samples(&labels);
            prop_assert_eq!(few_shot(&all, &[], shots, seed).train, few_shot(&all, &all, shots, seed).train);
        }
    }
}
