//! The plan: every cell of a table, worked out before anything is computed.

use crate::mini;
use crate::plugins::{Plugins, complete_options, names_option};
use crate::settings::Settings;
use crate::suite::{MethodEntry, line_of_key, load_protocol};
use nemesis_core::dataset::{ClassSubset, Dataset, Registry, few_shot, limited_test, manifest_hash, missing_images};
use nemesis_core::method::Descriptor;
use nemesis_core::record::{BackboneKey, Cell, CellId, EvaluationCell, MethodKey, Subject, TrainingCell};
use nemesis_core::train::Protocol;
use nemesis_core::{Error, Result, engine, files};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Everything a run is about to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The suite's name, which names the table's files.
    pub suite: String,
    /// The table's title.
    pub title: String,
    /// Sentences for under the table.
    pub notes: Vec<String>,
    /// The protocol.
    pub protocol: Protocol,
    /// Where the data sets lie.
    pub data: PathBuf,
    /// The backbone's name and checkpoint.
    pub backbone: (String, PathBuf),
    /// The columns' methods, in order.
    pub methods: Vec<Column>,
    /// The rows' data sets, in order, by name and title.
    pub datasets: Vec<(String, String)>,
    /// Shots, in order.
    pub shots: Vec<u32>,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Whether the zero-shot baseline is evaluated.
    pub zero_shot: bool,
    /// The cells that the table shows, each behind what it needs.
    pub cells: Vec<PlannedCell>,
}

/// A method as a column of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The method's id.
    pub method: String,
    /// What stands over the column.
    pub label: String,
    /// The plugin's file.
    pub plugin: PathBuf,
}

/// A cell with its place in the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedCell {
    /// The cell's id.
    pub id: CellId,
    /// The cell.
    pub cell: Cell,
    /// The label of the method's column; none for zero-shot.
    pub column: Option<String>,
    /// How many images it works through: views to encode for a training, test images for an evaluation.
    pub images: u64,
    /// How many optimiser steps a training has.
    pub steps: u64,
}

impl PlannedCell {
    /// The data set.
    pub fn dataset(&self) -> &str {
        match &self.cell {
            Cell::Training(cell) => &cell.dataset,
            Cell::Evaluation(cell) => &cell.dataset,
        }
    }

    /// Shots and seed of the training that this cell is or needs.
    pub fn sample(&self) -> Option<(u32, u64)> {
        let training = match &self.cell {
            Cell::Training(cell) => Some(cell),
            Cell::Evaluation(cell) => cell.subject.training(),
        };
        training.map(|cell| (cell.shots, cell.seed))
    }

    /// One line that names the cell to a person.
    pub fn title(&self) -> String {
        let what = match &self.cell {
            Cell::Training(_) => "train",
            Cell::Evaluation(_) => "evaluate",
        };
        let dataset = self.dataset();
        match (&self.column, self.sample()) {
            (Some(column), Some((shots, seed))) => format!("{what} {column} on {dataset}, {shots} shots, seed {seed}"),
            _ => format!("{what} zero-shot CLIP on {dataset}"),
        }
    }
}

impl Plan {
    /// Works out the plan. Nothing is computed, but split files, the checkpoint and the plugins' descriptors are read.
    ///
    /// # Errors
    ///
    /// When a data set, checkpoint, protocol, method or option is missing or wrong.
    pub fn new(settings: &Settings, plugins: &mut Plugins) -> Result<Self> {
        let layer = &settings.layer;
        let suite = &settings.suite.value;
        let is_mini = layer.data.is_none();
        let out = settings.out();
        let data = match &layer.data {
            Some(root) => existing_folder(root)?,
            None => mini_root(&out)?,
        };
        let backbone = choose_backbone(settings, &out)?;
        let mut protocol = load_protocol(layer.protocol.as_deref().unwrap_or(if is_mini { "mini" } else { "paper" }))?;
        protocol.precision = layer.precision.unwrap_or(protocol.precision);

        let registry = Registry::load(&data)?;
        let datasets = choose_datasets(settings, &registry)?;
        let entries = choose_methods(settings, plugins)?;
        let mut cells =
            Cells { settings, plugins, protocol: &protocol, weights: files::hash(&backbone.1)?, planned: Vec::new() };
        let shots = layer.shots.clone().unwrap_or_else(|| suite.shots.clone());
        let seeds = layer.seeds.clone().unwrap_or_else(|| suite.seeds.clone());
        for name in &datasets {
            let dataset = registry.get(name)?.open(&data)?;
            cells.add_dataset(&*dataset, suite.zero_shot, &entries, &shots, &seeds)?;
        }
        let cells = cells.planned;
        let columns = entries.iter().map(|entry| column(entry, plugins)).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            suite: suite.name.clone(),
            title: suite.title.clone(),
            notes: suite.notes.clone(),
            data,
            backbone,
            methods: columns,
            datasets: datasets
                .iter()
                .map(|name| Ok((name.clone(), registry.get(name)?.title.clone())))
                .collect::<Result<_>>()?,
            shots,
            seeds,
            zero_shot: suite.zero_shot,
            protocol,
            cells,
        })
    }
}

