//! Mean ranks of methods over the rows of a table, with the critical difference of Nemenyi's test.

use super::{Figure, number_of, series};
use crate::tables::table::Measure;
use crate::tables::{Measured, Row, Table, is_crossed};
use nemesis_core::record::statistics::{Summary, mean_ranks, nemenyi_critical_difference};
use nemesis_core::seeds::Seeds;
use nemesis_figures::RankDiagram;

/// The level of the test.
const LEVEL: f64 = 0.05;

/// The diagram of a table whose groups have the same columns. A row counts once, with its mean over the groups and seeds
/// for which every method has a value: numbers of shots of one data set are not independent, as the test needs it. Averages and
/// baselines don't count, nor do runs that share samples or initialisations.
pub(in crate::tables) fn ranks(
    table: &Table,
    row_counts: impl Fn(&str) -> bool,
    group_counts: impl Fn(&str) -> bool,
) -> Option<Figure> {
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
    let values = |row: &Row, group: &usize| row.values[*group].iter().map(|value| value.measure().cloned()).collect();
    let rows = table.rows.iter().filter(|row| !row.summary && row_counts(&row.heading.key));
    let rows: Vec<Vec<Vec<Measure>>> =
        rows.map(|row| groups.iter().filter_map(|group| values(row, group)).collect()).collect();
    let means = |groups: &Vec<Vec<Measure>>| {
        let shared: Vec<Vec<f64>> = groups.iter().filter_map(|measures| means_of_shared(measures)).collect();
        (0..columns.len()).map(|column| mean(shared.iter().map(|means| means[column]))).collect()
    };
    let measurements: Vec<Vec<f64>> = rows.iter().filter_map(means).collect();
    let mut seeds = rows.iter().flatten().flatten().flat_map(|measure| &measure.runs).map(|run| &run.seed);
    if measurements.len() < 2 || seeds.any(|seeds| is_crossed([seeds])) {
        return None;
    }
    let ranks = mean_ranks(&measurements);
    let difference = nemenyi_critical_difference(columns.len(), measurements.len(), LEVEL);
    let all = series(table);
    // The numbers are those of the other figures, so that a method looks the same in all of them.
    let named = columns.iter().zip(ranks).map(|(column, rank)| {
        let label = column.label.clone();
        (number_of(&all, &label), label, rank)
    });
    let mut named: Vec<(usize, String, f64)> = named.collect();
    named.sort_by_key(|(number, _, _)| *number);
    let over = format!("{} {}s", measurements.len(), table.axes.row);
    let chart = RankDiagram {
        title: format!("{}: mean ranks", table.title),
        ranks: named,
        critical_difference: difference.map(|difference| (difference, format!("α = {LEVEL}, {over}"))),
    };
    let caption = format!(
        "Mean ranks over {over} (1 is best). A {} counts once. Methods under one bar cannot be told apart by Nemenyi's test \
         at 5 %.",
        table.axes.row
    );
    Some(Figure { narrow: true, summary: true, ..Figure::new("ranks", caption, Box::new(chart)) })
}

/// The mean of each of these over the seeds that all have, if there are any. What is not trained has no seeds, and one value.
fn means_of_shared(measures: &[Measure]) -> Option<Vec<f64>> {
    let has = |measure: &Measure, seed: &Option<Seeds>| {
        measure.runs.iter().any(|run| run.seed == *seed || run.seed.is_none() || seed.is_none())
    };
    let of_shared = |measure: &Measure| {
        let runs = measure.runs.iter().filter(|run| measures.iter().all(|other| has(other, &run.seed)));
        mean(runs.map(|run| run.accuracy))
    };
    measures.iter().map(of_shared).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    Summary::of(&values.collect::<Vec<_>>()).map(|summary| summary.mean)
}
