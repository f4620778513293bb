//! The paper's main table: rows are data sets and their average, columns are shots by methods.

use super::grid::{self, Grid};
use super::measure::Outcome;
use super::table::{Axes, Column, Group, Heading, Table};

/// The axes of a few-shot table, and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FewShot {
    /// The title.
    pub title: String,
    /// The rows: names and titles of the data sets.
    pub datasets: Vec<(String, String)>,
    /// The labels of the methods, in the order of their columns.
    pub methods: Vec<String>,
    /// The groups of columns.
    pub shots: Vec<u32>,
    /// The seeds whose runs are averaged.
    pub seeds: Vec<u64>,
    /// The label of the zero-shot column, if there is one.
    pub zero_shot: Option<String>,
    /// Sentences for under the table, for instance the protocol's deviations.
    pub remarks: Vec<String>,
}

/// One evaluation and its place in the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The data set's name.
    pub dataset: String,
    /// Where its column is.
    pub place: Place,
    /// What came out.
    pub outcome: Outcome,
}

/// The column that an evaluation belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The zero-shot column.
    ZeroShot,
    /// A method's column in a group.
    Trained {
        /// The method's label.
        method: String,
        /// The training's shots.
        shots: u32,
        /// The training's seed.
        seed: u64,
    },
}

/// The keys of the zero-shot column's group and of the column.
const ZERO_SHOT: (&str, &str) = ("0", "zero-shot");

impl FewShot {
    /// The table of these entries, whatever their order. What is planned and has no entry is shown as missing.
    pub fn table(&self, entries: &[Entry]) -> Table {
        let outcomes = entries.iter().map(|entry| (entry.place.of(&entry.dataset), entry.outcome.clone())).collect();
        self.grid().table(&outcomes)
    }

    /// The table without its values. Rows have the data sets' names as keys, groups the shots, columns the labels.
    pub fn grid(&self) -> Grid {
        Grid {
            title: self.title.clone(),
            axes: Axes::new("data set", "shots", "method"),
            rows: self.datasets.iter().map(|(name, title)| Heading::new(name, title)).collect(),
            groups: self.groups(),
            summary: Some("Average".to_owned()),
            seeds: self.seeds.clone(),
            remarks: self.remarks.clone(),
        }
    }

    fn groups(&self) -> Vec<Group> {
        let (key, column) = ZERO_SHOT;
        let baseline = self.zero_shot.iter().map(|label| Group {
            key: key.to_owned(),
            heading: String::new(),
            columns: vec![Column { key: column.to_owned(), label: label.clone(), seeded: false }],
            baseline: true,
        });
        let columns =
            self.methods.iter().map(|label| Column { key: label.clone(), label: label.clone(), seeded: true });
        let columns: Vec<Column> = columns.collect();
        let trained = self.shots.iter().map(|shots| Group {
            key: shots.to_string(),
            heading: if *shots == 1 { "1 shot".to_owned() } else { format!("{shots} shots") },
            columns: columns.clone(),
            baseline: false,
        });
        baseline.chain(trained).collect()
    }
}

impl Place {
    /// The place in the grid, in the row of a data set.
    pub fn of(&self, dataset: &str) -> grid::Place {
        let (group, column, seed) = match self {
            Self::ZeroShot => (ZERO_SHOT.0.to_owned(), ZERO_SHOT.1.to_owned(), None),
            Self::Trained { method, shots, seed } => (shots.to_string(), method.clone(), Some(*seed)),
        };
        grid::Place { row: dataset.to_owned(), group, column, seed }
    }
}
