//! Numbers of shots as people and files have them: `16`, or `all`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The number of shots that stands for all images.
pub const ALL_SHOTS: u32 = u32::MAX;

/// What [`ALL_SHOTS`] is called.
const ALL: &str = "all";

/// Shots as they are written in files and options: `16`, `all`.
pub fn written(shots: u32) -> String {
    if shots == ALL_SHOTS { ALL.to_owned() } else { shots.to_string() }
}

/// Shots in a sentence or a heading: `1 shot`, `16 shots`, `all images`.
pub fn in_words(shots: u32) -> String {
    match shots {
        1 => "1 shot".to_owned(),
        ALL_SHOTS => "all images".to_owned(),
        _ => format!("{shots} shots"),
    }
}

/// What [`written`] writes.
///
/// # Errors
///
/// When it is neither a number nor `all`.
pub fn parse(text: &str) -> Result<u32, String> {
    match text {
        ALL => Ok(ALL_SHOTS),
        // `parse` would take a sign.
        _ if text.starts_with('+') => Err(EXPECTED.to_owned()),
        _ => text.parse().ok().filter(|shots| *shots != ALL_SHOTS).ok_or_else(|| EXPECTED.to_owned()),
    }
}

const EXPECTED: &str = "expected a whole number, or all";

/// One number of shots in a file: a number, or the text `all`.
struct Written(u32);

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == ALL_SHOTS { serializer.serialize_str(ALL) } else { serializer.serialize_u32(self.0) }
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = u32;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number, or `all`")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<u32, E> {
                let fits = u32::try_from(number).ok().filter(|shots| *shots != ALL_SHOTS);
                fits.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u32, E> {
                if text == ALL {
                    return Ok(ALL_SHOTS);
                }
                Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor).map(Self)
    }
}

/// For `#[serde(with = "nemesis_core::shots::one")]`.
pub mod one {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Written};

    /// A number, or the text `all`.
    ///
    /// # Errors
    ///
    /// The serializer's.
    pub fn serialize<S: Serializer>(shots: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        Written(*shots).serialize(serializer)
    }

    /// What [`serialize`] writes.
    ///
    /// # Errors
    ///
    /// When it is something else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        Written::deserialize(deserializer).map(|shots| shots.0)
    }
}

/// For `#[serde(with = "nemesis_core::shots::list")]`.
pub mod list {
    use super::{Deserialize, Deserializer, Serializer, Written};

    /// A list of numbers, or of the text `all`.
    ///
    /// # Errors
    ///
    /// The serializer's.
    pub fn serialize<S: Serializer>(shots: &[u32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(shots.iter().map(|shots| Written(*shots)))
    }

    /// What [`serialize`] writes.
    ///
    /// # Errors
    ///
    /// When it is something else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
        Ok(Vec::<Written>::deserialize(deserializer)?.into_iter().map(|shots| shots.0).collect())
    }
}

/// For `#[serde(with = "nemesis_core::shots::and_seed")]`.
pub mod and_seed {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Written};
    use crate::seeds::Seeds;

    /// A pair of shots and seeds, or nothing.
    ///
    /// # Errors
    ///
    /// The serializer's.
    pub fn serialize<S: Serializer>(sample: &Option<(u32, Seeds)>, serializer: S) -> Result<S::Ok, S::Error> {
        sample.map(|(shots, seeds)| (Written(shots), seeds)).serialize(serializer)
    }

    /// What [`serialize`] writes.
    ///
    /// # Errors
    ///
    /// When it is something else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<(u32, Seeds)>, D::Error> {
        let sample = Option::<(Written, Seeds)>::deserialize(deserializer)?;
        Ok(sample.map(|(shots, seeds)| (shots.0, seeds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        #[serde(with = "one")]
        shots: u32,
        #[serde(with = "list")]
        several: Vec<u32>,
        #[serde(with = "and_seed")]
        sample: Option<(u32, crate::seeds::Seeds)>,
    }

    #[test]
    fn all_images_are_written_as_a_word_and_numbers_as_numbers() {
        let all = All { shots: ALL_SHOTS, several: vec![1, ALL_SHOTS], sample: Some((ALL_SHOTS, 3.into())) };
        let text = r#"{"shots":"all","several":[1,"all"],"sample":["all",3]}"#;
        assert_eq!(serde_json::to_string(&all).unwrap(), text);
        assert_eq!(serde_json::from_str::<All>(text).unwrap(), all);
        let few = All { shots: 4, several: vec![4], sample: None };
        let text = r#"{"shots":4,"several":[4],"sample":null}"#;
        assert_eq!(serde_json::to_string(&few).unwrap(), text);
        assert_eq!(serde_json::from_str::<All>(text).unwrap(), few);
        for wrong in ["4294967295", "-1", "1.5", r#""4""#, r#""ALL""#] {
            assert!(serde_json::from_str::<All>(&text.replacen('4', wrong, 1)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for shots in [0, 1, 16, ALL_SHOTS] {
            assert_eq!(parse(&written(shots)), Ok(shots));
        }
        for wrong in ["", "+1", "-1", "4294967295", "ALL", "1.5"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
