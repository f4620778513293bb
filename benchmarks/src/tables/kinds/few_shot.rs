//! The paper's main table: rows are data sets and their average, columns are shots by methods. Domain generalization
//! has the same form, with test sets for rows and the average over the targets alone.

use super::contents::{ACCURACY, Contents, Entry, shots_heading};
use super::grid::{Grid, Place, Summary};
use super::table::{Axes, Group, Measured, Table};

/// The table of these entries, whatever their order. What is planned and has no entry is shown as missing.
pub fn few_shot(contents: &Contents, entries: &[Entry]) -> Table {
    filled(&grid(contents), entries)
}

/// The same for test sets of which the `targets` were not trained on.
pub fn domain_generalization(contents: &Contents, targets: &[String], entries: &[Entry]) -> Table {
    let mut grid = grid(contents);
    for row in grid.rows.iter_mut().filter(|row| !targets.contains(&row.key)) {
        row.label += " (source)";
    }
    "test set".clone_into(&mut grid.axes.row);
    grid.summary = Some(Summary { label: "Average of targets".to_owned(), over: targets.to_vec() });
    filled(&grid, entries)
}

fn filled(grid: &Grid, entries: &[Entry]) -> Table {
    let place = |entry: &Entry| {
        let (column, seed) = entry.place.column();
        let group = entry.place.shots().unwrap_or(0).to_string();
        Place { row: entry.dataset.clone(), group, column, seed }
    };
    grid.table(&entries.iter().map(|entry| (place(entry), entry.outcome.clone())).collect())
}

/// The table without its values. Rows have the data sets' names as keys, groups the shots, columns the labels.
fn grid(contents: &Contents) -> Grid {
    let columns: Vec<_> = contents.methods.iter().map(super::MethodColumn::column).collect();
    let trained = contents.shots.iter().map(|shots| Group {
        key: shots.to_string(),
        heading: shots_heading(*shots),
        columns: columns.clone(),
        measured: Measured::Accuracy,
        baseline: false,
    });
    Grid {
        title: contents.title.clone(),
        axes: Axes::new("data set", "shots", "method"),
        rows: contents.rows(),
        groups: contents.zero_shot_group().into_iter().chain(trained).collect(),
        summary: Some(contents.average()),
        seeds: contents.seeds.clone(),
        measured: ACCURACY.to_owned(),
        remarks: contents.remarks.clone(),
    }
}
