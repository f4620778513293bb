//! Which classes of a data set a cell is about: all of them, or one half of the base-to-new protocol.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// All classes of a data set, or one of CoOp's two halves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassSubset {
    /// Every class.
    #[default]
    All,
    /// The first half of the labels, the larger one when their number is odd: what is trained on.
    Base,
    /// The other labels: what the trained context has never seen.
    New,
}

impl ClassSubset {
    /// The labels of this subset among `classes` labels. They are counted from zero again afterwards (CoOp's
    /// `subsample_classes`, `datasets/oxford_pets.py`).
    pub fn labels(self, classes: usize) -> Range<usize> {
        let half = classes.div_ceil(2);
        match self {
            Self::All => 0..classes,
            Self::Base => 0..half,
            Self::New => half..classes,
        }
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
    fn an_odd_class_belongs_to_the_base_half() {
        assert_eq!(ClassSubset::All.labels(37), 0..37);
        assert_eq!(ClassSubset::Base.labels(37), 0..19);
        assert_eq!(ClassSubset::New.labels(37), 19..37);
    }
}
