//! One text for equal JSON values, so that equal cells have equal hashes.
//!
//! A plan may have a million cells, so the text is written at once, without a [`Value`] between: what a map holds is
//! written as it comes, and put in order once the map ends.

use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Error, Value};
use std::ops::Range;

/// The value as JSON without white space, its keys sorted at every depth, its floats in their shortest form.
pub(super) fn canonical(value: &impl Serialize) -> Vec<u8> {
    let mut writer = Writer::default();
    value.serialize(&mut writer).expect("cells are structs and maps with string keys, which JSON can hold");
    writer.text
}

/// Writes a text, with the entries of all maps that are not yet at their end.
#[derive(Default)]
struct Writer {
    text: Vec<u8>,
    keys: Vec<u8>,
    entries: Vec<Entry>,
    sorted: Vec<u8>,
}

/// An entry of a map: where its key stands among the keys, and where all of it in the text.
struct Entry {
    key: Range<usize>,
    text: Range<usize>,
}

type Result<T = ()> = std::result::Result<T, Error>;

impl Writer {
    /// Writes what `serde_json` writes: the shortest digits that read back as the same number, and text with escapes.
    fn scalar(&mut self, value: &(impl Serialize + ?Sized)) -> Result {
        serde_json::to_writer(&mut self.text, value)
    }

    fn map(&mut self) -> Map<'_> {
        self.text.push(b'{');
        Map { begin: self.text.len(), keys: self.keys.len(), entries: self.entries.len(), ends: 1, writer: self }
    }

    /// A map within a map of one entry, as enums have it.
    fn variant(&mut self, variant: &str) -> Result {
        self.text.push(b'{');
        self.scalar(variant)?;
        self.text.push(b':');
        Ok(())
    }

    fn list(&mut self, ends: &'static [u8]) -> List<'_> {
        self.text.push(b'[');
        List { writer: self, first: true, ends }
    }
}

/// A map that is being written.
struct Map<'a> {
    writer: &'a mut Writer,
    /// Where its entries begin: in the text, among the keys, and among the entries.
    begin: usize,
    keys: usize,
    entries: usize,
    /// How many braces end it.
    ends: usize,
}

impl Map<'_> {
    fn key(&mut self, key: &str) -> Result {
        let Writer { text, keys, entries, .. } = &mut *self.writer;
        let (key_begin, begin) = (keys.len(), text.len());
        keys.extend_from_slice(key.as_bytes());
        entries.push(Entry { key: key_begin..keys.len(), text: begin..begin });
        self.writer.scalar(key)?;
        self.writer.text.push(b':');
        Ok(())
    }

    fn value(&mut self, value: &(impl Serialize + ?Sized)) -> Result {
        // Maps within the value add entries, and take them away again.
        let place = self.writer.entries.len() - 1;
        value.serialize(&mut *self.writer)?;
        self.writer.entries[place].text.end = self.writer.text.len();
        Ok(())
    }

    fn sort(self) {
        let Writer { text, keys, entries, sorted } = self.writer;
        let own = &mut entries[self.entries..];
        own.sort_unstable_by(|one, other| keys[one.key.clone()].cmp(&keys[other.key.clone()]));
        sorted.clear();
        for (place, entry) in own.iter().enumerate() {
            if place > 0 {
                sorted.push(b',');
            }
            sorted.extend_from_slice(&text[entry.text.clone()]);
        }
        text.truncate(self.begin);
        text.extend_from_slice(sorted);
        text.extend(std::iter::repeat_n(b'}', self.ends));
        entries.truncate(self.entries);
        keys.truncate(self.keys);
    }
}

/// A list that is being written.
struct List<'a> {
    writer: &'a mut Writer,
    first: bool,
    ends: &'static [u8],
}

impl List<'_> {
    fn item(&mut self, item: &(impl Serialize + ?Sized)) -> Result {
        if !std::mem::take(&mut self.first) {
            self.writer.text.push(b',');
        }
        item.serialize(&mut *self.writer)
    }

    fn close(self) {
        self.writer.text.extend_from_slice(self.ends);
    }
}

