//! The plan: every cell of a table, worked out before anything is computed.

mod cells;
mod choose;
mod datasets;
mod image_lists;
mod left_out;
mod own;
mod planned;
mod protocols;
mod question;
mod saved;
mod seen;
mod test_set;

pub(crate) use choose::backbone;
pub use choose::mini_root;
pub use image_lists::ImageLists;
pub(crate) use image_lists::Keeper;
use left_out::Columns;
pub use left_out::{LeftOut, LeftOutMethod};
pub use planned::PlannedCell;
use question::numbers_of;
pub use question::{Asked, Checkpoint, Split};
pub use saved::{SavedCell, SavedColumn, SavedMethod, SavedPlan};

use crate::descriptions::Descriptions;
use crate::plugins::Plugins;
use crate::settings::Settings;
use crate::suite::{is_embedded_protocol, load_protocol};
use crate::tables::TableKind;
use crate::zero_shot::ZeroShot;
use cells::Cells;
use nemesis_core::backbone::BackboneSpec;
use nemesis_core::contents::Contents;
use nemesis_core::dataset::{Dataset, Registry};
use nemesis_core::note::Note;
use nemesis_core::seeds::Seeds;
use nemesis_core::train::Protocol;
use nemesis_core::{Error, Result};
use seen::Seen;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::path::PathBuf;

/// Everything a run is about to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What names the table's files: the suite where it is run as it stands, and its question elsewhere.
    pub name: String,
    /// What the table asks, beside its axes.
    pub asked: Asked,
    /// The table's title.
    pub title: String,
    /// The kind of table.
    pub table: TableKind,
    /// Sentences for under the table.
    pub notes: Vec<Note>,
    /// The protocol.
    pub protocol: Protocol,
    /// Where the data sets lie.
    pub data: PathBuf,
    /// The root of few-shot lists, if samples are not drawn.
    pub few_shot_lists: Option<PathBuf>,
    /// The backbone's name and checkpoint.
    pub backbone: (String, PathBuf),
    /// What the checkpoint is.
    pub checkpoint: BackboneSpec,
    /// The columns' methods, in order.
    pub methods: Vec<Column>,
    /// The rows' data sets, in order, by name and title.
    pub datasets: Vec<(String, String)>,
    /// Shots, in order.
    pub shots: Vec<u32>,
    /// Seeds: of samples, and unless `initialisations` has some, of all else.
    pub seeds: Vec<u64>,
    /// The seeds of initialisations, each of which is trained on every sample; none if seeds are not split.
    pub initialisations: Vec<u64>,
    /// The zero-shot baselines that are evaluated.
    pub zero_shot: ZeroShot,
    /// The cells that the table shows, each behind what it needs.
    pub cells: Vec<PlannedCell>,
    /// What the images hold that the cells see.
    pub images: ImageLists,
    /// The images that are not on disk, by data set.
    pub missing: Vec<(String, Vec<PathBuf>)>,
    /// The data sets that cannot be run on, and why.
    pub left_out: Vec<LeftOut>,
    /// The methods that cannot stand in the table, by label, each with what it learns for each class, which new classes
    /// lack.
    pub unfit: Vec<(String, String)>,
    /// The methods that cannot be run, and why.
    pub left_out_methods: Vec<LeftOutMethod>,
    /// Why those with missing images cannot be run on, which a plan that is only shown does not mind.
    refusals: Vec<(String, Error)>,
    /// What the user should know before they are computed.
    pub warnings: Vec<Error>,
}

/// A method as a column of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The method's id.
    pub method: String,
    /// What stands over the column.
    pub label: String,
    /// The option that the suite sweeps here, and its value in this column.
    pub swept: Option<Swept>,
    /// The plugin's file.
    pub plugin: PathBuf,
    /// What the suite and the user say of its options.
    pub settings: Value,
    /// The names of all its options.
    pub options: Vec<String>,
    /// In what its protocol differs from the run's, one phrase each.
    pub protocol: Vec<String>,
    /// The fingerprint of the plugin's sources.
    pub source: String,
}

