//! Notes under a table, shown only if they are about something in it.

use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;

/// A sentence, and what it is about. In YAML, a plain string, or a mapping with the key `text`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The sentence.
    pub text: String,
    /// Ids of methods: the note is shown if one of them is in the table. Empty means any method.
    pub methods: Vec<String>,
    /// Names of data sets: the note is shown if one of them is in the table. Empty means any data set.
    pub datasets: Vec<String>,
    /// Options: the note is shown if one of these methods has one of them, with the value that the suite or the
    /// protocol gives. Empty if the note is not about options.
    pub options: Vec<String>,
    /// Whether it is about the mini suite only: its data and its backbone.
    pub mini: bool,
    /// The note to show instead if this one does not apply.
    pub otherwise: Option<Box<Note>>,
}

/// What is in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The methods: their ids, and the names of their options.
    pub methods: Vec<(String, Vec<String>)>,
    /// The data sets' names.
    pub datasets: Vec<String>,
    /// The options given by something other than suite and protocol, as `METHOD.OPTION`.
    pub set: BTreeSet<String>,
    /// Whether data and backbone are those of the mini suite.
    pub mini: bool,
}

impl Note {
    /// The text to show under a table, if any.
    pub fn for_table(&self, shown: &Shown) -> Option<&str> {
        if self.fits(shown) { Some(&self.text) } else { self.otherwise.as_ref()?.for_table(shown) }
    }

    fn fits(&self, shown: &Shown) -> bool {
        let meant = |(id, _): &&(String, Vec<String>)| self.methods.is_empty() || self.methods.contains(id);
        let has_one = |(_, options): &(String, Vec<String>)| self.options.iter().any(|option| options.contains(option));
        let is_set =
            |(id, _): &(String, Vec<String>)| self.options.iter().any(|o| shown.set.contains(&format!("{id}.{o}")));
        let mut methods = shown.methods.iter().filter(meant);
        let of_methods = if self.options.is_empty() {
            self.methods.is_empty() || methods.next().is_some()
        } else {
            methods.clone().any(has_one) && !methods.any(is_set)
        };
        of_methods
            && (self.datasets.is_empty() || shown.datasets.iter().any(|dataset| self.datasets.contains(dataset)))
            && (!self.mini || shown.mini)
    }
}

impl From<String> for Note {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

/// The keys of a note that is a mapping.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    methods: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    datasets: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    options: Vec<String>,
    #[serde(default)]
    mini: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    otherwise: Option<Box<Note>>,
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { text, methods, datasets, options, mini, otherwise } = self.clone();
        if self == &Self::from(text.clone()) {
            return serializer.serialize_str(&text);
        }
        Keys { text, methods, datasets, options, mini, otherwise }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrKeys;

        impl<'de> Visitor<'de> for TextOrKeys {
            type Value = Note;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a sentence, or a mapping with `text` and what it is about: `methods`, `datasets`, `options`",
                )
            }

            fn visit_str<E>(self, text: &str) -> Result<Note, E> {
                Ok(Note::from(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Note, A::Error> {
                let Keys { text, methods, datasets, options, mini, otherwise } =
                    Keys::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Note { text, methods, datasets, options, mini, otherwise })
            }
        }

        deserializer.deserialize_any(TextOrKeys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(yaml: &str) -> Note {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn a_note_is_shown_only_if_its_subject_is_in_the_table() {
        let pen = ("nemesis-pen".to_owned(), vec!["n_ctx".to_owned(), "alpha".to_owned()]);
        let pen = Shown { methods: vec![pen], datasets: vec!["dtd".into()], ..Shown::default() };
        let set = Shown { set: BTreeSet::from(["nemesis-pen.alpha".to_owned()]), ..pen.clone() };
        let said = |yaml: &str, shown: &Shown| note(yaml).for_table(shown).map(str::to_owned);
        let yes = Some("a".to_owned());
        assert_eq!(said("a", &Shown::default()), yes);
        assert_eq!(said("{text: a, methods: [nemesis-pen, x]}", &pen), yes);
        assert_eq!(said("{text: a, methods: [x]}", &pen), None);
        assert_eq!(said("{text: a, datasets: [eurosat]}", &pen), None);
        assert_eq!(said("{text: a, options: [alpha]}", &pen), yes);
        assert_eq!(said("{text: a, options: [alpha]}", &set), None);
        assert_eq!(said("{text: a, options: [tau]}", &pen), None);
        assert_eq!(said("{text: a, methods: [x], options: [alpha]}", &pen), None);
        assert_eq!(said("{text: b, mini: true, otherwise: {text: a, methods: [nemesis-pen]}}", &pen), yes);
    }

    #[test]
    fn notes_are_written_as_they_are_read() {
        for yaml in ["a", "{text: a, methods: [x], otherwise: b}"] {
            let note = note(yaml);
            assert_eq!(serde_json::from_str::<Note>(&serde_json::to_string(&note).unwrap()).unwrap(), note);
        }
        assert_eq!(serde_json::to_string(&note("a")).unwrap(), "\"a\"");
        assert!(serde_yaml::from_str::<Note>("{text: a, method: x}").unwrap_err().to_string().contains("method"));
    }
}
