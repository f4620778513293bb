//! What every kind of table is made of: its axes, and evaluations with their places on them.

use super::grid;
use super::measure::Outcome;
use super::table::{Column, Group, Heading, Measured};
use nemesis_core::dataset::ClassSubset;
use nemesis_core::record::Corruption;
use nemesis_core::seeds::Seeds;
use nemesis_core::shots;

/// The axes of a table, and what has to be said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The title.
    pub title: String,
    /// Names and titles of the data sets.
    pub datasets: Vec<(String, String)>,
    /// The methods, in the order of their columns.
    pub methods: Vec<MethodColumn>,
    /// Training images per class.
    pub shots: Vec<u32>,
    /// The seeds whose runs are averaged.
    pub seeds: Vec<Seeds>,
    /// The labels of the zero-shot columns.
    pub zero_shot: Vec<String>,
    /// Sentences for under the table, for instance the protocol's deviations.
    pub remarks: Vec<String>,
    /// What others have published of the methods, for figures.
    pub published: Vec<PublishedLine>,
}

/// Published values of a method on a data set, by the number of shots.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedLine {
    /// The label of the method's column.
    pub column: String,
    /// The data set's name, or `average`.
    pub row: String,
    /// The name of the published numbers.
    pub source: String,
    /// Shots, and the accuracy in percent.
    pub points: Vec<(f64, f64)>,
}

/// A method, or a method with one setting of its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodColumn {
    /// The label, which is unique among the columns.
    pub label: String,
    /// What is swept and its value, if the column is one of a sweep.
    pub swept: Option<(String, String)>,
}

/// One evaluation and its place in the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The name of the data set that was tested on.
    pub dataset: String,
    /// The classes that were chosen between.
    pub classes: ClassSubset,
    /// What was evaluated.
    pub place: Place,
    /// The corruption, if a context vector was corrupted.
    pub corruption: Option<Corruption>,
    /// The epoch, if it is not the last.
    pub epoch: Option<u64>,
    /// The outcome.
    pub outcome: Outcome,
}

/// What an evaluation evaluates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A zero-shot baseline.
    ZeroShot {
        /// The label of its column.
        label: String,
    },
    /// A method's training.
    Trained {
        /// The label of the method's column.
        method: String,
        /// The training's shots.
        shots: u32,
        /// The training's seeds.
        seeds: Seeds,
    },
}

/// The label of the zero-shot column for the data set's template, and of what is not trained where no column tells.
pub const ZERO_SHOT: &str = "Zero-shot";

/// The key of that column. Others have their label as the key.
pub(super) const ZERO_SHOT_KEY: &str = "zero-shot";

/// The key of a zero-shot column.
fn key_of_zero_shot(label: &str) -> String {
    if label == ZERO_SHOT { ZERO_SHOT_KEY } else { label }.to_owned()
}

impl MethodColumn {
    /// A method that is not swept.
    pub fn plain(label: &str) -> Self {
        Self { label: label.to_owned(), swept: None }
    }

    /// Its column, with the label as the key.
    pub(super) fn column(&self) -> Column {
        let label = || self.label.clone();
        Column { key: label(), label: label(), seeded: true, method: label() }
    }
}

impl Contents {
    /// A heading for each data set.
    pub(super) fn rows(&self) -> Vec<Heading> {
        self.datasets.iter().map(|(name, title)| Heading::new(name, title)).collect()
    }

    /// The mean over all data sets, as the last row.
    pub(super) fn average(&self) -> grid::Summary {
        let over = self.datasets.iter().map(|(name, _)| name.clone()).collect();
        grid::Summary { label: "Average".to_owned(), over }
    }

    /// The seeds of a column: none, once, or each of them.
    pub(super) fn seeds_of(&self, column: &Column) -> Vec<Option<Seeds>> {
        if column.seeded { self.seeds.iter().copied().map(Some).collect() } else { vec![None] }
    }

    /// The columns of the zero-shot baselines.
    pub(super) fn zero_shot_columns(&self) -> impl Iterator<Item = Column> {
        self.zero_shot.iter().map(|label| Column {
            key: key_of_zero_shot(label),
            label: label.clone(),
            seeded: false,
            method: label.clone(),
        })
    }

    /// A group of only these columns, if there are any, whose key is `0`: zero shots.
    pub(super) fn zero_shot_group(&self) -> Option<Group> {
        let columns: Vec<_> = self.zero_shot_columns().collect();
        let measured = Measured::Accuracy;
        let group = Group { key: "0".to_owned(), heading: String::new(), columns, measured, baseline: true };
        (!group.columns.is_empty()).then_some(group)
    }

    /// The number of shots as `, with 16 shots`, if no heading says it because there is one alone.
    pub(super) fn only_shots(&self) -> String {
        match self.shots.as_slice() {
            [shots] => format!(", with {}", shots::in_words(*shots)),
            _ => String::new(),
        }
    }

    /// Key and heading of a group for these shots and for something else; only the latter if the table has one number
    /// of shots.
    pub(super) fn group_of(&self, shots: u32, key: &str, heading: &str) -> (String, String) {
        match self.shots.as_slice() {
            [_] => (key.to_owned(), heading.to_owned()),
            _ => (format!("{} {key}", shots::written(shots)), format!("{}, {heading}", shots::in_words(shots))),
        }
    }
}

impl Place {
    /// The key of the column, and the seeds.
    pub(super) fn column(&self) -> (String, Option<Seeds>) {
        match self {
            Self::ZeroShot { label } => (key_of_zero_shot(label), None),
            Self::Trained { method, seeds, .. } => (method.clone(), Some(*seeds)),
        }
    }

    /// The training's shots.
    pub(super) fn shots(&self) -> Option<u32> {
        match self {
            Self::ZeroShot { .. } => None,
            Self::Trained { shots, .. } => Some(*shots),
        }
    }
}

/// What accuracies are called under a table.
pub(super) const ACCURACY: &str = "Top-1 accuracy in percent";
