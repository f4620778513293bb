//! The engine: computes one cell after the other, and keeps between cells what they share.

mod classes;
mod classifier;
mod evaluation;
mod interruption;
mod training;

pub use classifier::Classifier;

use crate::backbone::{self, Assumption, Backbone, BackboneSpec, Request, class_words};
use crate::budget::Budget;
use crate::contents::Contents;
use crate::dataset::{Dataset, Registry, Sample, manifest_hash};
use crate::device;
use crate::method::{self, Task};
use crate::plugin::Plugin;
use crate::pool::Pool;
use crate::record::{Cell, MethodKey, Provenance, Store};
use crate::train::{Features, Precision, Recompute};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Where an engine finds what its cells are about.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The data root.
    pub data: PathBuf,
    /// The checkpoint.
    pub weights: PathBuf,
    /// What is assumed of a checkpoint that does not tell its configuration.
    pub weights_config: Option<Assumption>,
    /// Plugin files by the method's id.
    pub plugins: BTreeMap<String, PathBuf>,
    /// The folder of the records.
    pub store: PathBuf,
    /// The root of the few-shot lists that are taken instead of drawing samples.
    pub few_shot_lists: Option<PathBuf>,
    /// The folder of the feature pool, and the bytes that it may take; without it, features stay in memory.
    pub pool: Option<(PathBuf, u64)>,
    /// The file that remembers what images hold.
    pub contents: PathBuf,
    /// The bytes that this process may take, about; without it, as many as its work needs.
    pub memory: Option<u64>,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// The precision that everything is computed in.
    pub precision: Precision,
    /// Threads of this process.
    pub threads: usize,
    /// How often a training is saved between two epochs, so that it can be resumed.
    pub checkpoint_every: Duration,
}

/// What an engine tells while it computes a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Notice<'a> {
    /// A part, between 0 and 1, of the cell is done.
    Progress(f64),
    /// Something that the user should see.
    Warning(&'a str),
}

/// Store, backbone, plugins, the opened data set and its features.
pub struct Engine {
    setup: Setup,
    store: Store,
    backbone: Box<dyn Backbone>,
    /// What trains, if that is another: in mixed precision.
    mixed: Option<Box<dyn Backbone>>,
    weights_hash: String,
    plugins: Plugins,
    registry: Registry,
    /// The data set that the last cell trained on, or evaluated without training; cells come grouped by it.
    home: String,
    /// The data sets that cells of one home need: it, and those that what was trained on it is tested on.
    datasets: BTreeMap<String, Box<dyn Dataset>>,
    features: Features,
    recompute: Recompute,
    cancelled: AtomicBool,
    /// Whether this process was told to end.
    stop: Arc<AtomicBool>,
}

impl Engine {
    /// Opens everything that the setup names but data sets and plugins, which wait for the cell that needs them.
    ///
    /// # Errors
    ///
    /// When the checkpoint or the store cannot be opened.
    pub fn open(setup: Setup) -> Result<Self> {
        tch::set_num_threads(setup.threads as i32);
        let device = device::open(&setup.device)?;
        let request = Request::new(&setup.weights, setup.weights_config, device, setup.precision.kind());
        let backbone = backbone::open(&request)?;
        let mixed = (setup.precision == Precision::Amp).then(|| backbone::open(&request.mixed())).transpose()?;
        let budget = setup.memory.map_or(Ok(Budget::UNBOUNDED), Budget::left_of)?;
        let pool = setup.pool.as_ref().map(|(folder, budget)| Pool::open(folder, *budget)).transpose()?;
        Ok(Self {
            store: Store::open(&setup.store)?,
            weights_hash: backbone.spec().weights_hash.clone(),
            registry: Registry::load(&setup.data)?,
            features: Features::new(backbone.spec(), pool, budget.decoded, Contents::open(&setup.contents)),
            home: String::new(),
            datasets: BTreeMap::new(),
            recompute: budget.activations.map_or(Recompute::Never, Recompute::Within),
            cancelled: AtomicBool::new(false),
            stop: Arc::default(),
            backbone,
            mixed,
            plugins: Plugins { files: setup.plugins.clone(), loaded: BTreeMap::new() },
            setup,
        })
    }

