//! Published numbers, each with its source, as written in `benchmarks/published/*.yaml`. The project's own are embedded.

use nemesis_core::record::statistics::Summary;
use nemesis_core::{Error, Result, files, yaml};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The numbers of one published table or figure.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The file's name without its extension, by which a user chooses it.
    #[serde(skip)]
    pub name: String,
    /// What they are.
    pub title: String,
    /// Where they come from.
    pub source: String,
    /// What a reader should know about them.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What they are numbers of.
    pub table: Protocol,
    /// The backbone that they were measured with.
    pub backbone: String,
    /// How they were measured, as far as the source says: context, shots, code.
    pub protocol: String,
    /// The precision that they were computed in, if that is known.
    pub arithmetic: Option<String>,
    /// How many seeds they are averaged over; none if that is not known.
    pub seeds: Option<usize>,
    /// Decimals in the source.
    pub decimals: u32,
    /// How they were read, if they come from a figure.
    #[serde(default)]
    pub figure: Option<Figure>,
    /// What must not be compared, and why.
    #[serde(default)]
    pub blank: Option<Blank>,
    /// The groups of columns, in the order of the rows' values: shots, with 0 for zero-shot; or `base`, `new` and `h`.
    #[serde(deserialize_with = "keys")]
    pub groups: Vec<String>,
    /// The numbers, method by method.
    pub methods: Vec<Block>,
}

/// The protocols of evaluation that published tables follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Trained and tested on all classes of one data set.
    FewShot,
    /// Trained on the base classes, tested on base and new ones.
    BaseToNew,
    /// Trained on `ImageNet`, tested on it and its shifted versions.
    DomainGeneralization,
    /// Counts of corruptions that raise the accuracy.
    LowNormEffect,
}

/// How numbers were read off a figure.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// How far a value may be off.
    pub reading_error: f64,
    /// How they were read.
    pub how: String,
}

/// Methods whose numbers have no counterpart here.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blank {
    /// Ids of methods of ours; all, if there is no list.
    pub methods: Option<Vec<String>>,
    /// Why they compare with nothing.
    pub because: String,
}

/// The numbers of a method.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The method's id, or `zero-shot`.
    pub method: String,
    /// The options that are known and matter.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// Why these numbers do not count when ours differ from them by more than the tolerance, if they do not: a rerun, or a
    /// source that another one contradicts.
    #[serde(default)]
    pub not_counted: Option<String>,
    /// For each data set (or `average`) a value of each group.
    pub rows: BTreeMap<String, Vec<Option<Number>>>,
}

/// A published number, in the forms in which it may be written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "this is not a published number, expected a number, `{value, reading_error}`, `{value, deviation}` or `{runs: [number, …]}`"
)]
pub enum Number {
    /// As it stands in its source.
    Plain(f64),
    /// Read off a figure with an error of its own.
    Read {
        /// The value.
        value: f64,
        /// How far it may be off.
        reading_error: f64,
    },
    /// With its spread.
    Spread {
        /// The mean.
        value: f64,
        /// The sample deviation.
        deviation: f64,
    },
    /// Single runs.
    Runs {
        /// Their accuracies, at least one.
        runs: Vec<f64>,
    },
}

/// A published value, and how far it may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// The value.
    pub value: f64,
    /// How well it is known: the reading error of a figure, and half a unit of the last digit.
    pub reading_error: f64,
    /// Half of Student's 95 % interval, if runs or a deviation are published; otherwise zero.
    pub half_interval: f64,
}

/// The row of a file that stands for the mean over the eleven data sets.
pub const AVERAGE: &str = "average";

/// More digits than any accuracy is published with.
const MOST_DECIMALS: u32 = 10;
/// More seeds than any accuracy was averaged over.
const MOST_SEEDS: usize = 100_000;
const IMPOSSIBLE: &str = "has a value that is no accuracy in percent: it is not from 0 to 100";