impl Column {
    /// Takes down in what the method's own protocol differs from the run's, and which options the run's gives it.
    fn trained_with(&mut self, own: &Protocol, run: &Protocol) {
        self.protocol = own.differences(run);
        let usual = numbers_of(run);
        let differs: Map<String, Value> =
            numbers_of(own).into_iter().filter(|(key, value)| usual.get(key) != Some(value)).collect();
        if !differs.is_empty() {
            self.settings["protocol"] = Value::Object(differs);
        }
        // The name of one of the project's protocols says what it gives to single methods.
        let given = run.methods.get(&self.method).map(|of_method| &of_method.options);
        if let Some(given) = given.filter(|given| !given.is_empty() && !is_embedded_protocol(&run.name)) {
            self.settings["given_by_protocol"] = Value::Object(given.clone());
        }
    }

    /// The options that the run's protocol gives the method alone, as far as neither the suite nor the user gives them
    /// another value in the whole column: `n_ctx 4`.
    fn given_by_protocol(&self) -> Vec<String> {
        let is_overridden =
            |option: &str| ["options", "sweep", "set"].iter().any(|from| self.settings[*from].get(option).is_some());
        let given = self.settings["given_by_protocol"].as_object().into_iter().flatten();
        given.filter(|(option, _)| !is_overridden(option)).map(|(option, value)| format!("{option} {value}")).collect()
    }
}

/// What makes a column one of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// What is swept, as a heading: `Nemesis-PEN, alpha`.
    pub what: String,
    /// The value: `0.1`.
    pub value: String,
}

impl Plan {
    /// The cells, each once: columns may share some, as one that sweeps an option shares those of its default.
    pub fn distinct_cells(&self) -> impl Iterator<Item = &PlannedCell> {
        let mut seen = HashSet::new();
        self.cells.iter().filter(move |cell| seen.insert(cell.id))
    }

