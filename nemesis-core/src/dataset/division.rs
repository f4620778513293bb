//! How CoOp divides labelled images into train, val and test where no split is published.

use super::Sample;
use super::few_shot::by_class;
use super::python_random::PythonRandom;

/// The part of a class's images that CoOp trains on where it divides all of them.
const TRAIN_SHARE: f64 = 0.5;
/// The part of a class's images that CoOp validates on.
pub const VAL_SHARE: f64 = 0.2;

/// Something that belongs to a class.
pub trait Labelled {
    /// The class.
    fn label(&self) -> u32;
}

impl Labelled for Sample {
    fn label(&self) -> u32 {
        self.label
    }
}

/// Divides samples into train and val where the test samples are published (`split_trainval` of CoOp's
/// `datasets/oxford_pets.py`): class by class, in order of first appearance, shuffled, the first fifth to val.
pub fn split_trainval<T: Labelled + Clone>(samples: &[T], random: &mut PythonRandom) -> (Vec<T>, Vec<T>) {
    let (mut train, mut val) = (Vec::new(), Vec::new());
    for mut members in by_class(samples) {
        random.shuffle(&mut members);
        let (first, rest) = members.split_at(share(members.len(), VAL_SHARE));
        val.extend(first.iter().copied().cloned());
        train.extend(rest.iter().copied().cloned());
    }
    (train, val)
}

/// Divides samples into train, val and test (`read_and_split_data` of CoOp's `datasets/dtd.py`): class by class, in
/// order of first appearance, shuffled, half of them to train, a fifth to val, the rest to test.
pub fn split_whole<T: Labelled + Clone>(samples: &[T], random: &mut PythonRandom) -> [Vec<T>; 3] {
    let [mut train, mut val, mut test] = [const { Vec::new() }; 3];
    for mut members in by_class(samples) {
        random.shuffle(&mut members);
        let (first, rest) = members.split_at(share(members.len(), TRAIN_SHARE));
        let (second, third) = rest.split_at(share(members.len(), VAL_SHARE).min(rest.len()));
        train.extend(first.iter().copied().cloned());
        val.extend(second.iter().copied().cloned());
        test.extend(third.iter().copied().cloned());
    }
    [train, val, test]
}

/// Python's `round(count * share)`, which rounds halves to even.
fn share(count: usize, share: f64) -> usize {
    (count as f64 * share).round_ties_even() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Samples whose paths are their indices.
    fn samples(labels: &[u32]) -> Vec<Sample> {
        labels.iter().enumerate().map(|(i, label)| Sample { path: i.to_string().into(), label: *label }).collect()
    }

    fn index(sample: &Sample) -> usize {
        sample.path.to_str().unwrap().parse().unwrap()
    }

    proptest! {
        #[test]
        fn every_sample_goes_to_one_part(labels in prop::collection::vec(0_u32..5, 0..90), seed: u64) {
            let all = samples(&labels);
            let (train, val) = split_trainval(&all, &mut PythonRandom::new(seed));
            let whole = split_whole(&all, &mut PythonRandom::new(seed));
            for mut parts in [[train, val].concat(), whole.concat()] {
                parts.sort_by_key(index);
                prop_assert_eq!(&parts, &all);
            }
        }
    }

    #[test]
    fn whole_data_sets_are_divided_as_cpython_divides_them() {
        // import random; random.seed(3); x = list(range(13)); random.shuffle(x); print(x)
        let all = samples(&[0; 13]);
        let parts = split_whole(&all, &mut PythonRandom::new(3));
        let parts = parts.map(|part| part.iter().map(index).collect::<Vec<usize>>());
        // round(6.5) is 6 and round(2.6) is 3.
        assert_eq!(parts, [vec![12, 11, 1, 6, 0, 4], vec![10, 7, 5], vec![2, 8, 9, 3]]);
    }
}
