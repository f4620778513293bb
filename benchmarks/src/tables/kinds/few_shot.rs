//! The paper's main table: rows are data sets and their average, columns are shots by methods.

use super::Kind;
use crate::tables::contents::{Contents, Entry, MethodColumn};
use crate::tables::figures::{self, Figure};
use crate::tables::grid::{Grid, Place};
use crate::tables::table::{Axes, Group, Measured, Table};
use nemesis_core::shots;

/// Data sets × (shots × methods).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FewShot;

impl Kind for FewShot {
    fn table(&self, contents: &Contents, entries: &[Entry]) -> Table {
        filled(&grid(contents), contents, entries)
    }

    fn figures(&self, contents: &Contents, _entries: &[Entry], table: &Table) -> Vec<Figure> {
        figures::few_shot(table, &contents.published).into_iter().chain(figures::ranks(table, |_| true, |_| true)).collect()
    }
}

/// The table without its values. The keys are the data sets' names for rows, the shots for groups, the labels for
/// columns.
pub(super) fn grid(contents: &Contents) -> Grid {
    let columns: Vec<_> = contents.methods.iter().map(MethodColumn::column).collect();
    let trained = contents.shots.iter().map(|shots| Group {
        key: shots::written(*shots),
        heading: shots::in_words(*shots),
        columns: columns.clone(),
        measured: Measured::Accuracy,
        baseline: false,
    });
    Grid {
        axes: Axes::new("data set", "shots", "method"),
        rows: contents.rows(),
        groups: contents.zero_shot_group().into_iter().chain(trained).collect(),
        summary: Some(contents.average()),
        explanation: None,
    }
}

/// The table of entries whose places are in [`grid`].
pub(super) fn filled(grid: &Grid, contents: &Contents, entries: &[Entry]) -> Table {
    let place = |entry: &Entry| {
        let (column, seed) = entry.place.column();
        let group = shots::written(entry.place.shots().unwrap_or(0));
        Place { row: entry.dataset.clone(), group, column, seed }
    };
    grid.table(contents, &entries.iter().map(|entry| (place(entry), entry.outcome.clone())).collect())
}
