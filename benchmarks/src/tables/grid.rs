//! From runs to a table: every cell is the mean of its runs, and the last row is the average of the others.

use super::contents::{ACCURACY, Contents};
use super::measure::{BySeed, Footnotes, Outcome, average_by_seed, mark_best, measure_of, value_of};
use super::table::{Axes, Column, Group, Heading, Measured, Row, SeedRun, Table, Value};
use nemesis_core::dataset::AVERAGE;
use nemesis_core::record::{EvaluationRecord, differences};
use nemesis_core::seeds::Seeds;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The key of the row that sums up the others.
pub const SUMMARY: &str = AVERAGE;

/// Where a run belongs in a table, by the keys of row, group and column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The key of the row.
    pub row: String,
    /// The key of the group of columns.
    pub group: String,
    /// The key of the column.
    pub column: String,
    /// The seed; none in a column that is not averaged over seeds.
    pub seed: Option<Seeds>,
}

/// The outcomes of a table's runs. Those without an entry are missing.
pub type Outcomes = HashMap<Place, Outcome>;

/// The row of averages below the others. It shows the outcomes whose row is [`SUMMARY`], and otherwise the mean over
/// the rows, seed by seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The row's label.
    pub label: String,
    /// The keys of the rows that are averaged.
    pub over: Vec<String>,
}

/// A table without its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// What rows, groups and columns are.
    pub axes: Axes,
    /// The rows.
    pub rows: Vec<Heading>,
    /// The groups of columns.
    pub groups: Vec<Group>,
    /// The row of averages, if there is one.
    pub summary: Option<Summary>,
    /// What a reader has to know about this kind of table.
    pub explanation: Option<String>,
}

/// A table that is being filled.
struct Filling<'a> {
    grid: &'a Grid,
    contents: &'a Contents,
    outcomes: &'a Outcomes,
    footnotes: Footnotes,
}

impl Grid {
    /// The table of these outcomes.
    pub fn table(&self, contents: &Contents, outcomes: &Outcomes) -> Table {
        let mut filling = Filling { grid: self, contents, outcomes, footnotes: Footnotes::default() };
        let mut rows: Vec<Row> = Vec::with_capacity(self.rows.len() + 1);
        for heading in &self.rows {
            let values = filling.values(|filling, group, column| {
                value_of(&filling.runs(&heading.key, group, column), &mut filling.footnotes)
            });
            rows.push(Row { heading: heading.clone(), summary: false, values });
        }
        if let Some(summary) = self.summary.as_ref().filter(|summary| summary.over.len() > 1) {
            let values = filling.values(|filling, group, column| filling.average(summary, group, column));
            rows.push(Row { heading: Heading::new(SUMMARY, &summary.label), summary: true, values });
        }
        for row in &mut rows {
            for (group, values) in self.groups.iter().zip(&mut row.values) {
                finish(group.measured, values);
            }
        }
        Table {
            title: contents.title.clone(),
            axes: self.axes.clone(),
            groups: self.groups.clone(),
            rows,
            remarks: remarks(ACCURACY, &contents.seeds, &self.explanation, contents, outcomes.values()),
            footnotes: filling.footnotes.into_texts(),
        }
    }
}

impl<'a> Filling<'a> {
    /// A value for each column of each group.
    fn values(&mut self, mut value: impl FnMut(&mut Self, &Group, &Column) -> Value) -> Vec<Vec<Value>> {
        let groups = &self.grid.groups;
        let mut values = |group: &Group| group.columns.iter().map(|column| value(self, group, column)).collect();
        groups.iter().map(&mut values).collect()
    }

    /// The runs of a place: one without a seed, or one for each seed.
    fn runs(&self, row: &str, group: &Group, column: &Column) -> Vec<(Option<Seeds>, &'a Outcome)> {
        let outcome = |seed| {
            let (row, group, column) = (row.to_owned(), group.key.clone(), column.key.clone());
            self.outcomes.get(&Place { row, group, column, seed }).unwrap_or(&Outcome::Missing)
        };
        self.contents.seeds_of(column).into_iter().map(|seed| (seed, outcome(seed))).collect()
    }

