//! Suites and protocols: the YAML files that say what a table is made of. The project's own are embedded.

mod entry;

pub use entry::{AsPublished, EntryProtocol, MethodEntry};

use crate::numbers;
use crate::tables::TableKind;
use crate::zero_shot::ZeroShot;
use nemesis_core::note::Note;
use nemesis_core::train::Protocol;
use nemesis_core::{Error, Result, error::suggest, yaml};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A suite: the data sets, methods, shots and seeds of one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The name, which is also that of the table's files.
    pub name: String,
    /// The table's title.
    pub title: String,
    /// The kind of table.
    #[serde(with = "serde_yaml::with::singleton_map")]
    pub table: TableKind,
    /// Names of data sets in `datasets.yaml`, in the table's order.
    pub datasets: Vec<String>,
    /// Training images per class, one group of columns each.
    #[serde(deserialize_with = "numbers::deserialize")]
    pub shots: Vec<u32>,
    /// Seeds, averaged over.
    #[serde(deserialize_with = "numbers::deserialize")]
    pub seeds: Vec<u64>,
    /// The zero-shot columns: whether there is one, or a list of prompts with a column each.
    #[serde(default)]
    pub zero_shot: ZeroShot,
    /// Files with descriptions of each class, by data set, for the zero-shot column `descriptions`. They lie beside the
    /// suite's file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub descriptions: BTreeMap<String, PathBuf>,
    /// The methods, one column each.
    pub methods: Vec<MethodEntry>,
    /// Sentences printed under the table, as far as they are about what is in it.
    #[serde(default)]
    pub notes: Vec<Note>,
}

/// The files of a folder by name, with their texts.
macro_rules! embedded {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../", $folder, "/", $name, ".yaml")))),+]
    };
}

/// The embedded suites, by name.
const SUITES: &[(&str, &str)] = embedded!["suites":
    "few-shot",
    "few-shot-all",
    "base-to-new",
    "base-to-new-all",
    "plot",
    "cocoop",
    "cross-dataset",
    "domain-generalization",
    "low-norm-effect",
    "norm-curve",
    "ablation",
];

/// The embedded protocols, by name.
const PROTOCOLS: &[(&str, &str)] = embedded!["protocols": "paper", "bf16", "mini"];

/// A YAML document with the text it was read from, so that later errors can name lines.
#[derive(Clone, Debug)]
pub struct Source<T> {
    /// The parsed document.
    pub value: T,
    /// The file, as shown in errors.
    pub file: PathBuf,
    /// The whole text.
    pub text: String,
}

/// The suite of this name, or in this file when the name ends in `.yaml` or `.yml`.
///
/// # Errors
///
/// When there is no such suite, or the file does not hold one.
pub fn load_suite(name: &str) -> Result<Source<Suite>> {
    load("suite", "benchmarks/suites", SUITES, name)
}

/// The text of the project's suite of this name.
pub fn embedded_suite(name: &str) -> Option<&'static str> {
    SUITES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The protocol of this name, or in this file when the name ends in `.yaml` or `.yml`.
///
/// # Errors
///
/// When there is no such protocol, or the file does not hold one, or a file of the user's bears the name of one of
/// the project's: `paper`, `bf16` and `mini` mean one thing each.
pub fn load_protocol(name: &str) -> Result<Protocol> {
    let source: Source<Protocol> = load("protocol", "benchmarks/protocols", PROTOCOLS, name)?;
    if is_embedded_protocol(&source.value.name) && source.value.name != name {
        return Err(Error::new(format!(
            "the protocol calls itself `{}`, which is one of the project's",
            source.value.name
        ))
        .at(&source.file)
        .help("give it a name of its own: the name is shown in every table"));
    }
    source.value.check_file().map_err(|error| {
        let line = error.option().and_then(|key| line_of_key(&source.text, "", key));
        match line {
            Some(line) => error.at(&source.file).line(line),
            None => error.at(&source.file),
        }
    })?;
    Ok(source.value)
}

/// Whether a protocol of this name is the project's.
pub(crate) fn is_embedded_protocol(name: &str) -> bool {
    PROTOCOLS.iter().any(|(known, _)| *known == name)
}

fn load<T: serde::de::DeserializeOwned>(
    what: &str,
    folder: &str,
    embedded: &[(&str, &str)],
    name: &str,
) -> Result<Source<T>> {
    let path = Path::new(name);
    let is_file = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let (file, text) = if is_file {
        (path.to_owned(), nemesis_core::files::read_text(path)?)
    } else if let Some((_, text)) = embedded.iter().find(|(known, _)| *known == name) {
        (Path::new(folder).join(format!("{name}.yaml")), (*text).to_owned())
    } else {
        let known = embedded.iter().map(|(known, _)| *known);
        return Err(Error::new(format!("there is no {what} `{name}`"))
            .expected(format!("the name of a {what}, or a file that ends in `.yaml`"))
            .help(suggest(name, known)));
    };
    let value = yaml::parse(&text, &file)?;
    Ok(Source { value, file, text })
}

/// The line of a key inside the part of a text that begins with a line containing `after`, for errors about options
/// that only a plugin can judge.
pub fn line_of_key(text: &str, after: &str, key: &str) -> Option<usize> {
    let start = text.lines().position(|line| line.contains(after))?;
    let is_key = |line: &str| {
        line.match_indices(key).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let behind = line[at + key.len()..].trim_start();
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-') && behind.starts_with(':')
        })
    };
    text.lines().enumerate().skip(start).find(|(_, line)| is_key(line)).map(|(i, _)| i + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_files_are_valid() {
        for (name, _) in SUITES {
            assert_eq!(&load_suite(name).unwrap().value.name, name);
        }
        for (name, _) in PROTOCOLS {
            assert_eq!(&load_protocol(name).unwrap().name, name);
        }
    }

    #[test]
    fn an_unknown_suite_suggests_the_nearest() {
        insta::assert_snapshot!(load_suite("fewshot").unwrap_err(), @r"
        there is no suite `fewshot`
          expected: the name of a suite, or a file that ends in `.yaml`
          help: did you mean `few-shot`?
        ");
    }

    #[test]
    fn lines_of_option_keys_are_found() {
        let text = "methods:\n  - method: a\n    options: {tau: 1}\n  - method: b\n    options: {my_tau: 2, tau: 1}\n";
        assert_eq!(line_of_key(text, "method: b", "tau"), Some(5));
        assert_eq!(line_of_key(text, "method: b", "alpha"), None);
    }
}
