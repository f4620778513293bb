//! Typed JSON whose failures name the file and the line.

use crate::Result;
use crate::error::of_serde_json;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::path::Path;

/// Parses JSON text into a `T`; `file` is named in errors.
///
/// # Errors
///
/// When the text is not JSON, is cut off, is not a `T`, or has an object with a key that comes twice.
pub fn parse<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T> {
    let value = typed(text, file)?;
    refuse_repeated_keys(text, file)?;
    Ok(value)
}

/// Refuses JSON with an object in which a key comes twice: what one of them says would be lost, in silence.
///
/// # Errors
///
/// When there is one.
pub(crate) fn refuse_repeated_keys(text: &str, file: &Path) -> Result<()> {
    typed::<Unrepeated>(text, file).map(drop)
}

fn typed<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| of_serde_json(error.inner(), &error.path().to_string(), text, file))
        .and_then(|value| match deserializer.end() {
            Ok(()) => Ok(value),
            Err(error) => Err(of_serde_json(&error, "", text, file)),
        })
}

/// Any value in which no key of an object comes twice.
struct Unrepeated;

impl<'de> Deserialize<'de> for Unrepeated {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Unrepeated)
    }
}

impl<'de> Visitor<'de> for Unrepeated {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some((key, Self)) = entries.next_entry::<String, Self>()? {
            if let Some(twice) = keys.replace(key) {
                return Err(A::Error::custom(format_args!("duplicate field `{twice}`")));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_key_that_comes_twice_is_refused_at_any_depth() {
        let text = "{\n  \"a\": [1, {\"b\": null, \"c\": \"b\"}],\n  \"d\": {\"b\": 1.5, \"b\": true}\n}";
        let read = parse::<BTreeMap<String, serde_json::Value>>(text, Path::new("x.json"));
        insta::assert_snapshot!(read.unwrap_err(), @r"
        d: duplicate field `b`
          --> x.json:3
        ");
        let told = parse::<BTreeMap<String, u8>>(r#"{"a": 1, "b": 2, "a": 1}"#, Path::new("x.json"));
        insta::assert_snapshot!(told.unwrap_err(), @r"
        duplicate field `a`
          --> x.json:1
        ");
    }
}
