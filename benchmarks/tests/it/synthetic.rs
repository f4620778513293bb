//! Folders of records made through the public store, without any training.

use nemesis_bench::plan::{Asked, Checkpoint, SavedCell, SavedColumn, SavedPlan, Split};
use nemesis_bench::tables::kinds::{FewShot, TableKind};
use nemesis_bench::zero_shot::{Prompts, ZeroShot};
use nemesis_core::dataset::{ClassSubset, Registry};
use nemesis_core::files;
use nemesis_core::note::Note;
use nemesis_core::record::{
    BackboneKey, Evaluated, EvaluationCell, MethodKey, Provenance, Store, Subject, Trained as TrainedRecord,
    TrainingCell,
};
use nemesis_core::seeds::Seeds;
use nemesis_core::train::EpochRecord;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// How many test images a synthetic evaluation has: accuracies are multiples of 0.05 %.
const IMAGES: usize = 2000;

/// A suite's records in `FOLDER/out`, of a backbone called RN50 unless it says otherwise.
pub(crate) struct Synthetic {
    pub(crate) suite: &'static str,
    pub(crate) backbone: &'static str,
    /// The published backbone that its weights are known to be.
    pub(crate) published: Option<&'static str>,
    /// Whether the mini suite's weights were run on its data.
    pub(crate) mini_data: bool,
    /// The data sets whose splits are not the published ones.
    pub(crate) own_splits: Vec<&'static str>,
    pub(crate) limit: Option<u32>,
    /// How many epochs trainings have; without any, they have no record.
    pub(crate) epochs: usize,
    /// How many samples were planned.
    pub(crate) samples: u64,
    /// The options of every method.
    pub(crate) options: Map<String, Value>,
    /// What `--set` gave, as `METHOD.OPTION`.
    pub(crate) set: BTreeMap<String, Value>,
    /// What is said under the table.
    pub(crate) notes: Vec<Note>,
    /// The seeds of initialisations, if they are crossed with samples.
    pub(crate) initialisations: Vec<u64>,
    store: Store,
    cells: Vec<SavedCell>,
    datasets: Vec<(String, String)>,
    columns: Vec<String>,
}

/// What is evaluated.
#[derive(Clone, Copy)]
pub(crate) struct Trained<'a> {
    pub(crate) method: (&'a str, &'a str),
    pub(crate) on: &'a str,
    pub(crate) classes: ClassSubset,
    pub(crate) shots: u32,
    pub(crate) seeds: Seeds,
}

