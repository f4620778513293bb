//! The two seeds of a training: that of the images it sees, and that of where it starts from.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What the draws of a training are seeded by. Nearly always both seeds are the same; a run with `--split-seeds` crosses
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seeds {
    /// The seed of what the method is shown: the few-shot sample, and its crops and flips.
    pub sample: u64,
    /// The seed of all else: the initial context, the order of batches, dropout, noise in place of a context vector.
    pub initialisation: u64,
}

impl Seeds {
    /// Every pair of a sample and an initialisation, sample by sample; each seed for both if there are no initialisations.
    pub fn crossed(samples: &[u64], initialisations: &[u64]) -> Vec<Self> {
        if initialisations.is_empty() {
            return samples.iter().copied().map(Self::from).collect();
        }
        let of = |sample| initialisations.iter().map(move |initialisation| (sample, *initialisation));
        let pairs = samples.iter().copied().flat_map(of);
        pairs.map(|(sample, initialisation)| Self { sample, initialisation }).collect()
    }

    /// Whether one seed serves for both.
    pub fn are_equal(self) -> bool {
        self.sample == self.initialisation
    }

    /// In a sentence: `seed 1`, or `sample seed 1, initialisation seed 2`.
    pub fn in_words(self) -> String {
        if self.are_equal() {
            format!("seed {}", self.sample)
        } else {
            format!("sample seed {}, initialisation seed {}", self.sample, self.initialisation)
        }
    }
}

/// One seed for both.
impl From<u64> for Seeds {
    fn from(seed: u64) -> Self {
        Self { sample: seed, initialisation: seed }
    }
}

/// `1`, or `1×2`: sample 1 with initialisation 2.
impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.are_equal() { self.sample.fmt(f) } else { f.pad(&format!("{}×{}", self.sample, self.initialisation)) }
    }
}

/// A number, or a list of the sample's seed and the initialisation's if they differ.
impl Serialize for Seeds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.are_equal() {
            serializer.serialize_u64(self.sample)
        } else {
            (self.sample, self.initialisation).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Seeds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Seeds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a seed, or a list of two")
            }

            fn visit_u64<E: Error>(self, seed: u64) -> Result<Seeds, E> {
                Ok(seed.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seeds: A) -> Result<Seeds, A::Error> {
                let mut next = |place| seeds.next_element()?.ok_or_else(|| A::Error::invalid_length(place, &self));
                let (sample, initialisation) = (next(0)?, next(1)?);
                match seeds.next_element::<u64>()? {
                    None => Ok(Seeds { sample, initialisation }),
                    Some(_) => Err(A::Error::invalid_length(3, &self)),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_are_written_as_one() {
        let (one, two) = (Seeds::from(3), Seeds { sample: 1, initialisation: 2 });
        for (seeds, json, shown) in [(one, "3", "3"), (two, "[1,2]", "1×2")] {
            assert_eq!(serde_json::to_string(&seeds).unwrap(), json);
            assert_eq!(serde_json::from_str::<Seeds>(json).unwrap(), seeds);
            assert_eq!(seeds.to_string(), shown);
        }
        assert_eq!(two.in_words(), "sample seed 1, initialisation seed 2");
        for wrong in ["[1]", "[1,2,3]", "-1", "\"1\"", "[]", "null"] {
            assert!(serde_json::from_str::<Seeds>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn samples_and_initialisations_are_crossed_sample_by_sample() {
        let shown = |samples: &[u64], initialisations: &[u64]| {
            Seeds::crossed(samples, initialisations).iter().map(Seeds::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown(&[1, 2], &[]), ["1", "2"]);
        assert_eq!(shown(&[1, 2], &[1, 2]), ["1", "1×2", "2×1", "2"]);
        assert_eq!(shown(&[3], &[1]), ["3×1"]);
    }
}
