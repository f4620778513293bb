//! The base and new halves of a data set's classes.

use super::Sample;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// Which classes take part: all, or one half for base-to-new generalization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassSubset {
    /// Every class.
    #[default]
    All,
    /// The first half of the labels, the larger one if their number is odd: what is trained on.
    Base,
    /// The other labels: what the trained context has never seen.
    New,
}

impl ClassSubset {
    /// The labels of this subset of `classes` classes: base is the first `ceil(classes / 2)`, as CoOp has it
    /// (`subsample_classes` of its `datasets/oxford_pets.py`).
    pub fn labels(self, classes: usize) -> Range<usize> {
        let half = classes.div_ceil(2);
        match self {
            Self::All => 0..classes,
            Self::Base => 0..half,
            Self::New => half..classes,
        }
    }

    /// The names of this subset's classes, by their new labels.
    pub fn class_names(self, names: &[String]) -> &[String] {
        &names[self.labels(names.len())]
    }

    /// The samples of this subset's classes, in their order, relabelled from zero. To be taken of few-shot samples
    /// after they were drawn, so that the shots of the base classes are those of a run on all classes.
    #[must_use]
    pub fn samples(self, samples: &[Sample], classes: usize) -> Vec<Sample> {
        let labels = self.labels(classes);
        samples
            .iter()
            .filter(|sample| labels.contains(&(sample.label as usize)))
            .map(|sample| Sample { path: sample.path.clone(), label: sample.label - labels.start as u32 })
            .collect()
    }
}

impl fmt::Display for ClassSubset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::All => "all",
            Self::Base => "base",
            Self::New => "new",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_number_of_classes_gives_the_larger_half_to_base() {
        // DTD: 24 base and 23 new classes.
        assert_eq!(ClassSubset::Base.labels(47), 0..24);
        assert_eq!(ClassSubset::New.labels(47), 24..47);
        assert_eq!(ClassSubset::All.labels(47), 0..47);
        assert_eq!(ClassSubset::New.labels(1), 1..1);
    }

    #[test]
    fn a_half_keeps_its_samples_in_order_and_relabels_them() {
        let samples: Vec<Sample> =
            [2, 0, 1, 2].iter().enumerate().map(|(i, l)| Sample { path: i.to_string().into(), label: *l }).collect();
        let new = ClassSubset::New.samples(&samples, 3);
        assert_eq!(new.iter().map(|s| (s.path.to_str().unwrap(), s.label)).collect::<Vec<_>>(), [("0", 0), ("3", 0)]);
        let names = ["a", "b", "c"].map(String::from);
        assert_eq!(ClassSubset::Base.class_names(&names), ["a", "b"]);
        assert_eq!(ClassSubset::New.class_names(&names), ["c"]);
    }
}
