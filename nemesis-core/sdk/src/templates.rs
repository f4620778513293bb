//! Prompt templates: the lists that papers share, and the text features of a class under several templates.
//!
//! The eighty templates for ImageNet, and the seven chosen among them, are those of OpenAI's notebook
//! `Prompt_Engineering_for_ImageNet.ipynb` in <https://github.com/openai/CLIP>. Published methods use them on ImageNet,
//! and a single template for each of the other data sets.

use crate::prompt::unit;
use crate::{Error, Host, OptionValue, Result, Task};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use tch::{Kind, Tensor, no_grad};

/// Which templates the text features of a class are averaged over: a list by its name, or one of one's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Templates {
    /// The data set's own hand-written template (`single`).
    #[default]
    Single,
    /// The seven that OpenAI chose for ImageNet (`ensemble-7`).
    Seven,
    /// The seven and the data set's own (`ensemble-8`).
    SevenAndSingle,
    /// All eighty for ImageNet (`ensemble-80`).
    Eighty,
    /// These.
    Own(Vec<String>),
    /// The suite's descriptions of each class (`descriptions`), which a plan puts in the place of this name.
    Descriptions,
    /// Descriptions by class name, in place of templates.
    Described(BTreeMap<String, Vec<String>>),
}

/// The names of lists.
const NAMES: [(&str, Templates); 5] = [
    ("single", Templates::Single),
    ("ensemble-7", Templates::Seven),
    ("ensemble-8", Templates::SevenAndSingle),
    ("ensemble-80", Templates::Eighty),
    ("descriptions", Templates::Descriptions),
];

impl Templates {
    /// The templates, with `{}` in place of the class name; `single` is the data set's own. Descriptions are none.
    pub fn list(&self, single: &str) -> Vec<String> {
        let chosen: &[&str] = match self {
            Self::Own(own) => return own.clone(),
            Self::Single | Self::Descriptions | Self::Described(_) => &[],
            Self::Seven | Self::SevenAndSingle => &SEVEN,
            Self::Eighty => &EIGHTY,
        };
        let own = matches!(self, Self::Single | Self::SevenAndSingle).then_some(single);
        chosen.iter().copied().chain(own).map(str::to_owned).collect()
    }

    /// The prompts of each class, one or more; `single` is the data set's own template.
    ///
    /// # Errors
    ///
    /// When a class is not described, or no suite says how; the message names the option `templates`.
    pub fn prompts(&self, class_names: &[String], single: &str) -> Result<Vec<Vec<String>>> {
        let described = match self {
            Self::Descriptions => {
                return Err(Error::option("templates", "`descriptions` are those of a suite, and there is none here"));
            }
            Self::Described(described) => described,
            _ => {
                let templates = self.list(single);
                let of_class = |name: &String| templates.iter().map(|template| template.replace("{}", name)).collect();
                return Ok(class_names.iter().map(of_class).collect());
            }
        };
        let of_class = |name: &String| {
            let own = described.get(name).filter(|own| !own.is_empty()).cloned();
            own.ok_or_else(|| Error::option("templates", format_args!("the class `{name}` is not described")))
        };
        class_names.iter().map(of_class).collect()
    }
}

impl Serialize for Templates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (NAMES.iter().find(|(_, known)| known == self), self) {
            (Some((name, _)), _) => serializer.serialize_str(name),
            (None, Self::Described(described)) => described.serialize(serializer),
            (None, _) => self.list("").serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Templates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Name(String),
            List(Vec<String>),
            Described(BTreeMap<String, Vec<String>>),
        }

        let wrong = |what: &str| D::Error::custom(format!("{what}, expected {}", Self::kind()));
        match Written::deserialize(deserializer).map_err(|_| wrong("neither a name nor a list"))? {
            Written::Name(name) => {
                let known = NAMES.into_iter().find(|(known, _)| *known == name);
                known.map(|(_, templates)| templates).ok_or_else(|| wrong(&format!("unknown templates `{name}`")))
            }
            Written::Described(described) => Ok(Self::Described(described)),
            Written::List(own) if own.is_empty() => Err(wrong("no template")),
            Written::List(own) => match own.iter().find(|template| template.matches("{}").count() != 1) {
                Some(template) => Err(wrong(&format!("a place for the class name is missing in `{template}`"))),
                None => Ok(Self::Own(own)),
            },
        }
    }
}

