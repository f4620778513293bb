//! `--split-seeds`: whether initialisations have seeds of their own, and which.

use crate::numbers::{self, Numbers};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// What a source says of the seeds of initialisations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SplitSeeds {
    /// They are those of the samples: `false`.
    Off,
    /// The same numbers as for samples, crossed with them: `true`, or no value.
    Alike,
    /// These, crossed with those of the samples.
    These(Vec<u64>),
}

impl SplitSeeds {
    /// The seeds of initialisations, given those of samples; none if they are not split.
    pub(super) fn initialisations(&self, samples: &[u64]) -> Vec<u64> {
        match self {
            Self::Off => Vec::new(),
            Self::Alike => samples.to_vec(),
            Self::These(seeds) => seeds.clone(),
        }
    }
}

impl FromStr for SplitSeeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(Self::Alike),
            "false" => Ok(Self::Off),
            seeds => Ok(Self::These(seeds.parse::<Numbers<u64>>()?.0)),
        }
    }
}

impl Serialize for SplitSeeds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::Alike => serializer.serialize_bool(true),
            Self::These(seeds) => Numbers(seeds.clone()).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SplitSeeds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Given;
        impl<'de> Visitor<'de> for Given {
            type Value = SplitSeeds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or seeds, as in 1-3")
            }

            fn visit_bool<E: de::Error>(self, split: bool) -> Result<SplitSeeds, E> {
                Ok(if split { SplitSeeds::Alike } else { SplitSeeds::Off })
            }

            fn visit_u64<E: de::Error>(self, seed: u64) -> Result<SplitSeeds, E> {
                Ok(SplitSeeds::These(vec![seed]))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SplitSeeds, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<SplitSeeds, A::Error> {
                let items = de::value::SeqAccessDeserializer::new(items);
                numbers::deserialize(items).map(SplitSeeds::These)
            }
        }
        deserializer.deserialize_any(Given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_the_command_line_say_it_alike() {
        let yaml = |text: &str| serde_yaml::from_str::<SplitSeeds>(text).unwrap();
        for text in ["true", "false", "4", "1-3", "1,5"] {
            assert_eq!(yaml(text), text.parse().unwrap(), "{text}");
        }
        assert_eq!(yaml("[1, 4-5]"), SplitSeeds::These(vec![1, 4, 5]));
        for said in [SplitSeeds::Off, SplitSeeds::Alike, SplitSeeds::These(vec![1, 4])] {
            assert_eq!(yaml(&serde_yaml::to_string(&said).unwrap()), said);
        }
        for wrong in ["yes", "", "1-", "-1", "1.5"] {
            assert!(wrong.parse::<SplitSeeds>().is_err(), "{wrong}");
        }
    }
}
