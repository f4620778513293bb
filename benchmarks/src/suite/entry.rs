//! The entries of a suite: methods with what the suite says of their options and protocol.

use crate::numbers;
use nemesis_core::method::ProtocolPatch;
use nemesis_core::{Error, Result, shots};
use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// A column of a suite: a method with options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodEntry {
    /// The method's id.
    pub method: String,
    /// The column's label, where a method appears with several settings; otherwise the method's own.
    #[serde(default)]
    pub label: Option<String>,
    /// Options for all data sets.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// Options for single data sets, over the others.
    #[serde(default)]
    pub options_by_dataset: BTreeMap<String, Map<String, Value>>,
    /// Options with the values that they take in turn, one column each; of several options, all combinations. These
    /// win over `options` and `options_by_dataset`.
    #[serde(default)]
    pub sweep: Map<String, Value>,
    /// How the method is trained, over the run's protocol and what the method publishes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<EntryProtocol>,
    /// What the publication sets for this table, over the method's defaults. The run's `overrides` hold against it, and
    /// so does all else that an entry says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub as_published: Vec<AsPublished>,
}

/// Settings of a publication, for some data sets and shots. Of several that apply, later ones win.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AsPublished {
    /// The data sets that they are for; any if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<String>,
    /// The shots that they are for; any if empty.
    #[serde(default, deserialize_with = "numbers::deserialize", skip_serializing_if = "Vec::is_empty")]
    pub shots: Vec<u32>,
    /// Options.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
    /// Parts of the protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Box<ProtocolPatch>>,
}

impl AsPublished {
    /// Whether they are for this place; without one, whether they are for every place.
    pub fn applies(&self, place: Option<(&str, u32)>) -> bool {
        match place {
            Some((dataset, shots)) => {
                (self.datasets.is_empty() || self.datasets.iter().any(|name| name == dataset))
                    && (self.shots.is_empty() || self.shots.contains(&shots))
            }
            None => self.datasets.is_empty() && self.shots.is_empty(),
        }
    }

    /// Where they apply, as in `on dtd and eurosat, 8 and 16 shots`.
    pub fn place(&self) -> String {
        let on = (!self.datasets.is_empty()).then(|| format!("on {}", listed(&self.datasets)));
        let shots: Vec<String> = self.shots.iter().map(|shots| shots::written(*shots)).collect();
        let with = (!shots.is_empty()).then(|| {
            let what = if shots == ["1"] { "shot" } else { "shots" };
            format!("with {} {what}", listed(&shots))
        });
        on.into_iter().chain(with).collect::<Vec<_>>().join(" ")
    }
}

/// `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// What a suite's entry says of the protocol.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EntryProtocol {
    /// The protocol of this name or file, in place of the run's and of what the method publishes.
    Named(String),
    /// Some parts of it.
    Parts(Box<ProtocolPatch>),
}

impl<'de> Deserialize<'de> for EntryProtocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct NameOrParts;

        impl<'de> Visitor<'de> for NameOrParts {
            type Value = EntryProtocol;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name or file of a protocol, or a mapping with parts of one, such as `batch_size`")
            }

            fn visit_str<E>(self, name: &str) -> std::result::Result<EntryProtocol, E> {
                Ok(EntryProtocol::Named(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<EntryProtocol, A::Error> {
                ProtocolPatch::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(EntryProtocol::Parts)
            }
        }

        deserializer.deserialize_any(NameOrParts)
    }
}

impl MethodEntry {
    /// An entry of a method with all options left at their defaults.
    pub fn plain(method: &str) -> Self {
        Self {
            method: method.to_owned(),
            label: None,
            options: Map::new(),
            options_by_dataset: BTreeMap::new(),
            sweep: Map::new(),
            protocol: None,
            as_published: Vec::new(),
        }
    }

    /// The settings of the publication that apply at a data set and shots; without one, those that apply everywhere.
    pub fn published_at(&self, place: Option<(&str, u32)>) -> impl Iterator<Item = &AsPublished> {
        self.as_published.iter().filter(move |settings| settings.applies(place))
    }

    /// Whether another entry asks for the same under the same label: `1` and `1.0` are one value.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let plain = |entry: &Self| serde_json::to_value(entry).map(as_floats).ok();
        plain(self) == plain(other)
    }

    /// The entries that the sweep unfolds into, in each of which every swept option has one value; this one alone if
    /// it sweeps nothing.
    ///
    /// # Errors
    ///
    /// When a swept option has no list of values.
    pub fn unfolded(&self) -> Result<Vec<Self>> {
        let mut entries = vec![Self { sweep: Map::new(), ..self.clone() }];
        for (option, values) in &self.sweep {
            let Value::Array(values) = values else {
                return Err(Error::new(format!(
                    "the swept option `{option}` of `{}` has no list of values",
                    self.method
                ))
                .expected(format!("a list, as in `sweep: {{{option}: [0.1, 1.0]}}`")));
            };
            if values.is_empty() {
                let what = format!("the swept option `{option}` of `{}` has no values", self.method);
                return Err(Error::new(what).expected("one value or more"));
            }
            let with = |entry: &Self, value: &Value| {
                let mut entry = entry.clone();
                entry.sweep.insert(option.clone(), value.clone());
                entry
            };
            entries = entries.iter().flat_map(|entry| values.iter().map(|value| with(entry, value))).collect();
        }
        Ok(entries)
    }
}

/// The value with every number as a floating-point one.
fn as_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Number(number), Value::from),
        Value::Array(items) => items.into_iter().map(as_floats).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, as_floats(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_settings_apply_to_their_data_sets_and_shots() {
        let entry: MethodEntry = serde_yaml::from_str(
            "{method: a, as_published: [{options: {x: 1}}, {datasets: [dtd, eurosat], shots: [8, 16], options: {x: 2}}, \
             {shots: [1], protocol: {epochs: 3}}]}",
        )
        .unwrap();
        let at = |place| entry.published_at(place).map(AsPublished::place).collect::<Vec<_>>();
        assert_eq!(at(None), [""]);
        assert_eq!(at(Some(("dtd", 8))), ["", "on dtd and eurosat with 8 and 16 shots"]);
        assert_eq!(at(Some(("dtd", 1))), ["", "with 1 shot"]);
        assert_eq!(at(Some(("ucf101", 8))), [""]);
        assert!(serde_yaml::from_str::<AsPublished>("{dataset: [dtd]}").unwrap_err().to_string().contains("datasets"));
    }
}
