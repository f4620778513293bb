//! Averages over data sets with their uncertainty, and ranks of methods.

use super::{Condition, NO_TEST, TARGETS_ALONE, averaged, counts, shots_field, transfers};
use crate::results::{Evaluation, Results};
use crate::tables::{BySeed, Field, Footnotes, Sheet, SheetColumn, SheetRow};
use nemesis_core::record::Subject;
use nemesis_core::record::statistics::bootstrap::{average_interval, groups, mean_of_means};
use nemesis_core::record::statistics::{friedman, mean_ranks, nemenyi_critical_difference};
use nemesis_core::seeds::Seeds;
use std::collections::BTreeMap;

/// Trained columns as numbers, in the order of the table, with their runs by condition.
pub(super) type ByColumn = BTreeMap<usize, BTreeMap<Condition, BySeed>>;

/// The runs of trained columns that count.
pub(super) fn by_column(results: &Results) -> ByColumn {
    let mut columns = ByColumn::new();
    let transfers = transfers(results);
    let is_trained = |run: &&Evaluation| matches!(run.record.cell.subject, Subject::Training { .. });
    for run in results.runs.iter().filter(is_trained) {
        let condition = Condition::of(run, results);
        let Some(column) = results.columns.iter().position(|known| *known == run.column) else { continue };
        if counts(&condition, transfers) {
            columns.entry(column).or_default().entry(condition).or_default().insert(run.seed(), run.accuracy());
        }
    }
    columns
}

const AVERAGES: [SheetColumn; 7] = [
    SheetColumn { key: "over", heading: "Over" },
    SheetColumn { key: "shots", heading: "Shots" },
    SheetColumn { key: "method", heading: "Method" },
    SheetColumn { key: "data_sets", heading: "Data sets" },
    SheetColumn { key: "average", heading: "Average" },
    SheetColumn { key: "low_95", heading: "From" },
    SheetColumn { key: "high_95", heading: "To" },
];

const AVERAGES_MEAN: &str = "From, to: the 95 % interval of the average if the same data sets were run again with other seeds \
                             (stratified bootstrap: runs are drawn again within each data set, 10,000 times). Intervals that \
                             overlap do not show that two methods are alike; the next table compares them.";

const TOGETHER: &str =
    "A training is evaluated on all targets, so that trainings are drawn again, each with all of its targets.";

const FEW_RUNS: &str = "With so few runs per data set, a bootstrap interval is too narrow: with 3 runs it sees two thirds of the \
                        variance.";

const LACKING: &str = "each data set is averaged over the runs that it has, while the table averages the seeds that all of them \
                       have";

/// The seed of all resamples: equal records have equal intervals.
pub(super) const SEED: u64 = 0;

/// For each column and number of shots, the average over data sets and its interval. None without trained runs.
pub fn averages(results: &Results) -> Option<Sheet> {
    let columns = by_column(results);
    let mut averages: BTreeMap<(Condition, usize), Vec<(&Condition, &BySeed)>> = BTreeMap::new();
    for (column, conditions) in &columns {
        for one in conditions {
            averages.entry((one.0.average(), *column)).or_default().push(one);
        }
    }
    let fewest = averages.values().flatten().map(|(_, runs)| runs.len()).min()?;
    let mut footnotes = Footnotes::default();
    let all = averaged(results).len();
    let mut last = None;
    let rows = averages.iter().map(|((condition, column), datasets)| {
        let apart = last.replace(condition.shots).is_some_and(|last| last != condition.shots);
        let mut marks = Vec::new();
        if datasets.len() < all {
            marks.push(footnotes.mark(format!("{} of {all} data sets", datasets.len())));
        }
        let trainings: Vec<_> = datasets.iter().map(|(condition, runs)| condition.trainings(runs.keys())).collect();
        let datasets: Vec<Vec<f64>> = datasets.iter().map(|(_, runs)| runs.values().copied().collect()).collect();
        let (runs, planned) = (datasets.iter().map(Vec::len).sum::<usize>(), datasets.len() * results.seeds.len());
        if runs < planned {
            marks.push(footnotes.mark(format!("{runs} of {planned} runs; {LACKING}")));
        }
        let found = average_interval(&datasets, &groups(&trainings), SEED);
        if found.is_none() {
            marks.push(footnotes.mark("a single run does not show how much runs differ".to_owned()));
        }
        let end = |value: Option<f64>| Field::number(value, 2);
        SheetRow {
            fields: vec![
                Field::Text(condition.label(results)),
                shots_field(condition.shots),
                Field::Text(results.columns[*column].clone()),
                Field::Count(datasets.len()),
                end(mean_of_means(&datasets)),
                end(found.map(|interval| interval.low)),
                end(found.map(|interval| interval.high)),
            ],
            footnotes: marks,
            alarm: false,
            apart,
        }
    });
    let rows = rows.collect();
    let few = (fewest < 10).then(|| FEW_RUNS.to_owned());
    Some(Sheet {
        name: format!("{}-averages", results.suite),
        title: format!("{}: averages over data sets", results.suite),
        columns: AVERAGES.to_vec(),
        rows,
        remarks: (std::iter::once(AVERAGES_MEAN.to_owned()).chain(few))
            .chain(transfers(results).then_some([TOGETHER, TARGETS_ALONE]).into_iter().flatten().map(str::to_owned))
            .chain(results.incomplete())
            .collect(),
        footnotes: footnotes.into_texts(),
    })
}

