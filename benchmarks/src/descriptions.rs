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
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The longest sentence that a text tower reads, start and end included.
const POSITIONS: usize = 77;

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
    /// the column without files, or files without the column.
    pub fn load(suite: &Source<Suite>) -> Result<Self> {
        let is_shown = suite.value.zero_shot.0.contains(&Prompts::Descriptions);
        let idle = match (is_shown, suite.value.descriptions.is_empty()) {
            (true, true) => Some("the zero-shot column `descriptions` has no file to read"),
            (false, false) => Some("the suite names descriptions, and has no zero-shot column `descriptions`"),
            _ => None,
        };
        if let Some(what) = idle {
            return Err(Error::new(what).at(&suite.file).help(
                "a suite with descriptions has `zero_shot: [descriptions]` and, for instance, `descriptions: {eurosat: \
                 eurosat.json}`",
            ));
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
                if let Some(long) = own.iter().find(|sentence| prompt_tokens(sentence) > POSITIONS) {
                    let count = prompt_tokens(long);
                    let what = format!("a description of `{class}` takes {count} tokens, start and end included");
                    return Err(Error::new(what)
                        .at(&path)
                        .expected(format!("at most {POSITIONS} tokens"))
                        .help(format!("shorten it: \"{long}\"")));
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
        let of_class = |(label, name): (usize, &String)| {
            let words = class_words(name);
            file.sentences.get(&words).cloned().ok_or_else(|| {
                let title = class_title(label, name);
                Error::new(format!("{title} of `{}` is not described", dataset.name()))
                    .at(&file.path)
                    .help(suggest(&words, file.sentences.keys().map(String::as_str)))
            })
        };
        // All classes, so that a table does not fail halfway.
        let sentences = dataset.class_names().iter().enumerate().map(of_class).collect::<Result<Vec<_>>>()?;
        let sentences = classes.labels(sentences.len()).map(|label| sentences[label].clone()).collect();
        Ok(Some(Subject::Described { name: "descriptions".to_owned(), sentences }))
    }

    /// Which files were read, for under a table.
    pub fn note(&self, datasets: &[String]) -> Option<String> {
        let read = self.0.iter().filter(|(dataset, _)| datasets.contains(dataset)).map(|(dataset, file)| {
            let name = file.path.file_name().unwrap_or_default().to_string_lossy();
            format!("{dataset}: `{name}` ({})", &file.hash[..12])
        });
        let read: Vec<String> = read.collect();
        let lacking: Vec<&str> =
            datasets.iter().filter(|dataset| !self.0.contains_key(*dataset)).map(String::as_str).collect();
        let lacking = if lacking.is_empty() { String::new() } else { format!("; none of {}", lacking.join(", ")) };
        (!self.0.is_empty())
            .then(|| format!("descriptions, with the beginning of each file's hash: {}{lacking}", read.join(", ")))
    }
}
