//! Descriptions of classes, several sentences for each, as those of `CuPL` (Pratt et al., "What does a platypus look like?",
//! ICCV 2023): a text asset of a suite. Its key `descriptions` names a file for each data set, in JSON or YAML:
//!
//! ```json
//! {"Forest": ["A satellite photo of a dense forest.", "Trees cover the ground."], "River": ["…"]}
//! ```

use crate::suite::{Source, Suite};
use crate::zero_shot::Prompts;
use nemesis_core::backbone::class_words;
use nemesis_core::dataset::{ClassSubset, Dataset, class_title, prompt_tokens};
use nemesis_core::error::suggest;
use nemesis_core::record::Subject;
use nemesis_core::{Error, Result, files, yaml};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What an option of a method is set to, to read the descriptions of the suite.
pub const DESCRIPTIONS: &str = "descriptions";

/// The descriptions of a suite, by data set.
#[derive(Clone, Debug, Default)]
pub struct Descriptions(BTreeMap<String, File>);

#[derive(Clone, Debug)]
struct File {
    path: PathBuf,
    hash: String,
    /// By class, as prompts have its name.
    sentences: BTreeMap<String, Vec<String>>,
}

impl Descriptions {
    /// Reads the files that a suite names, which lie beside it.
    ///
    /// # Errors
    ///
    /// When a file is missing or is not a map from classes to sentences, or describes a class twice; and when the suite has
    /// the column without files.
    pub fn load(suite: &Source<Suite>) -> Result<Self> {
        if shown(suite) && suite.value.descriptions.is_empty() {
            return Err(idle(suite, "the zero-shot column `descriptions` has no file to read"));
        }
        let folder = suite.file.parent().unwrap_or(&suite.file);
        let read = |(dataset, file): (&String, &PathBuf)| {
            let path = folder.join(file);
            let text = files::read_text(&path)?;
            let mut sentences = BTreeMap::new();
            for (class, own) in yaml::parse::<BTreeMap<String, Vec<String>>>(&text, &path)? {
                if own.is_empty() {
                    return Err(Error::new(format!("the class `{class}` has no description")).at(&path));
                }
                if sentences.insert(class_words(&class), own).is_some() {
                    return Err(Error::new(format!("the class `{class}` appears twice")).at(&path));
                }
            }
            let hash = blake3::hash(text.as_bytes()).to_hex().to_string();
            Ok((dataset.clone(), File { path, hash, sentences }))
        };
        suite.value.descriptions.iter().map(read).collect::<Result<_>>().map(Self)
    }

    /// Refuses files that nothing reads: neither the zero-shot column, nor a method's option.
    ///
    /// # Errors
    ///
    /// When there are such files.
    pub fn refuse_idle(&self, suite: &Source<Suite>, is_read: bool) -> Result<()> {
        if self.0.is_empty() || is_read || shown(suite) {
            return Ok(());
        }
        Err(idle(
            suite,
            "the suite names descriptions, and has no zero-shot column `descriptions`, nor a method that reads them",
        ))
    }

    /// Refuses sentences for a data set that are longer than the text tower has `positions`.
    ///
    /// # Errors
    ///
    /// When there is one.
    pub fn check_lengths(&self, dataset: &str, positions: usize) -> Result<()> {
        let Some(file) = self.0.get(dataset) else { return Ok(()) };
        let all = file.sentences.iter().flat_map(|(class, own)| own.iter().map(move |sentence| (class, sentence)));
        for (class, sentence) in all {
            let count = prompt_tokens(sentence);
            if count > positions {
                let what = format!("a description of `{class}` takes {count} tokens, start and end included");
                return Err(Error::new(what)
                    .at(&file.path)
                    .expected(format!("at most {positions} tokens"))
                    .help(format!("shorten it: \"{sentence}\"")));
            }
        }
        Ok(())
    }