impl OptionValue for Templates {
    fn kind() -> String {
        "`single`, `ensemble-7`, `ensemble-8`, `ensemble-80`, `descriptions`, or a list of templates with one `{}` each"
            .to_owned()
    }
}

/// How the features of a class under several templates become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// The mean of unit vectors, of length one again: OpenAI's notebook, Tip-Adapter, LP++.
    OfUnits,
    /// The mean of the features as they leave the tower, whatever its length: `TaskRes`, CLAP.
    OfFeatures,
}

/// Text features `[classes, embed_dim]` of class names under templates, without gradient.
///
/// # Errors
///
/// When there is no template, or a prompt is too long.
pub fn text_features<T: AsRef<str>>(
    class_names: &[String],
    templates: &[T],
    average: Average,
    encode: impl Fn(&[String]) -> Result<Tensor>,
) -> Result<Tensor> {
    no_grad(|| {
        let mut sum: Option<Tensor> = None;
        for template in templates {
            let prompts: Vec<_> = class_names.iter().map(|name| template.as_ref().replace("{}", name)).collect();
            let features = encode(&prompts)?;
            let features = if average == Average::OfUnits { unit(&features) } else { features };
            sum = Some(sum.map_or_else(|| features.shallow_clone(), |sum| sum + &features));
        }
        let sum = sum.ok_or_else(|| Error::new("there is no template"))?;
        if templates.len() == 1 {
            return Ok(sum);
        }
        Ok(if average == Average::OfUnits { unit(&sum) } else { sum / templates.len() as i64 })
    })
}

/// How many prompts are encoded at once: as many as ImageNet has classes.
const AT_ONCE: usize = 1000;

/// Text features of every prompt, class by class, without gradient, not normalised: for each class
/// `[its prompts, embed_dim]`.
///
/// # Errors
///
/// When a prompt is too long.
pub fn features_of_prompts(prompts: &[Vec<String>], host: &dyn Host) -> Result<Vec<Tensor>> {
    let features =
        prompts.concat().chunks(AT_ONCE).map(|some| host.encode_strings(some)).collect::<Result<Vec<_>>>()?;
    let counts: Vec<i64> = prompts.iter().map(|own| own.len() as i64).collect();
    Ok(Tensor::f_cat(&features, 0)?.f_split_with_sizes(&counts, 0)?)
}

/// The [text features](text_features) of a task's classes, or those of their descriptions, encoded when they are first asked
/// for.
#[derive(Debug)]
pub struct ClassTexts {
    class_names: Vec<String>,
    templates: Templates,
    single: String,
    average: Average,
    features: OnceCell<Tensor>,
}

impl ClassTexts {
    /// The texts of a task; nothing is encoded yet.
    pub fn new(task: &Task, templates: &Templates, average: Average) -> Self {
        Self {
            class_names: task.class_names.clone(),
            templates: templates.clone(),
            single: task.template.clone(),
            average,
            features: OnceCell::new(),
        }
    }

    /// Text features `[classes, embed_dim]`, without gradient.
    ///
    /// # Errors
    ///
    /// When a prompt is too long, or a class is not described.
    pub fn features(&self, host: &dyn Host) -> Result<&Tensor> {
        if let Some(features) = self.features.get() {
            return Ok(features);
        }
        let features = match self.templates {
            Templates::Descriptions | Templates::Described(_) => self.described(host)?,
            _ => {
                let encode = |prompts: &[String]| host.encode_strings(prompts);
                text_features(&self.class_names, &self.templates.list(&self.single), self.average, encode)?
            }
        };
        Ok(self.features.get_or_init(|| features))
    }