    /// The mean over the rows for each seed, and over seeds the mean and spread of that. A seed that lacks a row is
    /// left out: its average would not compare with the others.
    fn average(&mut self, summary: &Summary, group: &Group, column: &Column) -> Value {
        let given = self.runs(SUMMARY, group, column);
        if given.iter().any(|(_, outcome)| **outcome != Outcome::Missing) {
            return value_of(&given, &mut self.footnotes);
        }
        let accuracies = |row: &String| -> BySeed {
            let runs = self.runs(row, group, column).into_iter();
            runs.filter_map(|(seed, outcome)| Some((seed, outcome.accuracy()?))).collect()
        };
        let averages = average_by_seed(&summary.over.iter().map(accuracies).collect::<Vec<_>>());
        let seeds = self.contents.seeds_of(column);
        let average = |seed: &Option<Seeds>| Some(SeedRun { seed: *seed, accuracy: *averages.get(seed)? });
        let runs: Vec<SeedRun> = seeds.iter().filter_map(average).collect();
        let (count, planned) = (runs.len(), seeds.len());
        let Some(mut measure) = measure_of(runs, planned) else { return Value::Missing { footnotes: Vec::new() } };
        if count < planned {
            measure.footnotes.push(self.footnotes.mark(format!("{count} of {planned} seeds")));
        }
        Value::Done(measure)
    }
}

/// What the records say about the whole table, then what its kind and the plan say. The means of what is `measured` are
/// over the `seeds`.
pub(super) fn remarks<'a>(
    measured: &str,
    seeds: &[Seeds],
    explanations: impl IntoIterator<Item = &'a String>,
    contents: &'a Contents,
    outcomes: impl Iterator<Item = &'a Outcome>,
) -> Vec<String> {
    let records: Vec<&EvaluationRecord> = outcomes.filter_map(Outcome::record).collect();
    let mut remarks = vec![setting(measured, seeds, &records)];
    remarks.extend(explanations.into_iter().chain(&contents.remarks).cloned());
    remarks.extend(adopted(&records));
    let mixed = differences(records.iter().map(|record| &record.provenance));
    if !mixed.is_empty() {
        remarks.push(format!("Mixed provenance: not all results were computed alike ({}).", mixed.join("; ")));
    }
    remarks
}

/// One sentence with the protocol, precision, limit and seeds.
fn setting(measured: &str, seeds: &[Seeds], records: &[&EvaluationRecord]) -> String {
    let protocols = distinct(records, |record| match record.cell.protocol.get("name") {
        Some(Json::String(name)) => format!("`{name}`"),
        _ => "without a name".to_owned(),
    });
    let precisions = distinct(records, |record| record.cell.precision.clone());
    let limits = distinct(records, |record| match record.cell.limit {
        Some(limit) => format!("the first {limit} test images of each class"),
        None => "all test images".to_owned(),
    });
    let sentence = if records.is_empty() {
        measured.to_owned()
    } else {
        format!("{measured} on {limits}; protocol {protocols}, {precisions}")
    };
    match seeds {
        [] => sentence + ".",
        [seeds] => format!("{sentence}; {}.", seeds.in_words()),
        seeds if seeds.iter().any(|seeds| !seeds.are_equal()) => format!(
            "{sentence}; mean over every few-shot sample with every initialisation, seeds {}; ±: how far a training with \
             another sample and another initialisation would be off, from the components of variance.",
            in_pairs(seeds)
        ),
        seeds => {
            let seeds: Vec<String> = seeds.iter().map(Seeds::to_string).collect();
            format!("{sentence}; mean ± sample deviation over seeds {}.", seeds.join(", "))
        }
    }
}

/// Pairs of seeds as what was crossed: `1, 2 × 1, 2, 3`.
fn in_pairs(seeds: &[Seeds]) -> String {
    let list = |of: fn(&Seeds) -> u64| {
        let distinct: BTreeSet<u64> = seeds.iter().map(of).collect();
        distinct.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
    };
    format!("{} × {}", list(|seeds| seeds.sample), list(|seeds| seeds.initialisation))
}

/// What is said about results that another build computed, a sentence for each proof.
fn adopted(records: &[&EvaluationRecord]) -> Vec<String> {
    let mut proofs: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for adopted in records.iter().filter_map(|record| record.provenance.adopted.as_ref()) {
        proofs.entry(&adopted.proof).or_insert((0, &adopted.statement)).0 += 1;
    }
    let sentence = |(count, statement): (usize, &str)| {
        format!("{count} of {} results are records of another build that were adopted: {statement}", records.len())
    };
    proofs.into_values().map(sentence).collect()
}

/// Marks the best accuracies, and gives norms the decimals that they need.
fn finish(measured: Measured, values: &mut [Value]) {
    match measured {
        Measured::Accuracy => mark_best(values),
        Measured::Count => {}
        Measured::Norm => {
            for value in values {
                if let Value::Done(measure) = value {
                    measure.decimals = 3;
                }
            }
        }
    }
}

/// What the records say, each word once, sorted. More than one is worth a remark.
fn distinct(records: &[&EvaluationRecord], of: impl Fn(&EvaluationRecord) -> String) -> String {
    let words: BTreeSet<String> = records.iter().map(|record| of(record)).collect();
    words.into_iter().collect::<Vec<_>>().join(" and ")
}
