//! The results of a folder's saved plans: each complete evaluation with its place in its suite.

use crate::plan::{Asked, SavedPlan};
use crate::published::Protocol;
use crate::tables::{Outcome, ZERO_SHOT};
use nemesis_core::dataset::ClassSubset;
use nemesis_core::error::suggest;
use nemesis_core::record::{EvaluationRecord, Store, Subject, TrainingCell};
use nemesis_core::seeds::Seeds;
use nemesis_core::shots::written;
use nemesis_core::{Error, Result, threads};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The data sets that published averages are over.
pub const ELEVEN: [&str; 11] = [
    "imagenet",
    "caltech101",
    "oxford_pets",
    "stanford_cars",
    "oxford_flowers",
    "food101",
    "fgvc_aircraft",
    "sun397",
    "dtd",
    "eurosat",
    "ucf101",
];

/// What a store has of the cells of a plan, in their order.
///
/// # Errors
///
/// When a record is damaged; the message names the file.
pub fn outcomes(plan: &SavedPlan, store: &Store) -> Result<Vec<Outcome>> {
    threads::ready()?;
    // Several are read at a time. The first that cannot be read is the one that is reported.
    let all: Vec<Result<Outcome>> = plan.cells.par_iter().map(|cell| Outcome::read(&cell.id, store)).collect();
    all.into_iter().collect()
}

/// The complete evaluations of one suite.
#[derive(Clone, Debug)]
pub struct Results {
    /// The suite's name.
    pub suite: String,
    /// The backbone's name, as the user calls it.
    pub backbone: String,
    /// What it was run with and on; plans of earlier versions do not say so.
    pub asked: Option<Asked>,
    /// Labels of the methods' columns, in order, the zero-shot one first if there is one.
    pub columns: Vec<String>,
    /// Data sets in the table's order, by name and title.
    pub datasets: Vec<(String, String)>,
    /// The seeds that were planned.
    pub seeds: Vec<Seeds>,
    /// What is said of columns that are not trained by the protocol of the table, by their labels.
    pub departures: BTreeMap<String, String>,
    /// The labels of the columns whose protocol the suite changes.
    pub changed_by_suite: BTreeSet<String>,
    /// The evaluations, in the order of the plan.
    pub runs: Vec<Evaluation>,
    /// How many evaluations were planned.
    pub planned: usize,
}

/// A complete evaluation.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The label of its column.
    pub column: String,
    /// What was computed, and what came out.
    pub record: EvaluationRecord,
}

impl Results {
    /// Reads the records of a saved plan.
    ///
    /// # Errors
    ///
    /// When a record is damaged; the message names the file.
    pub fn read(suite: &str, plan: &SavedPlan, store: &Store) -> Result<Self> {
        let outcomes = outcomes(plan, store)?;
        Ok(Self::of(suite, plan, outcomes))
    }

    /// The results of a saved plan, given what came out of its cells, in their order.
    pub fn of(suite: &str, plan: &SavedPlan, outcomes: Vec<Outcome>) -> Self {
        let mut runs = Vec::new();
        for (cell, outcome) in plan.cells.iter().zip(outcomes) {
            if let Outcome::Done(record) = outcome {
                runs.push(Evaluation { column: cell.label().to_owned(), record: *record });
            }
        }
        let is_shown = |label: &&str| runs.iter().any(|run| run.column == *label);
        let zero_shot: Vec<String> = plan.zero_shot_labels().filter(is_shown).map(str::to_owned).collect();
        Self {
            suite: suite.to_owned(),
            backbone: plan.backbone.clone(),
            asked: plan.asked.clone(),
            columns: zero_shot.into_iter().chain(plan.columns.iter().map(|column| column.label.clone())).collect(),
            datasets: plan.datasets.clone(),
            seeds: plan.crossed_seeds(),
            departures: plan.departures(),
            changed_by_suite: plan.changed_by_suite(),
            planned: plan.cells.len(),
            runs,
        }
    }

    /// The column that a user names by its label, or by the id of its method.
    ///
    /// # Errors
    ///
    /// When there is none, or the id stands for several.
    pub fn column(&self, name: &str) -> Result<&str> {
        if let Some(column) = self.columns.iter().find(|column| column.eq_ignore_ascii_case(name)) {
            return Ok(column);
        }
        let of_method: BTreeSet<&str> =
            self.runs.iter().filter(|run| run.method() == name).map(|run| run.column.as_str()).collect();
        let known = || self.columns.iter().map(String::as_str);
        match of_method.iter().collect::<Vec<_>>().as_slice() {
            [column] => Ok(column),
            [] => Err(Error::new(format!("no column of the suite `{}` is named `{name}`", self.suite))
                .expected(format!("one of {}", known().collect::<Vec<_>>().join(", ")))
                .help(suggest(name, known()))),
            _ => Err(Error::new(format!("several columns of the suite `{}` are of `{name}`", self.suite))
                .expected(format!("one of {}", of_method.into_iter().collect::<Vec<_>>().join(", ")))),
        }
    }

