//! The settings of a run: suite ← the user's file ← `NEMESIS_*` ← the command line.

pub mod numbers;
mod repeats;

use crate::bytes::ByteSize;
use crate::plugins::Plugins;
use crate::suite::{Source, Suite, blame, load_suite};
use crate::weights::Weights;
use figment::providers::{Env, Serialized};
use figment::{Figment, Profile};
use nemesis_core::backbone::Assumption;
use nemesis_core::error::suggest;
use nemesis_core::train::Precision;
use nemesis_core::{Error, Result, yaml};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The user's file that is read when it lies in the working directory.
const USER_FILE: &str = "nemesis.yaml";

/// What `cargo test` and `cargo run` hand down from the build under our prefix, and is no setting.
const OF_THE_BUILD: [&str; 3] = ["libtorch", "libtorch_folder", "cxx11_abi"];

/// What `nemesis env` prints for the building of plugins, what our benchmarks read, and what a plugin's workflow has.
const OF_THE_PROGRAM: [&str; 4] = ["abi", "sdk", "bench_images", "repository"];

/// Gigabytes that the feature pool may take by default.
pub(crate) const POOL_BUDGET: u64 = 20;

/// What one source says of a run. Every key may be missing; all have the names of the command line's options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layer {
    /// A suite by name, or a suite file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// The data root; without it, the mini suite's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Checkpoints by the name of the backbone, or a file or several as the command line takes them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "weights")]
    pub weights: BTreeMap<String, PathBuf>,
    /// What is assumed of a checkpoint that does not tell its configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_config: Option<Assumption>,
    /// The backbone, a key of `weights` or `mini`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backbone: Option<String>,
    /// Data sets, in place of the suite's.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "list")]
    pub datasets: Option<Vec<String>>,
    /// Methods, in place of the suite's.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "list")]
    pub methods: Option<Vec<String>>,
    /// Plugin files, or folders that hold them. Their code is run.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "list")]
    pub plugin: Option<Vec<PathBuf>>,
    /// Options of methods, `METHOD.OPTION` to value, over the suite's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Value>,
    /// Training images per class.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "numbers::deserialize_some")]
    pub shots: Option<Vec<u32>>,
    /// Seeds.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "numbers::deserialize_some")]
    pub seeds: Option<Vec<u64>>,
    /// The root of few-shot lists, which are taken instead of drawing samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub few_shot_lists: Option<PathBuf>,
    /// A protocol by name, or a protocol file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The precision, in place of the protocol's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// Only the first so many test images of each class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// How many workers compute at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<usize>,
    /// `cpu` or `cuda:N`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Where records and tables go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<PathBuf>,
    /// The folder of the feature pool, which any number of runs may share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<PathBuf>,
    /// How many gigabytes the pool may take; with 0, features stay in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_budget: Option<u64>,
    /// How much memory a worker may take, about, and at most twice that; without it, as much as its work needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Seconds after which a plugin is given up that is loaded or creates a method for the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin_timeout: Option<u64>,
    /// Seconds after which a cell is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell_timeout: Option<u64>,
}

/// The settings that all sources together make.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The merged layers.
    pub layer: Layer,
    /// The suite, with the text of its file.
    pub suite: Source<Suite>,
    /// The user's file, if there is one, with its text.
    pub user_file: Option<Source<Layer>>,
    /// What the user should know of what was asked for.
    pub warnings: Vec<Error>,
}

impl Settings {
    /// Merges all sources; `config` is the user's file given on the command line, `cli` what else it says.
    ///
    /// # Errors
    ///
    /// When a file or an environment variable holds something else than settings. Files are parsed one by one before
    /// they are merged, so that the message names file and line.
    pub fn gather(config: Option<&Path>, cli: &Layer) -> Result<Self> {
        let user_file = match config {
            Some(file) => Some(read_layer(file)?),
            None if Path::new(USER_FILE).is_file() => Some(read_layer(Path::new(USER_FILE))?),
            None => None,
        };
        let user = user_file.as_ref().map(|source| source.value.clone()).unwrap_or_default();
        let figment = Figment::new()
            .merge(Serialized::from(user, Profile::Default))
            .merge(Env::prefixed("NEMESIS_").ignore(&OF_THE_BUILD).ignore(&OF_THE_PROGRAM))
            .merge(Serialized::from(cli, Profile::Default));
        let layer: Layer = figment.extract().map_err(|error| translate(&error))?;
        let suite = load_suite(layer.suite.as_deref().unwrap_or("few-shot"))?;
        let mut settings = Self { layer, suite, user_file, warnings: Vec::new() };
        settings.merge_repeats(cli)?;
        for (key, value) in [("jobs", settings.layer.jobs), ("limit", settings.layer.limit.map(|limit| limit as usize))]
        {
            if value == Some(0) {
                return Err(Error::new(format!("`{key}` is 0, so nothing would be computed")).expected("1 or more"));
            }
        }
        Ok(settings)
    }

