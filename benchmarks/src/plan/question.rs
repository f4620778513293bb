//! What a table asks. The suite as it stands, on the mini suite's data, has the suite's name; every other question has a
//! name of its own, so that its table does not take the place of another.

use super::{Plan, choose};
use crate::numbers::brief;
use crate::settings::Settings;
use crate::suite::{MethodEntry, embedded_suite, load_protocol};
use nemesis_core::backbone::{Assumption, BackboneSpec};
use nemesis_core::dataset::{Dataset, manifest_hash, split_fingerprint};
use nemesis_core::train::Protocol;
use nemesis_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a table asks beside its axes: what all its numbers have in common, and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The suite's name.
    pub suite: String,
    /// The numbers of the protocol.
    pub protocol: Map<String, Value>,
    /// The precision.
    pub precision: String,
    /// Only the first so many test images of each class, if set.
    pub limit: Option<u32>,
    /// The root of few-shot lists, if samples are not drawn.
    pub few_shot_lists: Option<PathBuf>,
    /// Options given apart from suite and protocol, as `METHOD.OPTION`.
    pub set: BTreeMap<String, Value>,
    /// The fingerprint of the engine's sources.
    pub engine: String,
    /// The backbone's weights.
    pub checkpoint: Checkpoint,
    /// The data root; none for the mini suite's beside the records.
    pub data: Option<PathBuf>,
    /// Whether the data are the mini suite's, wherever they lie.
    pub mini_data: bool,
    /// The data sets that could be opened.
    pub splits: BTreeMap<String, Split>,
    /// The hashes of the files that describe classes, by data set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub descriptions: BTreeMap<String, String>,
}

/// The weights of a backbone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The hash of the file.
    pub hash: String,
    /// Where the file was; none for the mini suite's beside the records.
    pub file: Option<PathBuf>,
    /// The published checkpoint that it is known to be: `RN50`, `ViT-B/16`.
    pub published: Option<String>,
    /// What was assumed of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed: Option<Assumption>,
}

/// A data set as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The hash of its manifest, which cells have.
    pub manifest: String,
    /// The fingerprint of its split, by which the published one is known.
    pub fingerprint: String,
}

impl Checkpoint {
    /// Whether it is the small CLIP of the mini suite.
    pub fn is_mini(&self) -> bool {
        nemesis_mini::is_mini(&self.hash)
    }
}

impl Asked {
    pub(super) fn new<'a>(
        settings: &Settings,
        protocol: &Protocol,
        (weights, spec): (&Path, &BackboneSpec),
        data: &Path,
        datasets: impl Iterator<Item = &'a dyn Dataset>,
    ) -> Result<Self> {
        let absolute = |path: &Path| path.canonicalize().map_err(|e| Error::io("find", path, &e));
        let is_mini = nemesis_mini::is_mini(&spec.weights_hash);
        let split = |dataset: &dyn Dataset| {
            let (manifest, fingerprint) = (manifest_hash(dataset), split_fingerprint(dataset));
            (dataset.name().to_owned(), Split { manifest, fingerprint })
        };
        Ok(Self {
            suite: settings.suite.value.name.clone(),
            protocol: numbers_of(protocol),
            precision: protocol.precision.to_string(),
            limit: settings.layer.limit,
            few_shot_lists: settings.layer.few_shot_lists.as_deref().map(absolute).transpose()?,
            set: settings.set.clone(),
            engine: nemesis_core::FINGERPRINT.to_owned(),
            checkpoint: Checkpoint {
                hash: spec.weights_hash.clone(),
                file: if is_mini { None } else { Some(absolute(weights)?) },
                published: spec.known_as().map(str::to_owned),
                assumed: spec.key().assumed,
            },
            data: settings.layer.data.as_deref().map(absolute).transpose()?,
            mini_data: nemesis_mini::is_data_root(data),
            splits: datasets.map(split).collect(),
            descriptions: BTreeMap::new(),
        })
    }

    /// Whether data and backbone are both the mini suite's.
    pub fn is_mini(&self) -> bool {
        self.mini_data && self.checkpoint.is_mini()
    }
}

/// What of a protocol changes results, whatever the data set and shots.
pub(super) fn numbers_of(protocol: &Protocol) -> Map<String, Value> {
    let Ok(Value::Object(mut numbers)) = serde_json::to_value(protocol) else {
        unreachable!("a protocol is a struct with string keys")
    };
    for key in ["deviations", "overrides", "precision", "threads", "methods"] {
        numbers.remove(key);
    }
    numbers
}