const RANKS: [SheetColumn; 3] = [
    SheetColumn { key: "method", heading: "Method" },
    SheetColumn { key: "mean_rank", heading: "Mean rank" },
    SheetColumn { key: "data_sets", heading: "Data sets" },
];

/// Mean ranks of the columns over the data sets that all of them were run on, each data set as one value: the mean of the
/// runs that all of them have. None for fewer than two columns or data sets.
pub fn ranks(results: &Results) -> Option<Sheet> {
    let columns = by_column(results);
    let mut datasets: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for rank in 0..results.datasets.len() {
        // A run that one column lacks would make another one better or worse by how hard it is.
        let shared = |(condition, runs): (&'_ Condition, &'_ BySeed)| {
            let of_all = |seed: &&Option<Seeds>| {
                columns.values().all(|runs| runs.get(condition).is_some_and(|runs| runs.contains_key(*seed)))
            };
            let seeds: Vec<Option<Seeds>> = runs.keys().filter(of_all).copied().collect();
            (condition.rank == rank && !seeds.is_empty()).then(|| (condition.clone(), seeds))
        };
        let conditions: Vec<(Condition, Vec<Option<Seeds>>)> =
            columns.values().next()?.iter().filter_map(shared).collect();
        let mean = |of: &BTreeMap<Condition, BySeed>| {
            let runs = |(condition, seeds): &(Condition, Vec<Option<Seeds>>)| {
                seeds.iter().map(|seed| of[condition][seed]).collect::<Vec<f64>>()
            };
            mean_of_means(&conditions.iter().map(runs).collect::<Vec<_>>())
        };
        if let Some(means) = columns.values().map(mean).collect::<Option<Vec<f64>>>() {
            datasets.insert(rank, means);
        }
    }
    let measurements: Vec<Vec<f64>> = datasets.into_values().collect();
    if columns.len() < 2 || measurements.len() < 2 {
        return None;
    }
    let mut ranked: Vec<(f64, &String)> =
        mean_ranks(&measurements).into_iter().zip(columns.keys().map(|column| &results.columns[*column])).collect();
    ranked.sort_by(|one, two| one.0.total_cmp(&two.0));
    let row = |(rank, label): &(f64, &String)| SheetRow {
        fields: vec![Field::Text((*label).clone()), Field::Number(*rank, 2), Field::Count(measurements.len())],
        ..SheetRow::default()
    };
    let mut remarks = vec![
        "Mean rank: 1 is the best on every data set. A data set counts once, with the mean of the runs that all methods have."
            .to_owned(),
    ];
    if transfers(results) {
        remarks.extend([TARGETS_ALONE, NO_TEST].map(str::to_owned));
    } else {
        remarks.extend(tested(columns.len(), &measurements));
    }
    Some(Sheet {
        name: format!("{}-ranks", results.suite),
        title: format!("{}: mean ranks", results.suite),
        columns: RANKS.to_vec(),
        rows: ranked.iter().map(row).collect(),
        remarks,
        footnotes: Vec::new(),
    })
}

/// What the tests say of mean ranks.
fn tested(columns: usize, measurements: &[Vec<f64>]) -> Vec<String> {
    let nemenyi = nemenyi_critical_difference(columns, measurements.len(), 0.05).map(|difference| {
        format!("Two mean ranks tell methods apart if they differ by {difference:.2} or more (Nemenyi, 5 %).")
    });
    let friedman = friedman(measurements).map(|p_value| {
        let what =
            if p_value < 0.05 { "not all methods are alike" } else { "no difference among the methods can be shown" };
        format!("Friedman's test: {what} (p = {p_value:.4}).")
    });
    nemenyi.into_iter().chain(friedman).collect()
}