impl Synthetic {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            suite: "few-shot",
            backbone: "RN50",
            published: Some("RN50"),
            mini_data: true,
            own_splits: Vec::new(),
            limit: None,
            epochs: 0,
            samples: 3,
            options: Map::from_iter([("n_ctx".to_owned(), json!(16)), ("alpha".to_owned(), json!(1.0))]),
            set: BTreeMap::new(),
            notes: Vec::new(),
            initialisations: Vec::new(),
            store: Store::open(folder.join("out")).unwrap(),
            cells: Vec::new(),
            datasets: Vec::new(),
            columns: Vec::new(),
        }
    }

    /// The same of methods that leave their norm loss out, as the published ones do.
    pub(crate) fn plain(folder: &Path) -> Self {
        let mut records = Self::new(folder);
        records.options.insert("norm_loss".to_owned(), json!("none"));
        records
    }

    /// An evaluation of the zero-shot classifier.
    pub(crate) fn zero_shot(&mut self, dataset: &str, accuracy: f64) {
        let subject = Subject::ZeroShot { template: "a photo of a {}.".to_owned() };
        self.put(subject, dataset, ClassSubset::All, accuracy, None, None);
    }

    /// An evaluation, on the data set trained on, of a training with all classes; one accuracy for each seed from 1 on.
    pub(crate) fn few_shot(&mut self, method: (&str, &str), dataset: &str, shots: u32, accuracies: &[f64]) {
        for (seed, accuracy) in (1u64..).zip(accuracies) {
            let trained = Trained { method, on: dataset, classes: ClassSubset::All, shots, seeds: seed.into() };
            self.trained(trained, dataset, ClassSubset::All, *accuracy);
        }
    }

    /// The same of every sample with every initialisation, both from seed 1 on: a row for each sample.
    pub(crate) fn crossed(&mut self, method: (&str, &str), dataset: &str, shots: u32, accuracies: &[Vec<f64>]) {
        self.initialisations = (1..).take(accuracies[0].len()).collect();
        for (sample, row) in (1..).zip(accuracies) {
            for (initialisation, accuracy) in (1..).zip(row) {
                let seeds = Seeds { sample, initialisation };
                let trained = Trained { method, on: dataset, classes: ClassSubset::All, shots, seeds };
                self.trained(trained, dataset, ClassSubset::All, *accuracy);
            }
        }
    }

    /// An evaluation of a training.
    pub(crate) fn trained(&mut self, trained: Trained<'_>, dataset: &str, classes: ClassSubset, accuracy: f64) {
        let (id, label) = trained.method;
        let training = TrainingCell {
            dataset: trained.on.to_owned(),
            manifest: "0".to_owned(),
            images: "0".to_owned(),
            classes: trained.classes,
            method: MethodKey { id: id.to_owned(), options: self.options.clone(), source: "0".to_owned() },
            backbone: BackboneKey { weights: "0".to_owned(), assumed: None },
            shots: trained.shots,
            seed: trained.seeds.sample,
            initialisation: None,
            protocol: protocol(),
            precision: "fp32".to_owned(),
            engine: "0".to_owned(),
            kept_epochs: Vec::new(),
            sample: None,
        }
        .with_seeds(trained.seeds);
        if !self.columns.iter().any(|column| column == label) {
            self.columns.push(label.to_owned());
        }
        if self.epochs > 0 {
            let epoch = |epoch: usize| {
                let value = 3.0 / (epoch as f64 + 1.5);
                let reported = BTreeMap::from([("context_norm".to_owned(), vec![value + 0.1])]);
                EpochRecord { learning_rate: value / 1000.0, loss: value, reported }
            };
            let epochs = (0..self.epochs).map(epoch).collect();
            let what = TrainedRecord { epochs, state: &Vec::new(), classes: &[], kept: BTreeMap::new() };
            self.store.put_training(&training, what, provenance()).unwrap();
        }
        let sample = (trained.shots, trained.seeds);
        let subject = Subject::Training { cell: Box::new(training) };
        self.put(subject, dataset, classes, accuracy, Some(label.to_owned()), Some(sample));
    }

    fn put(
        &mut self,
        subject: Subject,
        dataset: &str,
        classes: ClassSubset,
        accuracy: f64,
        column: Option<String>,
        sample: Option<(u32, Seeds)>,
    ) {
        let cell = EvaluationCell {
            subject,
            dataset: dataset.to_owned(),
            manifest: "0".to_owned(),
            images: "0".to_owned(),
            classes,
            limit: self.limit,
            corruption: None,
            epoch: None,
            backbone: BackboneKey { weights: "0".to_owned(), assumed: None },
            protocol: protocol(),
            precision: "fp32".to_owned(),
            engine: "0".to_owned(),
        };
        let correct = (accuracy * IMAGES as f64 / 100.0).round() as usize;
        let predicted: Vec<u32> = (0..IMAGES).map(|image| u32::from(image >= correct)).collect();
        let labels = [0; IMAGES];
        let evaluated = Evaluated { predicted: &predicted, labels: &labels, classes: 2, context_norms: Vec::new() };
        let record = self.store.put_evaluation(&cell, evaluated, provenance()).unwrap();
        if !self.datasets.iter().any(|(name, _)| name == dataset) {
            self.datasets.push((dataset.to_owned(), dataset.to_owned()));
        }
        let dataset = dataset.to_owned();
        self.cells.push(SavedCell { id: record.id, dataset, column, sample, classes, corruption: None, epoch: None });
    }

    /// Writes the plan of what was put.
    pub(crate) fn save(&self) {
        let plan = SavedPlan {
            title: "A table".to_owned(),
            table: TableKind::FewShot(FewShot),
            notes: self.notes.clone(),
            protocol: "paper".to_owned(),
            backbone: self.backbone.to_owned(),
            columns: (self.columns.iter())
                .map(|label| SavedColumn { label: label.clone(), swept: None, method: None })
                .collect(),
            datasets: self.datasets.clone(),
            shots: vec![1, 16],
            seeds: (1..=self.samples).collect(),
            initialisations: self.initialisations.clone(),
            zero_shot: ZeroShot(vec![Prompts::Single]),
            cells: self.cells.clone(),
            gathered: false,
            asked: Some(self.asked()),
        };
        let file = self.store.folder().join(format!("plans/{}.json", self.suite));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, serde_json::to_string(&plan).unwrap()).unwrap();
    }
}

impl Synthetic {
    /// The published splits, unless they are the mini suite's.
    fn asked(&self) -> Asked {
        let mini = self.backbone == "mini";
        let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("mini/mini-clip.safetensors");
        let registry = Registry::built_in().unwrap();
        let split = |(name, _): &(String, String)| {
            let published =
                registry.get(name).unwrap().published.clone().filter(|_| !self.own_splits.contains(&name.as_str()));
            let (manifest, fingerprint) = ("0".to_owned(), published.unwrap_or_else(|| "0".to_owned()));
            (name.clone(), Split { manifest, fingerprint })
        };
        Asked {
            suite: self.suite.to_owned(),
            protocol: protocol(),
            precision: "fp32".to_owned(),
            limit: self.limit,
            few_shot_lists: None,
            set: self.set.clone(),
            engine: "0".to_owned(),
            checkpoint: Checkpoint {
                hash: if mini { files::hash(&weights).unwrap() } else { "0".to_owned() },
                file: None,
                published: self.published.filter(|_| !mini).map(str::to_owned),
                assumed: None,
            },
            data: None,
            mini_data: mini && self.mini_data,
            splits: self.datasets.iter().map(split).collect(),
            descriptions: BTreeMap::new(),
        }
    }
}

fn protocol() -> Map<String, Value> {
    Map::from_iter([("name".to_owned(), json!("paper"))])
}

fn provenance() -> Provenance {
    Provenance {
        nemesis: "0.1.0".to_owned(),
        libtorch: "2.11.0".to_owned(),
        processor: "A".to_owned(),
        device: "cpu".to_owned(),
        threads: 1,
        files: BTreeMap::new(),
        backbone: None,
        seconds: 1.0,
        adopted: None,
    }
}
