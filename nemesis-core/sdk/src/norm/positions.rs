//! The option that says which context vectors PAN tries to corrupt.

use crate::OptionValue;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Which positions get the norm loss in a step (`NP` in the authors' code).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// This many random positions are corrupted, and those where it helped get the loss.
    Tried(usize),
    /// This many random positions get the loss without being tried, the authors' `randomK`.
    Random(usize),
}

impl Positions {
    /// How many positions are drawn.
    pub fn count(self) -> usize {
        match self {
            Self::Tried(count) | Self::Random(count) => count,
        }
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tried(count) => write!(f, "{count}"),
            Self::Random(count) => write!(f, "random{count}"),
        }
    }
}

impl OptionValue for Positions {
    fn kind() -> String {
        "integer, or `randomK` for an integer K".to_owned()
    }
}

impl Serialize for Positions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Tried(count) => count.serialize(serializer),
            Self::Random(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Positions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = Positions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of positions or `randomK`")
            }

            fn visit_u64<E: Error>(self, count: u64) -> Result<Positions, E> {
                usize::try_from(count).map(Positions::Tried).map_err(E::custom)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Positions, E> {
                let count = text.strip_prefix("random").and_then(|count| count.parse().ok());
                count.map(Positions::Random).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn both_forms_survive_json() {
        for (value, positions) in [(json!(3), Positions::Tried(3)), (json!("random2"), Positions::Random(2))] {
            assert_eq!(from_value::<Positions>(value.clone()).unwrap(), positions);
            assert_eq!(to_value(positions).unwrap(), value);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for value in [json!("random"), json!("3"), json!(-1), json!(1.5), json!(null)] {
            let error = from_value::<Positions>(value).unwrap_err().to_string();
            assert!(error.contains("expected a number of positions or `randomK`"), "{error}");
        }
    }
}
