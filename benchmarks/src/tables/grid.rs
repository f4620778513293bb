//! From runs to a table: every cell is the mean of its runs, and below the rows stands their average.

use super::measure::{Footnotes, Outcome, mark_best, measure_of, value_of};
use super::table::{Axes, Column, Group, Heading, Measured, Row, Run, Table, Value};
use nemesis_core::record::{EvaluationRecord, differences};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The key of the row that sums up the others.
pub const SUMMARY: &str = "average";

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
    pub seed: Option<u64>,
}

/// What came out of the runs of a table. What has no entry is missing.
pub type Outcomes = HashMap<Place, Outcome>;

/// The row of averages below the others. Outcomes whose row is [`SUMMARY`] stand in it; for others the rows' mean is
/// taken, seed by seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What stands before the row.
    pub label: String,
    /// The keys of the rows that are averaged.
    pub over: Vec<String>,
}

/// A table without its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// The title.
    pub title: String,
    /// What rows, groups and columns stand for.
    pub axes: Axes,
    /// The rows.
    pub rows: Vec<Heading>,
    /// The groups of columns.
    pub groups: Vec<Group>,
    /// The row of averages, if there is one.
    pub summary: Option<Summary>,
    /// The seeds that are averaged over.
    pub seeds: Vec<u64>,
    /// What the values are: `Top-1 accuracy in percent`.
    pub measured: String,
    /// Sentences for under the table.
    pub remarks: Vec<String>,
}

impl Grid {
    /// The table of these outcomes.
    pub fn table(&self, outcomes: &Outcomes) -> Table {
        let mut footnotes = Footnotes::default();
        let mut rows: Vec<Row> = (self.rows.iter())
            .map(|heading| {
                let value = |group: &Group, column: &Column| {
                    value_of(&self.runs(&heading.key, group, column, outcomes), &mut footnotes)
                };
                Row { heading: heading.clone(), summary: false, values: self.values(value) }
            })
            .collect();
        if let Some(summary) = self.summary.as_ref().filter(|summary| summary.over.len() > 1) {
            let value = |group: &Group, column: &Column| self.average(summary, group, column, outcomes, &mut footnotes);
            rows.push(Row {
                heading: Heading::new(SUMMARY, &summary.label),
                summary: true,
                values: self.values(value),
            });
        }
        for row in &mut rows {
            for (group, values) in self.groups.iter().zip(&mut row.values) {
                finish(group.measured, values);
            }
        }
        Table {
            title: self.title.clone(),
            axes: self.axes.clone(),
            groups: self.groups.clone(),
            rows,
            remarks: self.remarks(outcomes),
            footnotes: footnotes.into_texts(),
        }
    }

    /// A value for each column of each group.
    fn values(&self, mut value: impl FnMut(&Group, &Column) -> Value) -> Vec<Vec<Value>> {
        let mut values = |group: &Group| group.columns.iter().map(|column| value(group, column)).collect();
        self.groups.iter().map(&mut values).collect()
    }

    /// The seeds of a column: one run without a seed, or one of each.
    fn seeds(&self, column: &Column) -> Vec<Option<u64>> {
        if column.seeded { self.seeds.iter().copied().map(Some).collect() } else { vec![None] }
    }

    fn runs<'a>(
        &self,
        row: &str,
        group: &Group,
        column: &Column,
        outcomes: &'a Outcomes,
    ) -> Vec<(Option<u64>, &'a Outcome)> {
        let outcome = |seed| {
            let (row, group, column) = (row.to_owned(), group.key.clone(), column.key.clone());
            outcomes.get(&Place { row, group, column, seed }).unwrap_or(&Outcome::Missing)
        };
        self.seeds(column).into_iter().map(|seed| (seed, outcome(seed))).collect()
    }

    /// The mean over the rows for each seed, and over seeds the mean and spread of that. A seed that lacks a row is
    /// left out: its average would not compare with the others.
    fn average(
        &self,
        summary: &Summary,
        group: &Group,
        column: &Column,
        outcomes: &Outcomes,
        footnotes: &mut Footnotes,
    ) -> Value {
        let given = self.runs(SUMMARY, group, column, outcomes);
        if given.iter().any(|(_, outcome)| **outcome != Outcome::Missing) {
            return value_of(&given, footnotes);
        }
        let by_row: Vec<_> = summary.over.iter().map(|row| self.runs(row, group, column, outcomes)).collect();
        let seeds = self.seeds(column);
        let average = |(i, seed): (usize, &Option<u64>)| {
            let accuracies = by_row.iter().map(|runs| runs[i].1.accuracy()).collect::<Option<Vec<f64>>>()?;
            Some(Run { seed: *seed, accuracy: accuracies.iter().sum::<f64>() / accuracies.len() as f64 })
        };
        let runs: Vec<Run> = seeds.iter().enumerate().filter_map(average).collect();
        let (count, planned) = (runs.len(), seeds.len());
        let Some(mut measure) = measure_of(runs, planned) else { return Value::Missing { footnotes: Vec::new() } };
        if count < planned {
            measure.footnotes.push(footnotes.mark(format!("{count} of {planned} seeds")));
        }
        Value::Done(measure)
    }

    /// What the records say about all of the table, then what the plan says.
    fn remarks(&self, outcomes: &Outcomes) -> Vec<String> {
        self.remarks_on(outcomes.values())
    }

    /// The same for outcomes that have no places in the grid.
    pub(super) fn remarks_on<'a>(&self, outcomes: impl Iterator<Item = &'a Outcome>) -> Vec<String> {
        let records: Vec<&EvaluationRecord> = outcomes.filter_map(Outcome::record).collect();
        let mut remarks = vec![self.setting(&records)];
        remarks.extend(self.remarks.iter().cloned());
        remarks.extend(adopted(&records));
        let mixed = differences(records.iter().map(|record| &record.provenance));
        if !mixed.is_empty() {
            remarks.push(format!("Mixed provenance: not all results were computed alike ({}).", mixed.join("; ")));
        }
        remarks
    }

    /// One sentence with the protocol, precision, limit and seeds.
    fn setting(&self, records: &[&EvaluationRecord]) -> String {
        let protocols = distinct(records, |record| match record.cell.protocol.get("name") {
            Some(Json::String(name)) => format!("`{name}`"),
            _ => "without a name".to_owned(),
        });
        let precisions = distinct(records, |record| record.cell.precision.clone());
        let limits = distinct(records, |record| match record.cell.limit {
            Some(limit) => format!("the first {limit} test images of each class"),
            None => "all test images".to_owned(),
        });
        let what = &self.measured;
        let sentence = if records.is_empty() {
            what.clone()
        } else {
            format!("{what} on {limits}; protocol {protocols}, {precisions}")
        };
        match self.seeds.as_slice() {
            [] => sentence + ".",
            [seed] => format!("{sentence}; seed {seed}."),
            seeds => {
                let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
                format!("{sentence}; mean ± sample deviation over seeds {}.", seeds.join(", "))
            }
        }
    }
}

/// What is said of results that another build computed, a sentence for each proof.
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

/// Marks what is best of accuracies, and gives norms the decimals that they need.
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

/// What the records say, each word once, sorted; more than one is worth telling.
fn distinct(records: &[&EvaluationRecord], of: impl Fn(&EvaluationRecord) -> String) -> String {
    let words: BTreeSet<String> = records.iter().map(|record| of(record)).collect();
    words.into_iter().collect::<Vec<_>>().join(" and ")
}