impl Settings {
    /// Where records and tables go.
    pub fn out(&self) -> PathBuf {
        self.layer.out.clone().unwrap_or_else(|| PathBuf::from("out"))
    }

    /// The lines of method options given apart from the suite: `METHOD.OPTION` to value.
    fn overrides(&self, method: &str) -> Map<String, Value> {
        self.layer
            .set
            .iter()
            .filter_map(|(key, value)| {
                let (id, option) = key.split_once('.')?;
                (id == method).then(|| (option.to_owned(), value.clone()))
            })
            .collect()
    }
}

/// Collects the cells of one data set after the other.
struct Cells<'a> {
    settings: &'a Settings,
    plugins: &'a mut Plugins,
    protocol: &'a Protocol,
    weights: String,
    planned: Vec<PlannedCell>,
}

impl Cells<'_> {
    fn add_dataset(
        &mut self,
        dataset: &dyn Dataset,
        zero_shot: bool,
        methods: &[MethodEntry],
        shots: &[u32],
        seeds: &[u64],
    ) -> Result<()> {
        let manifest = manifest_hash(dataset);
        let test_images = limited_test(dataset, self.settings.layer.limit).len() as u64;
        if zero_shot {
            let subject = Subject::ZeroShot { template: dataset.template().to_owned() };
            self.add_evaluation(dataset, &manifest, subject, None, test_images);
        }
        for (&shots, &seed) in shots.iter().flat_map(|shots| seeds.iter().map(move |seed| (shots, seed))) {
            let images = few_shot::draw(dataset, shots as usize, seed).train.len() as u64;
            let resolved = self.protocol.resolve(dataset.name(), shots)?;
            for entry in methods {
                let column = column(entry, self.plugins)?;
                let training = TrainingCell {
                    dataset: dataset.name().to_owned(),
                    manifest: manifest.clone(),
                    classes: ClassSubset::All,
                    method: self.method_key(entry, dataset.name())?,
                    backbone: BackboneKey { weights: self.weights.clone() },
                    shots,
                    seed,
                    protocol: to_map(&resolved),
                    precision: self.protocol.precision.to_string(),
                    engine: engine::FINGERPRINT.to_owned(),
                };
                self.planned.push(PlannedCell {
                    id: training.id(),
                    cell: Cell::Training(training.clone()),
                    column: Some(column.label.clone()),
                    images: images * resolved.views,
                    steps: resolved.epochs * resolved.steps_per_epoch(images),
                });
                let subject = Subject::Training { cell: Box::new(training) };
                self.add_evaluation(dataset, &manifest, subject, Some(column.label), test_images);
            }
        }
        Ok(())
    }

    fn add_evaluation(
        &mut self,
        dataset: &dyn Dataset,
        manifest: &str,
        subject: Subject,
        column: Option<String>,
        images: u64,
    ) {
        let evaluation = EvaluationCell {
            subject,
            dataset: dataset.name().to_owned(),
            manifest: manifest.to_owned(),
            classes: ClassSubset::All,
            limit: self.settings.layer.limit,
            corruption: None,
            backbone: BackboneKey { weights: self.weights.clone() },
            // Nothing else of the protocol changes an evaluation but its precision, which has a field of its own.
            protocol: Map::from_iter([("name".to_owned(), Value::from(self.protocol.name.as_str()))]),
            precision: self.protocol.precision.to_string(),
            engine: engine::FINGERPRINT.to_owned(),
        };
        let cell = Cell::Evaluation(evaluation);
        self.planned.push(PlannedCell { id: cell.id(), cell, column, images, steps: 0 });
    }

    /// A method's options from all sources: its own defaults ← protocol ← suite ← suite for the data set ← `--set`.
    fn method_key(&mut self, entry: &MethodEntry, dataset: &str) -> Result<MethodKey> {
        let plugin = self.plugins.get(&entry.method)?;
        let descriptor = plugin.descriptor().clone();
        let known = |option: &str| descriptor.options.iter().any(|schema| schema.name == option);
        let mut given: Map<String, Value> =
            self.protocol.method_options.iter().filter(|(option, _)| known(option)).map(clone_pair).collect();
        given.extend(entry.options.iter().map(clone_pair));
        given.extend(entry.options_by_dataset.get(dataset).into_iter().flatten().map(clone_pair));
        given.extend(self.settings.overrides(&entry.method));
        let options = complete_options(plugin, &given)
            .map_err(|error| self.place_option_error(error, &entry.method, &descriptor, &given))?;
        Ok(MethodKey { id: entry.method.clone(), options, source: descriptor.source })
    }

    /// Adds the place to an error about an option, as far as a file is to blame.
    fn place_option_error(
        &self,
        error: Error,
        method: &str,
        descriptor: &Descriptor,
        given: &Map<String, Value>,
    ) -> Error {
        let Some(option) = given.keys().find(|option| names_option(&error, option)) else { return error };
        let known: Vec<&str> = descriptor.options.iter().map(|schema| schema.name.as_str()).collect();
        if self.settings.layer.set.contains_key(&format!("{method}.{option}")) {
            let from_file = self.settings.user_file.as_ref().and_then(|source| {
                line_of_key(&source.text, "set", &format!("{method}.{option}")).map(|line| (source.file.clone(), line))
            });
            return match from_file {
                Some((file, line)) => error.at(file).line(line),
                None => error.help(format!("`--set {method}.{option}=…`; the options are: {}", known.join(", "))),
            };
        }
        match line_of_key(&self.settings.suite.text, &format!("method: {method}"), option) {
            Some(line) => error.at(&self.settings.suite.file).line(line),
            None => error,
        }
    }
}

