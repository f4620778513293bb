//! The settings of a run: suite ← the user's file ← `NEMESIS_*` ← the command line.

mod layer;
mod maps;
mod repeats;
mod split_seeds;

pub use layer::Layer;
pub use maps::parse_set;
pub(crate) use repeats::merged;
pub use split_seeds::SplitSeeds;

use crate::numbers;
use crate::plugins::Plugins;
use crate::process::choose_python;
use crate::suite::{Source, Suite, load_suite};
use figment::providers::{Env, Serialized};
use figment::{Figment, Profile};
use nemesis_core::error::{of_serde, suggest};
use nemesis_core::{Error, Result, yaml};
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

/// The settings that all sources together make.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The merged layers.
    pub layer: Layer,
    /// Checkpoints by their backbones' names.
    pub weights: BTreeMap<String, PathBuf>,
    /// Options of methods, `METHOD.OPTION` to value, over the suite's.
    pub set: BTreeMap<String, Value>,
    /// Training images per class, the suite's unless a layer says others.
    pub shots: Vec<u32>,
    /// Seeds, the suite's unless a layer says others.
    pub seeds: Vec<u64>,
    /// The seeds of initialisations, which are crossed with those of samples; none if seeds are not split.
    pub initialisations: Vec<u64>,
    /// The suite, with the text of its file.
    pub suite: Source<Suite>,
    /// The user's file, if there is one, with its text.
    pub user_file: Option<Source<Layer>>,
    /// What the user should know of what was asked for.
    pub warnings: Vec<Error>,
}

impl Settings {
    /// Merges all sources; `cli` is what the command line says.
    ///
    /// # Errors
    ///
    /// When a file or an environment variable holds something else than settings. Files are parsed one by one before
    /// they are merged, so that the message names file and line.
    pub fn gather(cli: &Layer) -> Result<Self> {
        let user_file = match &cli.config {
            Some(file) => Some(read_layer(file)?),
            None if Path::new(USER_FILE).is_file() => Some(read_layer(Path::new(USER_FILE))?),
            None => None,
        };
        maps::checkpoints(&cli.weights)?;
        maps::options(&cli.set)?;
        let said = |layer: &Layer| {
            let keys = layer.said().map_err(|e| Error::new(format!("an option cannot be read: {e}")))?;
            Ok::<_, Error>(Serialized::from(keys, Profile::Default))
        };
        let mut figment = Figment::new();
        if let Some(file) = &user_file {
            figment = figment.merge(said(&file.value)?);
        }
        let figment =
            figment.merge(Env::prefixed("NEMESIS_").ignore(&OF_THE_BUILD).ignore(&OF_THE_PROGRAM)).merge(said(cli)?);
        let mut layer: Layer = figment.extract().map_err(|error| translate(&error))?;
        layer.find_home();
        let suite = load_suite(layer.suite.as_deref().unwrap_or("few-shot"))?;
        let mut settings = Self {
            weights: maps::checkpoints(&layer.weights)?,
            set: maps::options(&layer.set)?,
            shots: layer.shots.clone().map_or_else(|| suite.value.shots.clone(), numbers::flat),
            seeds: layer.seeds.clone().map_or_else(|| suite.value.seeds.clone(), numbers::flat),
            initialisations: Vec::new(),
            layer,
            suite,
            user_file,
            warnings: Vec::new(),
        };
        settings.merge_repeats(cli)?;
        for (key, value) in [("jobs", settings.layer.jobs), ("limit", settings.layer.limit.map(|limit| limit as usize))]
        {
            if value == Some(0) {
                return Err(Error::new(format!("`{key}` is 0, so nothing would be computed"))
                    .about(format!("--{key}"))
                    .expected("1 or more"));
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
        if let Some(python) = &self.layer.python {
            choose_python(python);
        }
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

    /// The device's name.
    pub fn device(&self) -> &str {
        self.layer.device.as_deref().unwrap_or("cpu")
    }

    /// Where records and tables go.
    pub fn out(&self) -> PathBuf {
        self.layer.out.clone().unwrap_or_else(|| PathBuf::from("out"))
    }
}

fn read_layer(file: &Path) -> Result<Source<Layer>> {
    let text = nemesis_core::files::read_text(file)?;
    Ok(Source { value: yaml::parse(&text, file)?, file: file.to_owned(), text })
}

/// Only environment variables can still be wrong here, since the other sources are typed.
fn translate(error: &figment::Error) -> Error {
    let variable = |name: &str| format!("NEMESIS_{}", name.to_uppercase());
    if let figment::error::Kind::UnknownField(name, known) = &error.kind {
        let known: Vec<String> = known.iter().map(|name| variable(name)).collect();
        return Error::new(format!("the variable `{}` is not a setting", variable(name)))
            .about(variable(name))
            .help(suggest(&variable(name), known.iter().map(String::as_str)));
    }
    let told = of_serde(&error.kind.to_string());
    let told = match error.kind {
        // Our own parsers say what they want.
        figment::error::Kind::Message(_) => told,
        _ => told.help("run `nemesis run --help` for the options and their values"),
    };
    match error.path.first() {
        Some(key) => told.found_in(format_args!("`{}`", variable(key))).about(variable(key)),
        None => told,
    }
}
