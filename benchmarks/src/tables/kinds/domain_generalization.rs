//! What is learned on one data set, tested on it and on others: like few-shot classification, but with test sets for
//! rows and an average over the targets only.

use super::{Kind, List, few_shot};
use crate::tables::figures::{self, Figure};
use crate::tables::contents::{Contents, Entry};
use crate::tables::grid::Summary;
use crate::tables::table::Table;
use serde::{Deserialize, Serialize};

/// Trained on one data set, tested on it and on others with their own classes; test sets × (shots × methods).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainGeneralization {
    /// The other test sets, by their names in `datasets.yaml`.
    targets: Vec<String>,
}

impl Kind for DomainGeneralization {
    fn targets(&self) -> &[String] {
        &self.targets
    }

    fn lists(&mut self) -> Vec<(&'static str, List<'_>)> {
        vec![("targets", List::Names(&mut self.targets))]
    }

    fn table(&self, contents: &Contents, entries: &[Entry]) -> Table {
        let mut grid = few_shot::grid(contents);
        for row in grid.rows.iter_mut().filter(|row| !self.targets.contains(&row.key)) {
            row.label += " (source)";
        }
        "test set".clone_into(&mut grid.axes.row);
        grid.summary = Some(Summary { label: "Average of targets".to_owned(), over: self.targets.clone() });
        few_shot::filled(&grid, contents, entries)
    }

    /// As in the average, the source does not count.
    fn figures(&self, _contents: &Contents, _entries: &[Entry], table: &Table) -> Vec<Figure> {
        let is_target = |row: &str| self.targets.iter().any(|target| target == row);
        figures::ranks(table, is_target, |_| true).into_iter().collect()
    }
}
