//! Mean ranks of methods over the rows of a table, with the critical difference of Nemenyi's test.

use super::{Figure, number_of, series};
use crate::tables::{Measured, Table};
use nemesis_core::record::statistics::{mean_ranks, nemenyi_critical_difference};
use nemesis_figures::RankDiagram;

/// The diagram of a table whose groups have the same columns: one measurement for each row and group in which every
/// method has a value. Averages and baselines don't count.
pub(in crate::tables) fn ranks(table: &Table, group_counts: impl Fn(&str) -> bool) -> Option<Figure> {
    let groups: Vec<usize> = (0..table.groups.len())
        .filter(|index| {
            let group = &table.groups[*index];
            group.measured == Measured::Accuracy && !group.baseline && group_counts(&group.key)
        })
        .collect();
    let columns = &table.groups.get(*groups.first()?)?.columns;
    if columns.len() < 2 || groups.iter().any(|group| table.groups[*group].columns != *columns) {
        return None;
    }
    let mut measurements: Vec<Vec<f64>> = Vec::new();
    for row in table.rows.iter().filter(|row| !row.summary) {
        for group in &groups {
            let values: Option<Vec<f64>> = row.values[*group].iter().map(|value| Some(value.measure()?.mean)).collect();
            measurements.extend(values);
        }
    }
    if measurements.len() < 2 {
        return None;
    }
    let ranks = mean_ranks(&measurements);
    let difference = nemenyi_critical_difference(columns.len(), measurements.len(), 0.05);
    let all = series(table);
    // The numbers are those of the other figures, so that a method looks the same in all of them.
    let named = columns.iter().zip(ranks).map(|(column, rank)| {
        let label = column.label.clone();
        (number_of(&all, &label), label, rank)
    });
    let mut named: Vec<(usize, String, f64)> = named.collect();
    named.sort_by_key(|(number, _, _)| *number);
    let chart =
        RankDiagram { title: format!("{}: mean ranks", table.title), ranks: named, critical_difference: difference };
    let caption = format!(
        "Mean ranks over {} measurements (1 is best). Methods under one bar cannot be told apart by Nemenyi's test at \
         5 %, which takes measurements for independent.",
        measurements.len()
    );
    Some(Figure { kind: "ranks", of: String::new(), caption, chart: Box::new(chart) })
}