    /// The plugins at hand.
    ///
    /// # Errors
    ///
    /// When a path that the user names does not exist.
    pub fn plugins(&self) -> Result<Plugins> {
        let plugins = Plugins::find(self.layer.plugin.as_deref().unwrap_or_default())?;
        Ok(match self.layer.plugin_timeout {
            Some(seconds) => plugins.with_patience(Duration::from_secs(seconds)),
            None => plugins,
        })
    }

    /// The folder of the feature pool and the bytes that it may take, unless there is to be none.
    pub fn pool(&self) -> Option<(PathBuf, u64)> {
        let budget = self.layer.pool_budget.unwrap_or(POOL_BUDGET);
        (budget > 0).then(|| (self.pool_folder(), budget << 30))
    }

    /// Where the feature pool lies, if there is one.
    pub fn pool_folder(&self) -> PathBuf {
        self.layer.pool.clone().unwrap_or_else(|| self.out().join("pool"))
    }

    /// The file that remembers what images hold. It lies with the features, which are shared as widely.
    pub fn contents(&self) -> PathBuf {
        self.pool().map_or_else(|| self.out(), |(folder, _)| folder).join("contents")
    }

    /// Where records and tables go.
    pub fn out(&self) -> PathBuf {
        self.layer.out.clone().unwrap_or_else(|| PathBuf::from("out"))
    }
}

fn read_layer(file: &Path) -> Result<Source<Layer>> {
    let text = nemesis_core::files::read_text(file)?;
    let value = yaml::parse(&text, file).map_err(|error| blame::<Layer>(&text, file).unwrap_or(error))?;
    Ok(Source { value, file: file.to_owned(), text })
}

/// Only environment variables can still be wrong here, since the other sources are typed.
fn translate(error: &figment::Error) -> Error {
    if let figment::error::Kind::UnknownField(name, known) = &error.kind {
        let variable = |name: &str| format!("NEMESIS_{}", name.to_uppercase());
        let known: Vec<String> = known.iter().map(|name| variable(name)).collect();
        return Error::new(format!("the variable `{}` is no setting", variable(name)))
            .help(suggest(&variable(name), known.iter().map(String::as_str)));
    }
    let key = error.path.join(".");
    let place = if key.is_empty() { String::new() } else { format!(" in `NEMESIS_{}`", key.to_uppercase()) };
    if let figment::error::Kind::Message(text) = &error.kind
        && let Some((what, expected)) = text.split_once(", expected ")
    {
        return Error::new(format!("{what}{place}")).expected(expected);
    }
    Error::new(format!("{}{place}", error.kind)).help("run `nemesis run --help` for the options and their values")
}

/// A list, written as such, as one text with commas, or as a single item.
fn list<'de, T, D>(deserializer: D) -> std::result::Result<Option<Vec<T>>, D::Error>
where
    T: serde::de::DeserializeOwned,
    D: Deserializer<'de>,
{
    let items = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::Array(items) => items,
        Value::String(text) => text.split(',').map(|item| scalar(item.trim())).collect(),
        single => vec![single],
    };
    items
        .into_iter()
        .map(|item| serde_json::from_value(item).map_err(serde::de::Error::custom))
        .collect::<std::result::Result<_, _>>()
        .map(Some)
}

/// A number where the text is one, else the text.
fn scalar(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| Value::String(text.to_owned()), Value::from)
}

/// Parses `METHOD.OPTION=VALUE`; the value is read as YAML, so that `1`, `true` and `none` are what they look like.
///
/// # Errors
///
/// When the text has another form; as a plain text, for the command line.
pub fn parse_set(text: &str) -> std::result::Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("expected METHOD.OPTION=VALUE")?;
    if !key.contains('.') {
        return Err(format!("`{key}` names no method: expected METHOD.OPTION=VALUE, as in nemesis-pan.tau=0.5"));
    }
    let value = serde_yaml::from_str(value).map_err(|e| format!("the value of `{key}` is not YAML: {e}"))?;
    Ok((key.to_owned(), value))
}

/// Checkpoints by their backbones' names.
///
/// # Errors
///
/// When two files have one name; as a plain text, for the command line.
pub fn by_name(weights: impl IntoIterator<Item = Weights>) -> std::result::Result<BTreeMap<String, PathBuf>, String> {
    let mut by_name = BTreeMap::new();
    for given in weights {
        let name = given.name();
        match by_name.insert(name.clone(), given.file().to_owned()) {
            Some(other) if other != given.file() => {
                let (one, two) = (other.display(), given.file().display());
                return Err(format!("two checkpoints are called `{name}`: {one} and {two}"));
            }
            _ => {}
        }
    }
    Ok(by_name)
}

/// Checkpoints: a map from names to files, one text, or a list of texts.
fn weights<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<BTreeMap<String, PathBuf>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let texts = match value {
        Value::Null => return Ok(BTreeMap::new()),
        Value::String(text) => vec![text],
        Value::Array(_) => serde_json::from_value(value).map_err(serde::de::Error::custom)?,
        map => return serde_json::from_value(map).map_err(serde::de::Error::custom),
    };
    let parsed = texts.iter().map(|text| text.parse::<Weights>()).collect::<std::result::Result<Vec<_>, _>>();
    parsed.and_then(by_name).map_err(serde::de::Error::custom)
}