/// The embedded files, by name.
const FILES: &[(&str, &str)] = &[
    ("nemesis-few-shot", include_str!("../published/nemesis-few-shot.yaml")),
    ("nemesis-domain-generalization", include_str!("../published/nemesis-domain-generalization.yaml")),
    ("nemesis-base-to-new", include_str!("../published/nemesis-base-to-new.yaml")),
    ("nemesis-low-norm-effect", include_str!("../published/nemesis-low-norm-effect.yaml")),
    ("ape-coop-few-shot", include_str!("../published/ape-coop-few-shot.yaml")),
    ("coop-author-runs", include_str!("../published/coop-author-runs.yaml")),
    ("coop-imagenet", include_str!("../published/coop-imagenet.yaml")),
    ("ape-zero-shot", include_str!("../published/ape-zero-shot.yaml")),
    ("tip-adapter-zero-shot", include_str!("../published/tip-adapter-zero-shot.yaml")),
    ("tpt-domain-generalization", include_str!("../published/tpt-domain-generalization.yaml")),
    ("vit-b16-domain-generalization", include_str!("../published/vit-b16-domain-generalization.yaml")),
    ("maple-base-to-new", include_str!("../published/maple-base-to-new.yaml")),
    ("tip-adapter-few-shot", include_str!("../published/tip-adapter-few-shot.yaml")),
    ("promptsrc-base-to-new", include_str!("../published/promptsrc-base-to-new.yaml")),
    ("promptsrc-base-to-new-rerun", include_str!("../published/promptsrc-base-to-new-rerun.yaml")),
    ("method-list-base-to-new", include_str!("../published/method-list-base-to-new.yaml")),
    ("maple-eurosat-base-to-new", include_str!("../published/maple-eurosat-base-to-new.yaml")),
    ("maple-eurosat-base-to-new-rerun", include_str!("../published/maple-eurosat-base-to-new-rerun.yaml")),
    ("maple-coop-rerun-base-to-new", include_str!("../published/maple-coop-rerun-base-to-new.yaml")),
    ("tcp-eurosat-4-shots", include_str!("../published/tcp-eurosat-4-shots.yaml")),
    ("promptsrc-eurosat-4-shots", include_str!("../published/promptsrc-eurosat-4-shots.yaml")),
    ("prograd-base-to-new-zero-shot", include_str!("../published/prograd-base-to-new-zero-shot.yaml")),
];

impl Published {
    /// The numbers that come with the project, followed by those of the user's files or folders of files.
    ///
    /// # Errors
    ///
    /// When a file is missing or malformed (the message names the line), or two have the same name.
    pub fn gather(own: &[PathBuf]) -> Result<Vec<Self>> {
        let embedded = FILES.iter().map(|(name, text)| {
            Self::parse(text, &Path::new("benchmarks/published").join(name).with_extension("yaml"))
        });
        let mut all = embedded.collect::<Result<Vec<_>>>()?;
        for file in own.iter().map(|path| yaml_files(path)).collect::<Result<Vec<_>>>()?.concat() {
            let published = Self::parse(&files::read_text(&file)?, &file)?;
            if all.iter().any(|known| known.name == published.name) {
                return Err(Error::new(format!("published numbers named `{}` already exist", published.name))
                    .at(&file)
                    .help("rename the file: its name without `.yaml` is what --against chooses"));
            }
            all.push(published);
        }
        Ok(all)
    }

    fn parse(text: &str, file: &Path) -> Result<Self> {
        let mut published: Self = yaml::parse(text, file)?;
        published.name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        published.check().map_err(|e| e.at(file))?;
        Ok(published)
    }

