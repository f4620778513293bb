//! Options that are lists: in files a list, a text with commas, or a single item; in variables the same.

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::str::FromStr;

/// Names, or paths, where there may be none.
pub(crate) fn some_names<'de, T, D>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    T: From<String>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_option(Optional(Items {
        text: |text| Ok(text.split(',').map(|item| T::from(item.trim().to_owned())).collect()),
        item: |item| Ok(vec![T::from(item.to_owned())]),
        expected: "a list of names",
    }))
}

/// Items that are read of text, where there may be none; `expected` is how they are called in an error.
pub(crate) fn some_parsed<'de, T, D>(deserializer: D, expected: &'static str) -> Result<Option<Vec<T>>, D::Error>
where
    T: FromStr<Err = String>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_option(Optional(Items { text: one, item: one, expected }))
}

/// Items that are read of text; `expected` is how they are called in an error.
pub(crate) fn parsed<'de, T, D>(deserializer: D, expected: &'static str) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err = String>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(Items { text: one, item: one, expected })
}

fn one<T: FromStr<Err = String>>(text: &str) -> Result<Vec<T>, String> {
    text.parse().map(|item| vec![item])
}

/// What a text stands for.
type Parse<T> = fn(&str) -> Result<Vec<T>, String>;

/// Reads a text, a number, or a list of these. Errors arise where an item is read, so that the format says where that is.
struct Items<T> {
    text: Parse<T>,
    /// The same within a list.
    item: Parse<T>,
    expected: &'static str,
}

impl<'de, T> Visitor<'de> for Items<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
        Item(self.text, self.expected).visit_str(text)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Vec<T>, E> {
        Item(self.text, self.expected).visit_u64(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Vec<T>, E> {
        Item(self.text, self.expected).visit_i64(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Vec<T>, E> {
        Item(self.text, self.expected).visit_f64(number)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(items) = items.next_element_seed(Item(self.item, self.expected))? {
            all.extend(items);
        }
        Ok(all)
    }
}

/// Reads a text or a number.
struct Item<T>(Parse<T>, &'static str);

impl<T> Visitor<'_> for Item<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
        (self.0)(text).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Vec<T>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Vec<T>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Vec<T>, E> {
        self.visit_str(&number.to_string())
    }
}

impl<'de, T> DeserializeSeed<'de> for Item<T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// The same where there may be nothing.
struct Optional<T>(Items<T>);

impl<'de, T> Visitor<'de> for Optional<T> {
    type Value = Option<Vec<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self.0).map(Some)
    }
}