    /// The flag that ends a training after its epoch: it is saved, and [`Self::compute`] fails.
    #[must_use]
    pub fn stopped_by(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop, ..self }
    }

    /// The store that records go to.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Says that no planned cell needs the few-shot sample at hand any more: the pool may then give its features up
    /// first, when it needs room.
    ///
    /// # Errors
    ///
    /// When a file of the pool cannot be marked, or what images hold cannot be written down.
    pub fn release(&mut self) -> Result<()> {
        self.features.remember()?;
        self.features.release(self.mixed.as_ref().unwrap_or(&self.backbone).spec())
    }

    /// What images hold, as cells name it.
    ///
    /// # Errors
    ///
    /// When an image cannot be read; the message names it.
    pub fn images(&mut self, folder: &Path, samples: &[Sample]) -> Result<String> {
        self.features.images(folder, samples)
    }

    /// What encodes images and prompts.
    pub fn backbone(&self) -> &dyn Backbone {
        &*self.backbone
    }

    /// Computes a cell and writes its record, unless it is there already.
    ///
    /// # Errors
    ///
    /// When the cell fails; its record is not written then.
    pub fn compute(&mut self, cell: &Cell, tell: &mut dyn FnMut(Notice<'_>)) -> Result<()> {
        if self.store.contains(&cell.id()) {
            return Ok(());
        }
        if *cell.backbone() != self.backbone.spec().key() {
            return Err(Error::new("the checkpoint changed while the run was going on")
                .at(&self.setup.weights)
                .help("start the run again"));
        }
        match cell {
            Cell::Training(cell) => self.train(cell, tell),
            Cell::Evaluation(cell) => self.evaluate(cell, tell),
        }
    }

    /// Forgets what cells of another data set needed.
    fn enter(&mut self, home: &str) {
        if self.home != home {
            self.features.forget();
            self.datasets.clear();
            home.clone_into(&mut self.home);
        }
    }

    fn provenance(&mut self, method: Option<&MethodKey>, started: Instant) -> Result<Provenance> {
        let mut files = BTreeMap::from([("weights".to_owned(), self.weights_hash.clone())]);
        if let Some(method) = method {
            files.insert(format!("plugin {}", method.id), self.plugins.get(method)?.file().hash().to_owned());
        }
        Ok(Provenance {
            nemesis: env!("CARGO_PKG_VERSION").to_owned(),
            libtorch: method::versions::LIBTORCH.to_owned(),
            processor: device::processor(),
            device: device::describe(self.backbone.spec().device),
            threads: self.setup.threads as u32,
            files,
            backbone: Some(self.backbone.spec().facts()),
            seconds: started.elapsed().as_secs_f64(),
            adopted: None,
        })
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("setup", &self.setup).finish_non_exhaustive()
    }
}

/// Plugins by the method's id, loaded when a cell first needs them: one that crashes then costs that cell.
#[derive(Debug)]
struct Plugins {
    files: BTreeMap<String, PathBuf>,
    /// Each with what the file system said of its file when it was loaded. Python has read all of it then.
    loaded: BTreeMap<String, (Plugin, Option<Stamp>)>,
}

/// What tells that a file was written to: its inode, size and time.
type Stamp = (u64, u64, (i64, i64));

fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), (found.mtime(), found.mtime_nsec())))
}

impl Plugins {
    fn get(&mut self, method: &MethodKey) -> Result<&Plugin> {
        match self.loaded.entry(method.id.clone()) {
            Entry::Occupied(known) => {
                let (plugin, loaded) = known.into_mut();
                // One that replaces it is another file, and this process goes on with the code of the first. What is written
                // into the file itself is in its memory at once.
                let now = stamp(plugin.file().path());
                let is_same_file = now.zip(*loaded).is_some_and(|(now, loaded)| now.0 == loaded.0);
                if is_same_file && now != *loaded {
                    return Err(Error::new(format!("the file of `{}` was written to while it was in use", method.id))
                        .at(plugin.file().path())
                        .help("start the run again, and replace such a file by renaming, as `mv` and Cargo do"));
                }
                Ok(plugin)
            }
            Entry::Vacant(place) => {
                let file = self.files.get(&method.id);
                let file = file.ok_or_else(|| Error::new(format!("no plugin offers the method `{}`", method.id)))?;
                let before = stamp(file);
                let plugin = Plugin::load(file)?;
                let loaded = before.filter(|_| plugin.file().python().is_none());
                if plugin.descriptor().source != method.source {
                    return Err(Error::new(format!("the plugin `{}` changed while the run was going on", method.id))
                        .at(file)
                        .help("start the run again"));
                }
                Ok(&place.insert((plugin, loaded)).0)
            }
        }
    }
}

/// Opens a data set unless it is among the open ones, and checks that it still is what the plan was made of.
fn opened<'a>(
    registry: &Registry,
    open: &'a mut BTreeMap<String, Box<dyn Dataset>>,
    root: &Path,
    name: &str,
    manifest: &str,
) -> Result<&'a dyn Dataset> {
    match open.entry(name.to_owned()) {
        Entry::Occupied(known) => Ok(&**known.into_mut()),
        Entry::Vacant(place) => {
            let dataset = registry.get(name)?.open(root)?;
            if manifest_hash(&*dataset) != manifest {
                return Err(Error::new(format!("the data set `{name}` changed while the run was going on"))
                    .at(dataset.folder())
                    .help("start the run again"));
            }
            Ok(&**place.insert(dataset))
        }
    }
}

/// Refuses images that are no longer those that the plan was made of.
fn unchanged(dataset: &dyn Dataset, planned: &str, found: &str) -> Result<()> {
    if planned == found {
        return Ok(());
    }
    Err(Error::new(format!("images of `{}` changed while the run was going on", dataset.name()))
        .at(dataset.folder())
        .help("start the run again"))
}

/// What a method is created for.
pub fn task(spec: &BackboneSpec, class_names: Vec<String>, template: &str, epochs: u64, precision: Precision) -> Task {
    Task {
        class_names,
        template: template.to_owned(),
        width: spec.width,
        embed_dim: spec.embed_dim,
        logit_scale: spec.logit_scale,
        device: spec.device,
        kind: spec.kind,
        precision: precision.to_string(),
        epochs,
    }
}

/// Class names as prompts have them: underscores become spaces.
pub fn clean_names(names: &[String]) -> Vec<String> {
    names.iter().map(|name| class_words(name)).collect()
}