    /// What a method's option has in place of [`DESCRIPTIONS`] on a data set: the sentences by class.
    ///
    /// # Errors
    ///
    /// When the suite names no file for the data set.
    pub fn option(&self, dataset: &str, method: &str) -> Result<Value> {
        let file = self.0.get(dataset).ok_or_else(|| {
            let what = format!("`{method}` reads descriptions, and the suite names no file for `{dataset}`");
            Error::new(what).help(format!("add one to the suite: `descriptions: {{{dataset}: {dataset}.json}}`"))
        })?;
        Ok(json!(file.sentences))
    }

    /// Refuses a method that reads the descriptions of `described` where its classes are those of `tested`.
    ///
    /// # Errors
    ///
    /// When one of the classes is not described there.
    pub fn check_classes(&self, described: &str, tested: &dyn Dataset) -> Result<()> {
        self.0.get(described).map_or(Ok(()), |file| sentences(file, tested).map(drop))
    }

    /// The hash of the file for each data set.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(dataset, file)| (dataset.clone(), file.hash.clone())).collect()
    }

    /// What is evaluated on some classes of a data set; nothing if the suite names no file for it.
    ///
    /// # Errors
    ///
    /// When the file lacks one of the classes.
    pub fn subject(&self, dataset: &dyn Dataset, classes: ClassSubset) -> Result<Option<Subject>> {
        let Some(file) = self.0.get(dataset.name()) else { return Ok(None) };
        // All classes, so that a table does not fail halfway.
        let sentences = sentences(file, dataset)?;
        let sentences = classes.labels(sentences.len()).map(|label| sentences[label].clone()).collect();
        Ok(Some(Subject::Described { name: "descriptions".to_owned(), sentences }))
    }

    /// Which files were read, and by which methods, for under a table.
    pub fn note(&self, datasets: &[String], readers: &BTreeSet<String>) -> Option<String> {
        let read = self.0.iter().filter(|(dataset, _)| datasets.contains(dataset)).map(|(dataset, file)| {
            let name = file.path.file_name().unwrap_or_default().to_string_lossy();
            format!("{dataset}: `{name}` ({})", &file.hash[..12])
        });
        let read: Vec<String> = read.collect();
        let lacking: Vec<&str> =
            datasets.iter().filter(|dataset| !self.0.contains_key(*dataset)).map(String::as_str).collect();
        let lacking = if lacking.is_empty() { String::new() } else { format!("; none of {}", lacking.join(", ")) };
        let readers: Vec<String> = readers.iter().map(|method| format!("`{method}`")).collect();
        let readers = if readers.is_empty() { String::new() } else { format!("; read by {}", readers.join(", ")) };
        (!self.0.is_empty()).then(|| {
            format!("descriptions, with the beginning of each file's hash: {}{lacking}{readers}", read.join(", "))
        })
    }
}

/// Whether a suite has the zero-shot column.
fn shown(suite: &Source<Suite>) -> bool {
    suite.value.zero_shot.0.contains(&Prompts::Descriptions)
}

fn idle(suite: &Source<Suite>, what: &str) -> Error {
    Error::new(what).at(&suite.file).help(
        "a suite with descriptions has, for instance, `descriptions: {eurosat: eurosat.json}`, and `zero_shot: \
         [descriptions]` or a method with the option `templates: descriptions`",
    )
}

/// The sentences of all classes of a data set, by label.
fn sentences(file: &File, dataset: &dyn Dataset) -> Result<Vec<Vec<String>>> {
    let of_class = |(label, name): (usize, &String)| {
        let words = class_words(name);
        file.sentences.get(&words).cloned().ok_or_else(|| {
            let title = class_title(label, name);
            Error::new(format!("{title} of `{}` is not described", dataset.name()))
                .at(&file.path)
                .help(suggest(&words, file.sentences.keys().map(String::as_str)))
        })
    };
    dataset.class_names().iter().enumerate().map(of_class).collect()
}