fn choose_backbone(settings: &Settings, out: &Path) -> Result<(String, PathBuf)> {
    let weights = &settings.layer.weights;
    let name = match &settings.layer.backbone {
        Some(name) => name.clone(),
        None if weights.len() == 1 => weights.keys().next().cloned().unwrap_or_default(),
        None if weights.is_empty() => "mini".to_owned(),
        None => {
            let known: Vec<&str> = weights.keys().map(String::as_str).collect();
            return Err(Error::new("several checkpoints are given, and no backbone is chosen")
                .expected(format!("--backbone with one of {}", known.join(", "))));
        }
    };
    match weights.get(&name) {
        Some(file) if file.is_file() => Ok((name, file.clone())),
        Some(file) => Err(Error::new(format!("there is no checkpoint for the backbone `{name}`"))
            .at(file)
            .expected("OpenAI's checkpoint, as .pt or .safetensors")),
        None if name == "mini" => Ok((name, mini::ensure_weights(out)?)),
        None => Err(Error::new(format!("no checkpoint is given for the backbone `{name}`"))
            .help(format!("give it with `--weights {name}=FILE`"))),
    }
}

fn choose_datasets(settings: &Settings, registry: &Registry) -> Result<Vec<String>> {
    let names = settings.layer.datasets.as_ref().unwrap_or(&settings.suite.value.datasets);
    for name in names {
        registry.get(name)?;
    }
    Ok(names.clone())
}

/// The suite's methods, or those asked for; plugins named on the command line join the suite's.
fn choose_methods(settings: &Settings, plugins: &mut Plugins) -> Result<Vec<MethodEntry>> {
    let of_suite = &settings.suite.value.methods;
    let Some(asked) = &settings.layer.methods else {
        let mut entries = of_suite.clone();
        for id in plugins.named()? {
            if !entries.iter().any(|entry| entry.method == id) {
                entries.push(MethodEntry::plain(&id));
            }
        }
        return Ok(entries);
    };
    let mut entries = Vec::new();
    for id in asked {
        let before = entries.len();
        entries
            .extend(of_suite.iter().filter(|entry| entry.method == *id || entry.label.as_ref() == Some(id)).cloned());
        if entries.len() == before {
            plugins.get(id)?;
            entries.push(MethodEntry::plain(id));
        }
    }
    Ok(entries)
}

fn column(entry: &MethodEntry, plugins: &mut Plugins) -> Result<Column> {
    let plugin = plugins.get(&entry.method)?;
    let label = entry.label.clone().unwrap_or_else(|| plugin.descriptor().label.clone());
    Ok(Column { method: entry.method.clone(), label, plugin: plugin.file().path().to_owned() })
}

/// The mini suite's data root, made in the folder of the records if it is not there.
///
/// # Errors
///
/// When it cannot be written.
pub fn mini_root(out: &Path) -> Result<PathBuf> {
    let root = out.join("mini");
    mini::ensure_data_root(&root)?;
    Ok(root)
}

