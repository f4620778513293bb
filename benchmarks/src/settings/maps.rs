//! Options that the command line takes one pair at a time, and that are maps in files.

use crate::weights::Weights;
use nemesis_core::{Error, Result, yaml};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Parses `METHOD.OPTION=VALUE`; the value is read as YAML, so that `1`, `true` and `none` are what they look like.
///
/// # Errors
///
/// When the text has another form; as a plain text, for the command line.
pub fn parse_set(text: &str) -> std::result::Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("expected METHOD.OPTION=VALUE")?;
    if !key.contains('.') {
        return Err(format!("`{key}` names no method: expected METHOD.OPTION=VALUE, as in nemesis-pan.tau=0.5"));
    }
    let read = serde_yaml::from_str(value).map_err(|e| format!("the value of `{key}` is not YAML: {e}"))?;
    yaml::check(value).map_err(|e| format!("the value of `{key}` is {value}: {e}"))?;
    Ok((key.to_owned(), read))
}

/// The options of methods by their names.
pub(super) fn options(set: &[(String, Value)]) -> Result<BTreeMap<String, Value>> {
    let mut options: BTreeMap<String, Value> = BTreeMap::new();
    for (key, value) in set {
        if let Some(other) = options.get(key).filter(|other| *other != value) {
            return Err(Error::new(format!("`--set {key}` is given twice, with {other} and with {value}"))
                .about(key)
                .help("leave out one of the two, or sweep the option in a suite file"));
        }
        options.insert(key.clone(), value.clone());
    }
    Ok(options)
}

/// Checkpoints by their backbones' names.
pub(super) fn checkpoints(weights: &[Weights]) -> Result<BTreeMap<String, PathBuf>> {
    let mut by_name = BTreeMap::new();
    for given in weights {
        let name = given.name();
        match by_name.insert(name.clone(), given.file().to_owned()) {
            Some(other) if other != given.file() => {
                let (one, two) = (other.display(), given.file().display());
                return Err(
                    Error::new(format!("two checkpoints are called `{name}`: {one} and {two}")).about("--weights")
                );
            }
            _ => {}
        }
    }
    Ok(by_name)
}

/// `--set` as a map.
pub(super) mod set {
    use super::{BTreeMap, Value, options};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error};

    pub(in crate::settings) fn serialize<S: Serializer>(set: &[(String, Value)], to: S) -> Result<S::Ok, S::Error> {
        options(set).map_err(S::Error::custom)?.serialize(to)
    }

    pub(in crate::settings) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(String, Value)>, D::Error> {
        Ok(BTreeMap::deserialize(from)?.into_iter().collect())
    }
}

/// `--weights` as a map from names to files; a text or a list of texts, as the command line takes them, are read, too.
pub(super) mod weights {
    use super::{PathBuf, Weights, checkpoints};
    use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
    use serde::{Serialize, Serializer, ser};
    use std::fmt;

    pub(in crate::settings) fn serialize<S: Serializer>(weights: &[Weights], to: S) -> Result<S::Ok, S::Error> {
        checkpoints(weights).map_err(ser::Error::custom)?.serialize(to)
    }

    pub(in crate::settings) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Weights>, D::Error> {
        from.deserialize_any(Given)
    }

    struct Given;

    impl<'de> Visitor<'de> for Given {
        type Value = Vec<Weights>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("NAME=FILE, a list of these, or names as keys with files as values")
        }

        fn visit_unit<E: Error>(self) -> Result<Vec<Weights>, E> {
            Ok(Vec::new())
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<Weights>, E> {
            Ok(vec![text.parse().map_err(E::custom)?])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Vec<Weights>, A::Error> {
            let mut all: Vec<Weights> = Vec::new();
            while let Some(text) = texts.next_element::<String>()? {
                all.push(text.parse().map_err(A::Error::custom)?);
            }
            checkpoints(&all).map_err(A::Error::custom)?;
            Ok(all)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Weights>, A::Error> {
            let mut all = Vec::new();
            while let Some((name, file)) = map.next_entry::<String, PathBuf>()? {
                all.push(Weights::named(name, file));
            }
            Ok(all)
        }
    }
}