    /// Refuses what can be read and cannot be meant.
    fn check(&self) -> Result<()> {
        if self.decimals > MOST_DECIMALS {
            return Err(Error::new(format!("`decimals` is {}", self.decimals))
                .expected(format!("the digits behind the point in the source, at most {MOST_DECIMALS}")));
        }
        if let Some(seeds) = self.seeds.filter(|seeds| !(1..=MOST_SEEDS).contains(seeds)) {
            let expected = format!("the runs that are averaged, from 1 to {MOST_SEEDS}, or `null`");
            return Err(Error::new(format!("`seeds` is {seeds}")).expected(expected));
        }
        if self.figure.as_ref().is_some_and(|figure| figure.reading_error < 0.0) {
            return Err(Error::new("the reading error of `figure` is below zero"));
        }
        for (at, group) in self.groups.iter().enumerate() {
            if self.groups[..at].contains(group) {
                return Err(
                    Error::new(format!("`groups` names {group} twice")).help("merge the two columns of the rows")
                );
            }
            let (is_known, expected) = match self.table {
                Protocol::BaseToNew => (["base", "new", "h"].contains(&group.as_str()), "base, new and h"),
                _ => (group.parse::<u32>().is_ok(), "numbers of shots, with 0 for zero-shot"),
            };
            if !is_known {
                return Err(Error::new(format!("`groups` names `{group}`")).expected(expected));
            }
        }
        for (at, block) in self.methods.iter().enumerate() {
            let is_same = |other: &Block| other.method == block.method && other.options == block.options;
            if self.methods[..at].iter().any(is_same) {
                return Err(Error::new(format!("the method `{}` is listed twice with the same options", block.method))
                    .help("put its rows under one entry"));
            }
        }
        self.methods.iter().flat_map(|block| &block.rows).try_for_each(|(row, values)| self.check_row(row, values))
    }

    fn check_row(&self, row: &str, values: &[Option<Number>]) -> Result<()> {
        let groups = self.groups.len();
        if values.len() != groups {
            return Err(Error::new(format!("the row `{row}` has {} values", values.len()))
                .expected(format!("{groups}, one of each of `groups`, or `null`")));
        }
        let is_possible = |value: &f64| (0.0..=100.0).contains(value);
        let unusable = values.iter().flatten().find_map(|number| match number {
            Number::Runs { runs } if runs.is_empty() => Some("has a value without runs"),
            Number::Runs { runs } if !runs.iter().all(is_possible) => Some(IMPOSSIBLE),
            Number::Plain(value) | Number::Read { value, .. } | Number::Spread { value, .. } if !is_possible(value) => {
                Some(IMPOSSIBLE)
            }
            Number::Read { reading_error, .. } if *reading_error < 0.0 => Some("has a reading error below zero"),
            Number::Spread { deviation, .. } if *deviation < 0.0 => Some("has a deviation below zero"),
            Number::Spread { .. } if self.seeds.is_none_or(|seeds| seeds < 2) => {
                Some("gives a deviation, which means nothing without `seeds`")
            }
            _ => None,
        });
        unusable.map_or(Ok(()), |what| Err(Error::new(format!("the row `{row}` {what}"))))
    }

    /// The number of a method in a row and a group, if it is published.
    pub fn get(&self, block: &Block, row: &str, group: &str) -> Option<Known> {
        let group = self.groups.iter().position(|key| key == group)?;
        let rounding = 0.5 * 0.1_f64.powi(self.decimals as i32);
        let read = self.figure.as_ref().map_or(0.0, |figure| figure.reading_error);
        let known = |value, read: f64, half_interval: Option<f64>| Known {
            value,
            reading_error: read.max(rounding),
            half_interval: half_interval.unwrap_or(0.0),
        };
        Some(match block.rows.get(row)?[group].as_ref()? {
            Number::Plain(value) => known(*value, read, None),
            Number::Read { value, reading_error } => known(*value, *reading_error, None),
            Number::Spread { value, deviation } => {
                let summary = Summary { count: self.seeds?, mean: *value, deviation: Some(*deviation) };
                known(*value, read, summary.half_interval(0.95))
            }
            Number::Runs { runs } => {
                let summary = Summary::of(runs)?;
                known(summary.mean, read, summary.half_interval(0.95))
            }
        })
    }

    /// Why a method's numbers must not be compared with these, if that is so.
    pub fn blank_for(&self, method: &str) -> Option<&str> {
        let blank = self.blank.as_ref()?;
        let is_meant = blank.methods.as_ref().is_none_or(|methods| methods.iter().any(|known| known == method));
        is_meant.then_some(blank.because.as_str())
    }
}