fn existing_folder(root: &Path) -> Result<PathBuf> {
    if root.is_dir() {
        return Ok(root.to_owned());
    }
    Err(Error::new("there is no data root here")
        .at(root)
        .expected("a folder that holds the data sets' folders")
        .help("give it with `--data ROOT`, or leave the option out to run the mini suite"))
}

fn to_map<T: Serialize>(value: &T) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        other => unreachable!("a protocol is a struct with string keys, not {other:?}"),
    }
}

fn clone_pair((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}

/// What the plan leaves beside the records, so that its tables can be printed again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// The table's title.
    pub title: String,
    /// Sentences for under the table.
    pub notes: Vec<String>,
    /// The protocol's name.
    pub protocol: String,
    /// The backbone's name.
    pub backbone: String,
    /// The columns' labels, in order.
    pub columns: Vec<String>,
    /// The rows' data sets, in order, by name and title.
    pub datasets: Vec<(String, String)>,
    /// Shots, in order.
    pub shots: Vec<u32>,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Whether the zero-shot baseline is shown.
    pub zero_shot: bool,
    /// The evaluations that make the table.
    pub cells: Vec<SavedCell>,
}

/// An evaluation's place in a table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedCell {
    /// The id of the evaluation.
    pub id: CellId,
    /// The row.
    pub dataset: String,
    /// The column; none for zero-shot.
    pub column: Option<String>,
    /// Shots and seed; none for zero-shot.
    pub sample: Option<(u32, u64)>,
}

impl Plan {
    /// The part of the plan that its table is made of.
    pub fn saved(&self) -> SavedPlan {
        let cells = self.cells.iter().filter(|cell| matches!(cell.cell, Cell::Evaluation(_)));
        let deviations = self.protocol.deviations.iter().cloned();
        SavedPlan {
            title: self.title.clone(),
            notes: self.notes.iter().cloned().chain(deviations).collect(),
            protocol: self.protocol.name.clone(),
            backbone: self.backbone.0.clone(),
            columns: self.methods.iter().map(|column| column.label.clone()).collect(),
            datasets: self.datasets.clone(),
            shots: self.shots.clone(),
            seeds: self.seeds.clone(),
            zero_shot: self.zero_shot,
            cells: cells
                .map(|cell| SavedCell {
                    id: cell.id,
                    dataset: cell.dataset().to_owned(),
                    column: cell.column.clone(),
                    sample: cell.sample(),
                })
                .collect(),
        }
    }

    /// Writes [`Plan::saved`] to `plans/SUITE.json` in the folder of the records.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save(&self, out: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.saved())
            .map_err(|e| Error::new(format!("the plan cannot be written as JSON: {e}")))?;
        files::write_atomic(&out.join("plans").join(format!("{}.json", self.suite)), text.as_bytes())
    }

    /// The images that the plan needs and that are not on disk, by data set; data sets that lack none are left out.
    ///
    /// # Errors
    ///
    /// When a data set cannot be read.
    pub fn missing_images(&self) -> Result<Vec<(String, Vec<PathBuf>)>> {
        let registry = Registry::load(&self.data)?;
        let mut missing = Vec::new();
        for (name, _) in &self.datasets {
            let dataset = registry.get(name)?.open(&self.data)?;
            let mut needed: BTreeSet<PathBuf> = BTreeSet::new();
            for cell in self.cells.iter().filter(|cell| cell.dataset() == name) {
                let samples = match &cell.cell {
                    Cell::Training(cell) => few_shot::draw(&*dataset, cell.shots as usize, cell.seed).train,
                    Cell::Evaluation(cell) => limited_test(&*dataset, cell.limit),
                };
                needed.extend(missing_images(dataset.folder(), &samples).into_iter().map(|sample| sample.path.clone()));
            }
            if !needed.is_empty() {
                missing.push((name.clone(), needed.into_iter().collect()));
            }
        }
        Ok(missing)
    }

    /// Refuses to begin a run that would fail for want of images.
    ///
    /// # Errors
    ///
    /// When images are missing; the message names the first and counts the others.
    pub fn refuse_missing_images(&self) -> Result<()> {
        let missing = self.missing_images()?;
        let Some((dataset, images)) = missing.first() else { return Ok(()) };
        let count: usize = missing.iter().map(|(_, images)| images.len()).sum();
        let folder = Registry::load(&self.data)?.get(dataset)?.path(&self.data);
        Err(Error::new(format!("{count} images that the run needs are missing; the first is of `{dataset}`"))
            .at(folder.join(&images[0]))
            .help("`nemesis plan` with the same options counts them by data set; `--limit N` needs fewer test images"))
    }
}