    /// The label of a column by its place; that of the zero-shot one if there is none there.
    pub(crate) fn label(&self, column: usize) -> &str {
        self.columns.get(column).map_or(ZERO_SHOT, String::as_str)
    }

    /// The published backbone of the weights, if their hash is known: `RN50`, `ViT-B/16`.
    pub fn published_backbone(&self) -> Option<&str> {
        self.asked.as_ref()?.checkpoint.published.as_deref()
    }

    /// Whether the suite or the user changes how the method of a run is trained. What its publication says of that does not
    /// count.
    pub fn changes_protocol(&self, run: &Evaluation) -> bool {
        let is_of_method =
            |option: &String| option.strip_prefix(run.method()).is_some_and(|option| option.starts_with(".protocol."));
        let mut set = self.asked.iter().flat_map(|asked| asked.set.keys());
        set.any(is_of_method) || self.changed_by_suite.contains(&run.column)
    }

    /// Whether few-shot samples and initialisations were crossed, so that runs share one or the other.
    pub fn is_crossed(&self) -> bool {
        self.seeds.iter().any(|seeds| !seeds.are_equal())
    }

    /// The title of a data set.
    pub fn title<'a>(&'a self, dataset: &'a str) -> &'a str {
        self.datasets.iter().find(|(name, _)| name == dataset).map_or(dataset, |(_, title)| title)
    }

    /// Says how much is missing, if anything is.
    pub fn incomplete(&self) -> Option<String> {
        let (done, planned) = (self.runs.len(), self.planned);
        (done < planned).then(|| format!("The run is not complete: {done} of {planned} evaluations have a record."))
    }

    /// The data set's place among the rows of the table.
    pub fn rank(&self, dataset: &str) -> usize {
        self.datasets.iter().position(|(name, _)| name == dataset).unwrap_or(usize::MAX)
    }
}

impl Evaluation {
    /// The seeds of the training; none if nothing is drawn.
    pub fn seed(&self) -> Option<Seeds> {
        self.record.cell.subject.training().map(TrainingCell::seeds)
    }

    /// Top-1 accuracy in percent.
    pub fn accuracy(&self) -> f64 {
        self.record.outcome.accuracy
    }

    /// The method's id; `zero-shot`, or for several templates their list's name.
    pub fn method(&self) -> &str {
        match &self.record.cell.subject {
            Subject::Ensemble { name, .. } | Subject::Described { name, .. } => name,
            subject => subject.method().map_or("zero-shot", |method| &method.id),
        }
    }

    /// Data set and group of columns in tables of this protocol, if the evaluation belongs in one.
    pub fn place(&self, protocol: Protocol) -> Option<(&str, String)> {
        let cell = &self.record.cell;
        let training = match &cell.subject {
            Subject::ZeroShot { .. } | Subject::Ensemble { .. } | Subject::Described { .. } => None,
            Subject::Training { cell } => Some(cell),
            Subject::Imported { .. } => return None,
        };
        if cell.corruption.is_some() || cell.epoch.is_some() {
            return None;
        }
        let at_home = training.is_none_or(|training| training.dataset == cell.dataset);
        let on = |classes| training.is_none_or(|training| training.classes == classes);
        let shots = || training.map_or_else(|| "0".to_owned(), |training| written(training.shots));
        let group = match (protocol, cell.classes) {
            (Protocol::FewShot, ClassSubset::All) if at_home && on(ClassSubset::All) => shots(),
            (Protocol::DomainGeneralization, ClassSubset::All)
                if on(ClassSubset::All) && training.is_none_or(|training| training.dataset == "imagenet") =>
            {
                shots()
            }
            // Published tables of this protocol are of 16 shots.
            (Protocol::BaseToNew, ClassSubset::Base | ClassSubset::New)
                if at_home && on(ClassSubset::Base) && training.is_none_or(|training| training.shots == 16) =>
            {
                cell.classes.to_string()
            }
            _ => return None,
        };
        Some((&cell.dataset, group))
    }
}