/// A file, or the YAML files of a folder in the order of their names.
fn yaml_files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |e: std::io::Error| Error::io("list the folder", path, &e);
    let entries = std::fs::read_dir(path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut found: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    found.retain(|file| file.extension().is_some_and(|ending| ending == "yaml" || ending == "yml"));
    found.sort();
    if found.is_empty() {
        return Err(Error::new("the folder holds no published numbers").at(path).expected("files that end in `.yaml`"));
    }
    Ok(found)
}

/// Keys of groups, which may be written as numbers.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number or a word")]
    enum Key {
        Number(u32),
        Word(String),
    }
    let keys = Vec::<Key>::deserialize(deserializer)?;
    let text = |key| match key {
        Key::Number(number) => number.to_string(),
        Key::Word(word) => word,
    };
    Ok(keys.into_iter().map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::ELEVEN;

    const SHIFTED: [&str; 4] = ["imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r"];

    #[test]
    fn the_embedded_files_are_well_formed_and_sourced() {
        for published in Published::gather(&[]).unwrap() {
            assert!(published.source.contains("github.com/"), "{}", published.title);
            for row in published.methods.iter().flat_map(|block| block.rows.keys()) {
                let is_known = row == AVERAGE || ELEVEN.iter().chain(&SHIFTED).any(|known| known == row);
                assert!(is_known, "{row} in {}", published.title);
            }
        }
    }

    /// A method with a norm loss is another method with it, so that numbers without one must say so.
    #[test]
    fn numbers_of_methods_that_have_a_norm_loss_say_which() {
        let methods = Path::new(env!("CARGO_MANIFEST_DIR")).join("../methods");
        let takes_one = |method: &str| {
            let source = std::fs::read_to_string(methods.join(method).join("src/lib.rs"));
            source.is_ok_and(|source| source.contains("with_norm_loss!"))
        };
        let mut seen = 0;
        for published in Published::gather(&[]).unwrap() {
            for block in published.methods.iter().filter(|block| takes_one(&block.method)) {
                assert!(block.options.contains_key("norm_loss"), "{} in {}", block.method, published.name);
                seen += 1;
            }
        }
        assert!(seen > 20, "{seen} blocks");
    }

    /// Of two sources that contradict each other, nothing of ours is within the tolerance of both.
    #[test]
    fn no_two_sources_that_count_contradict_each_other() {
        let all = Published::gather(&[]).unwrap();
        let mut known: BTreeMap<String, (f64, String)> = BTreeMap::new();
        for published in &all {
            for block in published.methods.iter().filter(|block| block.not_counted.is_none()) {
                let groups = |row| published.groups.iter().map(move |group| (row, group));
                for (row, group) in block.rows.keys().flat_map(groups) {
                    let Some(value) = published.get(block, row, group) else { continue };
                    let (table, backbone) = (published.table, &published.backbone);
                    let place = format!("{table:?} {backbone} {} {:?} {row} {group}", block.method, block.options);
                    let (other, name) = known.entry(place.clone()).or_insert((value.value, published.name.clone()));
                    assert!((value.value - *other).abs() < 2.0, "{place}: {} and {name}", published.name);
                }
            }
        }
    }

    /// Averages that a source does not print were computed from its numbers.
    #[test]
    fn computed_averages_are_right() {
        let all = Published::gather(&[]).unwrap();
        for name in ["ape-coop-few-shot", "tip-adapter-few-shot"] {
            let published = all.iter().find(|published| published.name == name).unwrap();
            let block = &published.methods[0];
            for group in &published.groups {
                let of = |row: &str| published.get(block, row, group).unwrap().value;
                let mean = ELEVEN.iter().map(|row| of(row)).sum::<f64>() / 11.0;
                assert!((mean - of(AVERAGE)).abs() < 0.0051, "{name}, {group}");
            }
        }
    }

    const TEXT: &str = "
title: t
source: s
table: few-shot
backbone: RN50
protocol: p
arithmetic: null
seeds: 3
decimals: 1
figure: {reading_error: 0.2, how: by eye}
groups: [1, 2]
methods:
- method: coop
  rows:
    dtd: [50.0, {runs: [62.53, 64.07, 64.13]}]
    average: [{value: 40, reading_error: 0.01}, {value: 40, deviation: 1}]
";

    #[test]
    fn numbers_carry_what_they_may_be_off() {
        let published = Published::parse(TEXT, Path::new("x.yaml")).unwrap();
        let of = |row, group| published.get(&published.methods[0], row, group);
        assert_eq!(of("dtd", "1"), Some(Known { value: 50.0, reading_error: 0.2, half_interval: 0.0 }));
        assert_eq!(of(AVERAGE, "1"), Some(Known { value: 40.0, reading_error: 0.05, half_interval: 0.0 }));
        assert!((of("dtd", "2").unwrap().half_interval - 4.3027 * 0.9070 / 3f64.sqrt()).abs() < 1e-3);
        assert!((of(AVERAGE, "2").unwrap().half_interval - 4.3027 / 3f64.sqrt()).abs() < 1e-3);
        assert_eq!((of("dtd", "4"), of("eurosat", "1")), (None, None));
    }

    #[test]
    fn a_number_with_keys_of_two_forms_or_of_none_is_refused() {
        for keys in ["deviation: 1, reading_error: 0.1", "deviation: 1, seeds: 3"] {
            let text = TEXT.replace("deviation: 1", keys);
            let message = Published::parse(&text, Path::new("x.yaml")).unwrap_err().to_string();
            assert!(message.contains("average: this is not a published number"), "{message}");
        }
    }

    #[test]
    fn a_malformed_file_is_told_by_its_line() {
        let message = |from: &str, to: &str| {
            Published::parse(&TEXT.replace(from, to), Path::new("x.yaml")).unwrap_err().to_string()
        };
        insta::assert_snapshot!(message("[50.0, ", "[50.0, 51.0, "), @r"
        the row `dtd` has 3 values
          --> x.yaml
          expected: 2, one of each of `groups`, or `null`
        ");
        insta::assert_snapshot!(message("[50.0, ", "[fifty, "), @r"
        methods.coop.rows.dtd: this is not a published number
          --> x.yaml:15
          expected: a number, `{value, reading_error}`, `{value, deviation}` or `{runs: [number, …]}`
        ");
        insta::assert_snapshot!(message("[62.53, 64.07, 64.13]", "[]"), @r"
        the row `dtd` has a value without runs
          --> x.yaml
        ");
        insta::assert_snapshot!(message("seeds: 3", "seeds: null"), @r"
        the row `average` gives a deviation, which means nothing without `seeds`
          --> x.yaml
        ");
        insta::assert_snapshot!(message("[50.0, ", "[500, "), @r"
        the row `dtd` has a value that is no accuracy in percent: it is not from 0 to 100
          --> x.yaml
        ");
        insta::assert_snapshot!(message("[1, 2]", "[1, 1]"), @r"
        `groups` names 1 twice
          --> x.yaml
          help: merge the two columns of the rows
        ");
        insta::assert_snapshot!(message("decimals: 1", "decimals: 70000"), @r"
        `decimals` is 70000
          --> x.yaml
          expected: the digits behind the point in the source, at most 10
        ");
        insta::assert_snapshot!(message("deviation: 1", "deviation: -1"), @r"
        the row `average` has a deviation below zero
          --> x.yaml
        ");
        insta::assert_snapshot!(message("seeds: 3", "seeds: 4000000000"), @r"
        `seeds` is 4000000000
          --> x.yaml
          expected: the runs that are averaged, from 1 to 100000, or `null`
        ");
        insta::assert_snapshot!(message("decimals", "digits"), @r"
        unknown key `digits`
          --> x.yaml:9
          expected: one of title, source, notes, table, backbone, protocol, arithmetic, seeds, decimals, figure, blank, groups, methods
          help: known are: title, source, notes, table, backbone, protocol, arithmetic, seeds, decimals, figure, blank, groups, methods
        ");
        insta::assert_snapshot!(message("few-shot", "few-shots"), @r"
        unknown value `few-shots` in `table`
          --> x.yaml:4
          expected: one of few-shot, base-to-new, domain-generalization, low-norm-effect
          help: did you mean `few-shot`?
        ");
    }
}