    /// The average over each class's descriptions.
    fn described(&self, host: &dyn Host) -> Result<Tensor> {
        let prompts = self.templates.prompts(&self.class_names, &self.single)?;
        no_grad(|| {
            let mean = |own: Tensor| {
                let own = if self.average == Average::OfUnits { unit(&own) } else { own };
                own.mean_dim([0i64].as_slice(), false, None::<Kind>)
            };
            let means: Vec<_> = features_of_prompts(&prompts, host)?.into_iter().map(mean).collect();
            let means = Tensor::f_stack(&means, 0)?;
            Ok(if self.average == Average::OfUnits { unit(&means) } else { means })
        })
    }
}

/// The seven templates chosen by OpenAI among [`EIGHTY`].
pub const SEVEN: [&str; 7] = [
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
];

/// OpenAI's templates for ImageNet.
pub const EIGHTY: [&str; 80] = [
    "a bad photo of a {}.",
    "a photo of many {}.",
    "a sculpture of a {}.",
    "a photo of the hard to see {}.",
    "a low resolution photo of the {}.",
    "a rendering of a {}.",
    "graffiti of a {}.",
    "a bad photo of the {}.",
    "a cropped photo of the {}.",
    "a tattoo of a {}.",
    "the embroidered {}.",
    "a photo of a hard to see {}.",
    "a bright photo of a {}.",
    "a photo of a clean {}.",
    "a photo of a dirty {}.",
    "a dark photo of the {}.",
    "a drawing of a {}.",
    "a photo of my {}.",
    "the plastic {}.",
    "a photo of the cool {}.",
    "a close-up photo of a {}.",
    "a black and white photo of the {}.",
    "a painting of the {}.",
    "a painting of a {}.",
    "a pixelated photo of the {}.",
    "a sculpture of the {}.",
    "a bright photo of the {}.",
    "a cropped photo of a {}.",
    "a plastic {}.",
    "a photo of the dirty {}.",
    "a jpeg corrupted photo of a {}.",
    "a blurry photo of the {}.",
    "a photo of the {}.",
    "a good photo of the {}.",
    "a rendering of the {}.",
    "a {} in a video game.",
    "a photo of one {}.",
    "a doodle of a {}.",
    "a close-up photo of the {}.",
    "a photo of a {}.",
    "the origami {}.",
    "the {} in a video game.",
    "a sketch of a {}.",
    "a doodle of the {}.",
    "a origami {}.",
    "a low resolution photo of a {}.",
    "the toy {}.",
    "a rendition of the {}.",
    "a photo of the clean {}.",
    "a photo of a large {}.",
    "a rendition of a {}.",
    "a photo of a nice {}.",
    "a photo of a weird {}.",
    "a blurry photo of a {}.",
    "a cartoon {}.",
    "art of a {}.",
    "a sketch of the {}.",
    "a embroidered {}.",
    "a pixelated photo of a {}.",
    "itap of the {}.",
    "a jpeg corrupted photo of the {}.",
    "a good photo of a {}.",
    "a plushie {}.",
    "a photo of the nice {}.",
    "a photo of the small {}.",
    "a photo of the weird {}.",
    "the cartoon {}.",
    "art of the {}.",
    "a drawing of the {}.",
    "a photo of the large {}.",
    "a black and white photo of a {}.",
    "the plushie {}.",
    "a dark photo of a {}.",
    "itap of a {}.",
    "graffiti of the {}.",
    "a toy {}.",
    "itap of my {}.",
    "a photo of a cool {}.",
    "a photo of a small {}.",
    "a tattoo of the {}.",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ToyHost;

    #[test]
    fn the_seven_are_among_the_eighty_and_each_has_one_place_for_the_name() {
        assert!(SEVEN.iter().all(|template| EIGHTY.contains(template)));
        let distinct: std::collections::BTreeSet<_> = EIGHTY.iter().collect();
        assert_eq!(distinct.len(), 80);
        assert!(EIGHTY.iter().all(|template| template.matches("{}").count() == 1));
    }

    #[test]
    fn lists_are_named_by_their_length() {
        let lengths = [Templates::Single, Templates::Seven, Templates::SevenAndSingle, Templates::Eighty]
            .map(|templates| templates.list("a {}").len());
        assert_eq!(lengths, [1, 7, 8, 80]);
        assert_eq!(Templates::SevenAndSingle.list("a {}")[7], "a {}");
    }

    #[test]
    fn options_are_names_or_lists() {
        let read = |value: serde_json::Value| serde_json::from_value::<Templates>(value);
        for (name, templates) in NAMES {
            assert_eq!(read(name.into()).unwrap(), templates);
            assert_eq!(serde_json::to_value(&templates).unwrap(), name);
        }
        let own = serde_json::json!(["a {}", "the {}"]);
        assert_eq!(read(own.clone()).unwrap(), Templates::Own(vec!["a {}".to_owned(), "the {}".to_owned()]));
        assert_eq!(serde_json::to_value(read(own.clone()).unwrap()).unwrap(), own);
        let described = serde_json::json!({"class 0": ["a thing", "another"]});
        assert_eq!(serde_json::to_value(read(described.clone()).unwrap()).unwrap(), described);
        let message = |value| read(value).unwrap_err().to_string();
        assert!(message("seven".into()).starts_with("unknown templates `seven`, expected `single`, `ensemble-7`"));
        assert!(message(serde_json::json!(["a"])).starts_with("a place for the class name is missing in `a`"));
        assert!(message(serde_json::json!([])).starts_with("no template"));
        assert!(message(1.into()).starts_with("neither a name nor a list"));
    }

    #[test]
    fn descriptions_are_averaged_by_class_whatever_their_number() {
        let host = ToyHost::new(2);
        let task = host.task();
        let own = |name: &str, sentences: &[&str]| {
            (name.to_owned(), sentences.iter().map(|sentence| (*sentence).to_owned()).collect::<Vec<_>>())
        };
        let described = BTreeMap::from([own("class 1", &["one"]), own("class 0", &["two", "three", "four"])]);
        let mean = |sentences: &[&str], units: bool| {
            let sentences: Vec<_> = sentences.iter().map(|sentence| (*sentence).to_owned()).collect();
            let features = host.encode_strings(&sentences).unwrap();
            let features = if units { unit(&features) } else { features };
            let mean = features.mean_dim(Some([0i64].as_slice()), false, Kind::Double);
            if units { unit(&mean) } else { mean }
        };
        for (average, units) in [(Average::OfUnits, true), (Average::OfFeatures, false)] {
            let texts = ClassTexts::new(&task, &Templates::Described(described.clone()), average);
            let wanted = Tensor::stack(&[mean(&["two", "three", "four"], units), mean(&["one"], units)], 0);
            assert!(texts.features(&host).unwrap().allclose(&wanted, 1e-12, 1e-12, false), "{average:?}");
        }
        let message = |templates: &Templates| {
            ClassTexts::new(&task, templates, Average::OfUnits).features(&host).unwrap_err().to_string()
        };
        let fewer = Templates::Described(BTreeMap::from([own("class 0", &["two"])]));
        assert_eq!(message(&fewer), "option `templates`: the class `class 1` is not described");
        let none = message(&Templates::Descriptions);
        assert_eq!(none, "option `templates`: `descriptions` are those of a suite, and there is none here");
    }

    #[test]
    fn averages_are_those_of_the_formulas_and_encoded_once() {
        let host = ToyHost::new(3);
        let task = host.task();
        let names = &task.class_names;
        let of = |template: &str| {
            let prompts: Vec<_> = names.iter().map(|name| template.replace("{}", name)).collect();
            host.encode_strings(&prompts).unwrap()
        };
        let raw = Tensor::stack(&SEVEN.map(of), 0);
        let mean = |features: &Tensor| features.mean_dim(Some([0i64].as_slice()), false, Kind::Double);
        for (average, expected) in [(Average::OfFeatures, mean(&raw)), (Average::OfUnits, unit(&mean(&unit(&raw))))] {
            let texts = ClassTexts::new(&task, &Templates::Seven, average);
            assert!(texts.features(&host).unwrap().allclose(&expected, 1e-12, 1e-12, false), "{average:?}");
            let first = texts.features(&host).unwrap().data_ptr();
            assert_eq!(first, texts.features(&host).unwrap().data_ptr());
        }
    }
}
