//! What is asked for more than once counts once; a list that asks for nothing is refused.

use super::{Layer, Settings, Source, SplitSeeds};
use crate::suite::line_of_key;
use crate::tables::List;
use nemesis_core::{Error, Result};
use std::fmt::Display;

impl Settings {
    /// Merges what a source repeats, and keeps a warning of each list in which something was.
    ///
    /// # Errors
    ///
    /// When a list that a table is made of is empty, or asks for trainings on no image.
    pub(super) fn merge_repeats(&mut self, cli: &Layer) -> Result<()> {
        let Self { layer, shots, seeds, initialisations, user_file, warnings, .. } = self;
        let Source { value: suite, file, text } = &mut self.suite;
        let origin = |key, is_on_command_line| Origin::last(key, is_on_command_line, user_file.as_ref());
        let of_suite = |key: &'static str| Origin { name: key.to_owned(), key, file: Some((file, text)) };
        if let Some(names) = &mut layer.datasets {
            warnings.extend(origin("datasets", cli.datasets.is_some()).merge(names)?);
        }
        if let Some(names) = &mut layer.methods {
            warnings.extend(origin("methods", cli.methods.is_some()).merge(names)?);
        }
        if layer.shots.is_some() {
            let origin = origin("shots", cli.shots.is_some());
            warnings.extend(origin.merge(shots)?);
            origin.refuse_zero(shots)?;
        }
        if layer.seeds.is_some() {
            warnings.extend(origin("seeds", cli.seeds.is_some()).merge(seeds)?);
        }
        warnings.extend(of_suite("datasets").merge(&mut suite.datasets)?);
        warnings.extend(of_suite("shots").merge(&mut suite.shots)?);
        of_suite("shots").refuse_zero(&suite.shots)?;
        warnings.extend(of_suite("seeds").merge(&mut suite.seeds)?);
        for (key, list) in suite.table.kind_mut().lists() {
            let origin = of_suite(key);
            warnings.extend(match list {
                List::Names(names) => origin.merge(names)?,
                List::Numbers(numbers) => origin.merged(numbers),
                List::Counts(counts) => origin.merged(counts),
            });
        }
        if layer.shots.is_none() {
            shots.clone_from(&suite.shots);
        }
        if layer.seeds.is_none() {
            seeds.clone_from(&suite.seeds);
        }
        if let Some(split) = &mut layer.split_seeds {
            let origin = origin("split_seeds", cli.split_seeds.is_some());
            if let SplitSeeds::These(seeds) = split {
                warnings.extend(origin.merge(seeds)?);
            }
            *initialisations = split.initialisations(seeds);
            origin.refuse_one_pair(seeds, initialisations)?;
        }
        Ok(())
    }
}

/// Where a list was written.
struct Origin<'a> {
    /// What the user wrote before it: `--seeds`, `NEMESIS_SEEDS` or `seeds`.
    name: String,
    key: &'static str,
    /// Path and text, if it stands in a file.
    file: Option<(&'a std::path::Path, &'a str)>,
}

impl<'a> Origin<'a> {
    /// The last source that has the key.
    fn last<T>(key: &'static str, is_on_command_line: bool, user_file: Option<&'a Source<T>>) -> Self {
        let variable = format!("NEMESIS_{}", key.to_uppercase());
        if is_on_command_line {
            return Self { name: format!("--{}", key.replace('_', "-")), key, file: None };
        }
        if std::env::var_os(&variable).is_some() {
            return Self { name: variable, key, file: None };
        }
        let file = user_file.map(|source| (source.file.as_path(), source.text.as_str()));
        Self { name: key.to_owned(), key, file }
    }

    /// [`Origin::merged`] of a list that must not be empty.
    fn merge<T: PartialEq + Display>(&self, items: &mut Vec<T>) -> Result<Option<Error>> {
        if items.is_empty() {
            return Err(self
                .place(Error::new(format!("`{}` is an empty list", self.name)))
                .help("leave it out for what the suite has"));
        }
        Ok(self.merged(items))
    }

    /// Leaves the first of equal items, and returns a warning if there were any.
    fn merged<T: PartialEq + Display>(&self, items: &mut Vec<T>) -> Option<Error> {
        merged(&self.name, items).map(|warning| self.place(warning))
    }

    /// One sample with one initialisation of the same seed is what runs without the option train.
    fn refuse_one_pair(&self, samples: &[u64], initialisations: &[u64]) -> Result<()> {
        match (samples, initialisations) {
            ([sample], [initialisation]) if sample == initialisation => Err(self
                .place(Error::new(format!(
                    "`{}` has one sample and one initialisation of seed {sample} to cross",
                    self.name
                )))
                .expected("two or more seeds")
                .help("give more with `--seeds`, as in `--seeds 1-3`, or leave the option out")),
            _ => Ok(()),
        }
    }

    fn refuse_zero(&self, shots: &[u32]) -> Result<()> {
        if shots.contains(&0) {
            return Err(self
                .place(Error::new(format!(
                    "`{}` asks for 0 shots, but nothing can be learned from no images",
                    self.name
                )))
                .expected("1 or more training images per class")
                .help("zero-shot CLIP is a column of its own in suites that have `zero_shot: true`"));
        }
        Ok(())
    }

    fn place(&self, error: Error) -> Error {
        let Some((file, text)) = self.file else { return error };
        match line_of_key(text, "", self.key) {
            Some(line) => error.at(file).line(line),
            None => error.at(file),
        }
    }
}

/// Leaves the first of equal items of the list `name`, and returns a warning if there were any.
pub(crate) fn merged<T: PartialEq + Display>(name: &str, items: &mut Vec<T>) -> Option<Error> {
    let (mut kept, mut repeated): (Vec<T>, Vec<T>) = (Vec::new(), Vec::new());
    for item in items.drain(..) {
        if !kept.contains(&item) {
            kept.push(item);
        } else if !repeated.contains(&item) {
            repeated.push(item);
        }
    }
    *items = kept;
    let repeated: Vec<String> = repeated.iter().map(T::to_string).collect();
    let counts = if repeated.len() == 1 { "it counts" } else { "each counts" };
    let what = format!("`{name}` names {} more than once; {counts} once", repeated.join(" and "));
    (!repeated.is_empty()).then(|| Error::new(what))
}
