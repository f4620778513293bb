//! Sentences for under a table, which stand there only where they are about something that is in it.

use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;

/// A sentence, and what it is about. In YAML a plain text, or keys of which `text` is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The sentence.
    pub text: String,
    /// Ids of methods, one of which is in the table; any, if there are none.
    pub methods: Vec<String>,
    /// Names of data sets, one of which is in the table; any, if there are none.
    pub datasets: Vec<String>,
    /// Options that one of these methods has, and whose values are those of the suite and the protocol; none, if it is
    /// not about options.
    pub options: Vec<String>,
    /// Whether it is about the mini suite alone: its data and its backbone.
    pub mini: bool,
    /// What stands in its place where it does not.
    pub otherwise: Option<Box<Note>>,
}

/// What is in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The methods: their ids, and the names of their options.
    pub methods: Vec<(String, Vec<String>)>,
    /// The data sets' names.
    pub datasets: Vec<String>,
    /// The options that were given apart from suite and protocol, as `METHOD.OPTION`.
    pub set: BTreeSet<String>,
    /// Whether data and backbone are those of the mini suite.
    pub mini: bool,
}

impl Note {
    /// What is to be said under a table, if anything is.
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

/// The keys of a note that is not plain.
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
                f.write_str("a sentence, or `text` with what it is about: methods, datasets, options")
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
    fn a_note_stands_where_what_it_is_about_is_there() {
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
