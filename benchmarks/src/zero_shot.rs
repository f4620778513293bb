//! The zero-shot columns of a suite: which hand-written prompts classify without learning.

use nemesis_core::dataset::Dataset;
use nemesis_core::method::templates::Templates;
use nemesis_core::record::Subject;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a suite's `zero_shot` says: true or false, or a list of prompts, one column each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZeroShot(pub Vec<Prompts>);

/// Hand-written prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prompts {
    /// The data set's template, which `true` stands for.
    #[serde(rename = "single")]
    Single,
    /// The seven templates that OpenAI chose for ImageNet.
    #[serde(rename = "ensemble-7")]
    Seven,
    /// OpenAI's eighty templates for ImageNet.
    #[serde(rename = "ensemble-80")]
    Eighty,
    /// Those that OpenAI published for the data set; its template where the registry has none.
    #[serde(rename = "own")]
    Own,
    /// The suite's descriptions of each class.
    #[serde(rename = "descriptions")]
    Descriptions,
}

impl ZeroShot {
    /// Whether the data set's single template has a column.
    pub fn has_single(&self) -> bool {
        self.0.contains(&Prompts::Single)
    }

    /// The columns of several templates, in order.
    pub fn ensembles(&self) -> impl Iterator<Item = Prompts> {
        self.0.iter().copied().filter(|prompts| *prompts != Prompts::Single)
    }

    /// The longest list of what a class name is put into, for checks.
    pub fn templates(&self, dataset: &dyn Dataset) -> Vec<String> {
        self.0.iter().flat_map(|prompts| prompts.templates(dataset)).collect()
    }
}

impl Prompts {
    /// The templates for a data set; none where it is described in sentences.
    pub fn templates(self, dataset: &dyn Dataset) -> Vec<String> {
        match self {
            Self::Single => vec![dataset.template().to_owned()],
            Self::Seven => Templates::Seven.list(""),
            Self::Eighty => Templates::Eighty.list(""),
            Self::Own if dataset.own_templates().is_empty() => vec![dataset.template().to_owned()],
            Self::Own => dataset.own_templates().to_vec(),
            Self::Descriptions => Vec::new(),
        }
    }

    /// What is evaluated on a data set; none where it is described in sentences.
    pub fn subject(self, dataset: &dyn Dataset) -> Option<Subject> {
        let name = match self {
            Self::Descriptions => return None,
            Self::Single => return Some(Subject::ZeroShot { template: dataset.template().to_owned() }),
            Self::Seven => "ensemble-7",
            Self::Eighty => "ensemble-80",
            Self::Own => "own",
        };
        Some(Subject::Ensemble { name: name.to_owned(), templates: self.templates(dataset) })
    }

    /// The label of the column; none for the single template, whose column is just zero-shot.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Self::Single => None,
            Self::Seven => Some("Zero-shot, 7 templates"),
            Self::Eighty => Some("Zero-shot, 80 templates"),
            Self::Own => Some("Zero-shot, own templates"),
            Self::Descriptions => Some("Zero-shot, descriptions"),
        }
    }
}

impl<'de> Deserialize<'de> for ZeroShot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlagOrList;

        impl<'de> serde::de::Visitor<'de> for FlagOrList {
            type Value = ZeroShot;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false, or a list of `single`, `ensemble-7`, `ensemble-80`, `own` and `descriptions`")
            }

            fn visit_bool<E>(self, flag: bool) -> Result<ZeroShot, E> {
                Ok(ZeroShot(flag.then_some(Prompts::Single).into_iter().collect()))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<ZeroShot, A::Error> {
                let mut all = Vec::new();
                while let Some(prompts) = items.next_element::<Prompts>()? {
                    if !all.contains(&prompts) {
                        all.push(prompts);
                    }
                }
                Ok(ZeroShot(all))
            }
        }

        deserializer.deserialize_any(FlagOrList)
    }
}

impl Serialize for ZeroShot {
    /// As a flag where one says it all, as plans of earlier versions have it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [] => serializer.serialize_bool(false),
            [Prompts::Single] => serializer.serialize_bool(true),
            all => all.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_flag_stands_for_the_single_template() {
        let there_and_back = |value: Value| {
            let read: ZeroShot = serde_json::from_value(value).unwrap();
            serde_json::to_value(&read).unwrap()
        };
        for (written, kept) in [
            (json!(true), json!(true)),
            (json!(false), json!(false)),
            (json!(["single"]), json!(true)),
            (json!([]), json!(false)),
            (json!(["own", "single", "own"]), json!(["own", "single"])),
        ] {
            assert_eq!(there_and_back(written), kept);
        }
        let error = serde_json::from_value::<ZeroShot>(json!("all")).unwrap_err().to_string();
        assert!(error.contains("true, false, or a list of `single`"), "{error}");
    }
}