macro_rules! scalars {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, value: $type) -> Result {
            self.scalar(&value)
        })*
    };
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Map<'a>;
    type SerializeStruct = Map<'a>;
    type SerializeStructVariant = Map<'a>;

    scalars! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_f64: f64,
        serialize_char: char, serialize_str: &str, serialize_bytes: &[u8]
    }

    /// A [`Value`] holds it as a double.
    fn serialize_f32(self, value: f32) -> Result {
        self.scalar(&f64::from(value))
    }

    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result {
        self.scalar(&())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.scalar(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.text.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>> {
        Ok(self.list(b"]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'a>> {
        Ok(self.list(b"]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'a>> {
        Ok(self.list(b"]"))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<List<'a>> {
        self.variant(variant)?;
        Ok(self.list(b"]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map<'a>> {
        Ok(self.map())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Map<'a>> {
        Ok(self.map())
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Map<'a>> {
        self.variant(variant)?;
        Ok(Map { ends: 2, ..self.map() })
    }
}

macro_rules! items {
    ($($trait:ident::$name:ident),*) => {
        $(impl $trait for List<'_> {
            type Ok = ();
            type Error = Error;

            fn $name<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
                self.item(value)
            }

            fn end(self) -> Result {
                self.close();
                Ok(())
            }
        })*
    };
}

items! {
    SerializeSeq::serialize_element, SerializeTuple::serialize_element, SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
}

macro_rules! fields {
    ($($trait:ident),*) => {
        $(impl $trait for Map<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result {
                self.key(key)?;
                self.value(value)
            }

            fn end(self) -> Result {
                self.sort();
                Ok(())
            }
        })*
    };
}

fields!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Map<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        match serde_json::to_value(key)? {
            Value::String(key) => self.key(&key),
            Value::Number(key) => self.key(&key.to_string()),
            other => Err(ser::Error::custom(format_args!("the key {other} is not a string"))),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.value(value)
    }

    fn end(self) -> Result {
        self.sort();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn text(value: &impl Serialize) -> String {
        String::from_utf8(canonical(value)).unwrap()
    }

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = json!({ "b": [{ "z": 1, "a": 0.1 }, null], "a": "\"é\n" });
        assert_eq!(text(&value), r#"{"a":"\"é\n","b":[{"a":0.1,"z":1},null]}"#);
    }

    /// The text by way of a [`Value`], whose keys are put in order first.
    fn by_way_of_a_value(value: &impl Serialize) -> String {
        fn sorted(value: Value) -> Value {
            match value {
                Value::Array(items) => items.into_iter().map(sorted).collect(),
                Value::Object(map) => {
                    let map: BTreeMap<String, Value> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
                    map.into_iter().collect::<serde_json::Map<_, _>>().into()
                }
                scalar => scalar,
            }
        }
        sorted(serde_json::to_value(value).unwrap()).to_string()
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        scalar.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..5).prop_map(Value::from),
                vec((any::<String>(), inner), 0..5)
                    .prop_map(|entries| entries.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    /// Every form that serde knows beside those of JSON.
    #[derive(Clone, Debug, serde::Serialize)]
    enum Form {
        Unit,
        New(f32),
        Tuple(u8, char),
        Struct { z: Option<i8>, a: (u16, ()) },
    }

    #[derive(Debug, serde::Serialize)]
    #[serde(tag = "kind", rename_all = "lowercase")]
    enum Tagged<'a> {
        Inner(&'a BTreeMap<u32, Form>),
        Own {
            b: Form,
            a: f32,
            #[serde(flatten)]
            more: BTreeMap<String, Value>,
        },
    }

    fn any_form() -> impl Strategy<Value = Form> {
        prop_oneof![
            Just(Form::Unit),
            any::<f32>().prop_map(Form::New),
            any::<(u8, char)>().prop_map(|(n, c)| Form::Tuple(n, c)),
            any::<(Option<i8>, u16)>().prop_map(|(z, a)| Form::Struct { z, a: (a, ()) }),
        ]
    }

    proptest! {
        #[test]
        fn the_text_is_that_of_a_value_in_order(value in any_value()) {
            prop_assert_eq!(text(&value), by_way_of_a_value(&value));
        }

        #[test]
        fn so_it_is_of_every_form(
            forms in btree_map(any::<u32>(), any_form(), 0..4),
            b in any_form(),
            a: f32,
            more in btree_map("[c-z]{1,3}", any_value(), 0..4),
        ) {
            let inner = Tagged::Inner(&forms);
            prop_assert_eq!(text(&inner), by_way_of_a_value(&inner));
            let own = Tagged::Own { b, a, more };
            prop_assert_eq!(text(&own), by_way_of_a_value(&own));
        }
    }
}