impl Plan {
    /// The name of the table's files: the suite's, or words for what is asked otherwise, and the beginning of a hash of
    /// all that is asked.
    pub(super) fn name(&self, settings: &Settings, entries: &[MethodEntry]) -> Result<String> {
        let words = self.words(settings, entries)?;
        let suite = safe(&self.asked.suite);
        if words.is_empty() {
            return Ok(suite);
        }
        let asked = &self.asked;
        let columns: Vec<Value> =
            (self.methods.iter()).map(|column| json!([column.label, column.method, column.settings])).collect();
        let mut all = json!([
            asked.suite,
            self.table,
            self.zero_shot,
            asked.protocol,
            asked.precision,
            asked.limit,
            asked.few_shot_lists,
            asked.checkpoint.hash,
            asked.checkpoint.assumed,
            asked.data,
            self.datasets,
            columns,
            self.shots,
            self.seeds,
        ]);
        if let (Value::Array(all), false) = (&mut all, self.initialisations.is_empty()) {
            all.push(json!({ "initialisations": self.initialisations }));
        }
        let hash = blake3::hash(all.to_string().as_bytes()).to_hex();
        Ok(format!("{suite}-{}-{}", words.join("-"), &hash[..6]))
    }

    /// What is asked otherwise than by the suite as it stands, in words that are safe in a file's name.
    fn words(&self, settings: &Settings, entries: &[MethodEntry]) -> Result<Vec<String>> {
        let (suite, asked) = (&settings.suite, &self.asked);
        let mut words = Vec::new();
        if embedded_suite(&suite.value.name).is_some_and(|text| text != suite.text) {
            words.push("edited".to_owned());
        }
        match (asked.data.is_some(), asked.checkpoint.is_mini()) {
            (false, true) => {}
            (false, false) => words.extend([safe(&self.backbone.0), "mini-data".to_owned()]),
            (true, false) => words.push(safe(&self.backbone.0)),
            (true, true) => words.push("mini-weights".to_owned()),
        }
        let targets = choose::targets(settings, &suite.value.datasets).unwrap_or_default();
        let names: Vec<&String> = self.datasets.iter().map(|(name, _)| name).collect();
        if !names.iter().copied().eq(suite.value.datasets.iter().chain(&targets)) {
            let trained_on = names.iter().filter(|name| !targets.contains(name)).map(|name| name.as_str());
            words.push(some(trained_on, "data-sets"));
        }
        let as_it_stands = suite.value.methods.iter().map(MethodEntry::unfolded).collect::<Result<Vec<_>>>()?.concat();
        if entries != as_it_stands {
            words.push(some(self.methods.iter().map(|column| column.label.as_str()), "methods"));
        }
        for (option, value) in &asked.set {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            words.push(safe(&format!("{option}={value}")));
        }
        if self.shots != suite.value.shots {
            let what = if self.shots == [1] { "shot" } else { "shots" };
            words.push(format!("{}-{what}", brief(&self.shots, "+")));
        }
        if self.seeds != suite.value.seeds {
            let what = if self.seeds.len() == 1 { "seed" } else { "seeds" };
            words.push(format!("{what}-{}", brief(&self.seeds, "+")));
        }
        if self.initialisations == self.seeds {
            words.push("split-seeds".to_owned());
        } else if !self.initialisations.is_empty() {
            words.push(format!("split-seeds-{}", brief(&self.initialisations, "+")));
        }
        let usual = load_protocol(if asked.data.is_some() { "paper" } else { "mini" })?;
        if numbers_of(&usual) != asked.protocol {
            words.push(safe(&self.protocol.name));
        }
        if self.protocol.precision != usual.precision && self.protocol.name != asked.precision {
            words.push(asked.precision.clone());
        }
        words.extend(asked.few_shot_lists.is_some().then(|| "lists".to_owned()));
        words.extend(asked.limit.map(|limit| format!("first-{limit}")));
        // A file's name may have 255 bytes, and a person's patience fewer.
        let mut room = 80;
        words.retain(|word| {
            room -= word.len() as i64 + 1;
            room >= 0
        });
        if words.is_empty() && room < 0 {
            words.push("other".to_owned());
        }
        Ok(words)
    }
}

/// A few names with `+` between them, or how many there are.
fn some<'a>(names: impl Iterator<Item = &'a str>, what: &str) -> String {
    let names: Vec<String> = names.map(safe).collect();
    if names.len() <= 3 { names.join("+") } else { format!("{}-{what}", names.len()) }
}

/// The text in characters that no file system and no shell minds.
fn safe(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() || "._+=".contains(c) { c } else { '-' };
        if c != '-' || !safe.ends_with('-') {
            safe.push(c);
        }
    }
    let safe = safe.trim_matches(['-', '.']);
    if safe.is_empty() { "unnamed".to_owned() } else { safe.to_owned() }
}