    /// Works out the plan. Nothing is computed, but split files and the checkpoint are read, and plugins are tried in
    /// another process.
    ///
    /// All that the user says is checked before anything is written, the mini suite's data included.
    ///
    /// # Errors
    ///
    /// When a checkpoint, protocol, method or option is missing or wrong, or every data set is. A data set that cannot be
    /// opened is left out. `tell` gets a sentence before work that takes long.
    pub fn new(settings: &Settings, plugins: &mut Plugins, tell: &dyn Fn(&str)) -> Result<Self> {
        let (layer, suite) = (&settings.layer, &settings.suite.value);
        let default_protocol = if layer.data.is_none() { "mini" } else { "paper" };
        let mut protocol = load_protocol(layer.protocol.as_deref().unwrap_or(default_protocol))?;
        protocol.precision = layer.precision.unwrap_or(protocol.precision);
        let mut warnings = settings.warnings.clone();
        warnings.extend(choose::unknown_in_protocol(&protocol, plugins));
        let all_entries = choose::methods(settings, plugins, &mut warnings)?;
        let all_columns = choose::columns(settings, &all_entries, plugins)?;
        let Columns { entries, usable: mut columns, empty, left_out: left_out_methods } =
            Columns::new(&all_entries, all_columns)?;
        choose::refuse_stray_settings(settings, &all_entries)?;
        let names = choose::datasets(settings)?;
        let targets = choose::targets(settings, &names)?;
        let shots = settings.shots.clone();
        let (seeds, initialisations) = (settings.seeds.clone(), settings.initialisations.clone());
        let crossed = Seeds::crossed(&seeds, &initialisations);
        let seen = Seen::new(Contents::open(settings.contents()), tell);
        for (entry, column) in entries.iter().zip(&mut columns) {
            let published = plugins.get(&entry.method)?.descriptor.protocol.clone();
            let own = protocols::of_entry(settings, &protocol, entry, &published, |single| single.applies(None))?;
            column.trained_with(&own, &protocol);
            column.protocol.extend(protocols::at_places(settings, &protocol, entry, &published, &own)?);
        }
        let descriptions = Descriptions::load(&settings.suite)?;
        let mut cells = Cells::new(settings, plugins, &protocol, &entries, &columns, &descriptions, seen);
        cells.check_options(&names, &shots)?;

        let backbone = choose::backbone(settings)?;
        let checkpoint = choose::checkpoint(settings, &backbone.1, protocol.precision)?;
        cells.backbone = checkpoint.key();
        cells.positions = usize::try_from(checkpoint.context_length).unwrap_or_default();
        let data = choose::data_root(settings)?;
        let registry = Registry::load(&data)?;
        choose::refuse_unknown_in_protocol(&protocol, &registry)?;
        let rows: Vec<&String> = names.iter().chain(&targets).collect();
        let (mut left_out, mut refusals) = (Vec::new(), Vec::new());
        let mut open = |name: &String| -> Result<Option<Box<dyn Dataset>>> {
            let entry = registry.get(name)?;
            let absent = !entry.path(&data).is_dir();
            let opened = datasets::open(entry, &data, suite.table.kind().class_subsets());
            let opened = opened.map_err(|reason| LeftOut { dataset: name.clone(), absent, reason });
            Ok(opened.map_err(|reason| left_out.push(reason)).ok())
        };
        let sources: Vec<_> = names.iter().filter_map(|name| open(name).transpose()).collect::<Result<_>>()?;
        let targets: Vec<_> = targets.iter().filter_map(|name| open(name).transpose()).collect::<Result<_>>()?;
        cells.leave_out_fixed_classes(suite.table.kind(), &sources, &targets, &shots)?;
        for source in &sources {
            cells.add_dataset(&**source, &targets, suite, &shots, &crossed)?;
        }
        descriptions.refuse_idle(&settings.suite, !cells.readers.is_empty())?;
        for dataset in sources.iter().chain(&targets) {
            let refusal = cells.seen.refusal(&**dataset);
            refusals.extend(refusal.map(|refusal| (dataset.name().to_owned(), refusal)));
        }
        cells.seen.remember()?;
        let in_order = |dataset: &String| rows.iter().position(|row| *row == dataset);
        let mut missing: Vec<(String, Vec<PathBuf>)> =
            cells.seen.missing.into_iter().map(|(dataset, images)| (dataset, images.into_iter().collect())).collect();
        missing.sort_by_key(|(dataset, _)| in_order(dataset));
        let titled = |name: &&String| Ok(((*name).clone(), registry.get(name)?.title.clone()));
        let opened = sources.iter().chain(&targets).map(|dataset| &**dataset);
        let mut asked = Asked::new(settings, &protocol, (&backbone.1, &checkpoint), &data, opened)?;
        asked.descriptions = descriptions.hashes();
        let described = descriptions.note(&names, &cells.readers);
        let (lists, planned, remarks, notes) = (cells.seen.lists, cells.planned, cells.remarks, cells.notes);
        let unfit = cells.left_out;
        warnings.extend(plugins.take_warnings().into_iter().chain(remarks));
        for (at, column) in empty {
            columns.insert(at, column);
        }
        columns.retain(|column| unfit.iter().all(|(label, _)| *label != column.label));
        let mut plan = Self {
            name: String::new(),
            asked,
            datasets: rows.iter().map(titled).collect::<Result<_>>()?,
            images: lists,
            missing,
            left_out,
            unfit,
            left_out_methods,
            refusals,
            title: suite.title.clone(),
            table: suite.table.clone(),
            notes: (suite.notes.iter().cloned()).chain(notes.into_iter().chain(described).map(Note::from)).collect(),
            data,
            few_shot_lists: layer.few_shot_lists.clone(),
            backbone,
            checkpoint,
            cells: planned,
            warnings,
            methods: columns,
            shots,
            seeds,
            initialisations,
            zero_shot: suite.zero_shot.clone(),
            protocol,
        };
        plan.warn_of_unfit_methods()?;
        plan.refuse_nothing()?;
        plan.name = plan.name(settings, &all_entries)?;
        Ok(plan)
    }
}
