//! The paper's main table: rows are data sets and their average, columns are shots by methods.

use super::measure::{Footnotes, Outcome, mark_best, measure_of, value_of};
use super::table::{Axes, Group, Row, Run, Table, Value};
use nemesis_core::record::{EvaluationRecord, differences};
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashMap};

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

impl FewShot {
    /// The table of these entries, whatever their order. What is planned and has no entry is shown as missing.
    pub fn table(&self, entries: &[Entry]) -> Table {
        let outcomes: Outcomes<'_> =
            entries.iter().map(|entry| ((entry.dataset.as_str(), &entry.place), &entry.outcome)).collect();
        let mut footnotes = Footnotes::default();
        let columns = self.columns();
        let mut rows: Vec<Row> = self
            .datasets
            .iter()
            .map(|(name, title)| {
                let values = columns.iter().map(|group| {
                    group.iter().map(|column| value_of(&runs(name, column, &outcomes), &mut footnotes)).collect()
                });
                Row { label: title.clone(), summary: false, values: values.collect() }
            })
            .collect();
        if self.datasets.len() > 1 {
            let values = columns
                .iter()
                .map(|group| group.iter().map(|column| self.average(column, &outcomes, &mut footnotes)).collect());
            rows.push(Row { label: "Average".to_owned(), summary: true, values: values.collect() });
        }
        for row in &mut rows {
            row.values.iter_mut().for_each(|group| mark_best(group));
        }
        let axes = Axes { row: "data set".to_owned(), group: "shots".to_owned(), column: "method".to_owned() };
        Table {
            title: self.title.clone(),
            axes,
            groups: self.groups(),
            rows,
            remarks: self.remarks(entries),
            footnotes: footnotes.into_texts(),
        }
    }

    fn groups(&self) -> Vec<Group> {
        let baseline = self.zero_shot.iter().map(|label| Group {
            key: "0".to_owned(),
            heading: String::new(),
            columns: vec![label.clone()],
            baseline: true,
        });
        let trained = self.shots.iter().map(|shots| Group {
            key: shots.to_string(),
            heading: if *shots == 1 { "1 shot".to_owned() } else { format!("{shots} shots") },
            columns: self.methods.clone(),
            baseline: false,
        });
        baseline.chain(trained).collect()
    }

    /// For each column of each group the places whose runs it averages.
    fn columns(&self) -> Vec<Vec<Vec<Place>>> {
        let baseline = self.zero_shot.iter().map(|_| vec![vec![Place::ZeroShot]]);
        let trained = self.shots.iter().map(|shots| {
            let column = |method: &String| {
                let place = |seed: &u64| Place::Trained { method: method.clone(), shots: *shots, seed: *seed };
                self.seeds.iter().map(place).collect()
            };
            self.methods.iter().map(column).collect()
        });
        baseline.chain(trained).collect()
    }

    /// The mean over the data sets for each seed, and over seeds the mean and spread of that. A seed that lacks a data
    /// set is left out: its average would not compare with the others.
    fn average(&self, column: &[Place], outcomes: &Outcomes<'_>, footnotes: &mut Footnotes) -> Value {
        let average_of = |place: &Place| {
            let accuracies: Option<Vec<f64>> =
                self.datasets.iter().map(|(name, _)| outcomes.get(&(name.as_str(), place))?.accuracy()).collect();
            let accuracies = accuracies?;
            Some(Run { seed: place.seed(), accuracy: accuracies.iter().sum::<f64>() / accuracies.len() as f64 })
        };
        let runs: Vec<Run> = column.iter().filter_map(average_of).collect();
        let (count, planned) = (runs.len(), column.len());
        let Some(mut measure) = measure_of(runs, planned) else { return Value::Missing { footnotes: Vec::new() } };
        if count < planned {
            measure.footnotes.push(footnotes.mark(format!("{count} of {planned} seeds")));
        }
        Value::Done(measure)
    }

    /// What the records say about all of the table, then what the plan says.
    fn remarks(&self, entries: &[Entry]) -> Vec<String> {
        let mut records = Vec::new();
        for entry in entries {
            if let Outcome::Done(record) = &entry.outcome {
                records.push(&**record);
            }
        }
        let mut remarks = vec![self.setting(&records)];
        remarks.extend(self.remarks.iter().cloned());
        let mixed = differences(records.iter().map(|record| &record.provenance));
        if !mixed.is_empty() {
            remarks.push(format!("Mixed provenance: not all results were computed alike ({}).", mixed.join("; ")));
        }
        remarks
    }

    /// One sentence with the protocol, precision, limit and seeds.
    fn setting(&self, records: &[&EvaluationRecord]) -> String {
        let protocol = |record: &&EvaluationRecord| match record.cell.protocol.get("name") {
            Some(Json::String(name)) => format!("`{name}`"),
            _ => "without a name".to_owned(),
        };
        let protocols = distinct(records, protocol);
        let precisions = distinct(records, |record| record.cell.precision.clone());
        let limits = distinct(records, |record| match record.cell.limit {
            Some(limit) => format!("the first {limit} test images of each class"),
            None => "all test images".to_owned(),
        });
        let sentence = if records.is_empty() {
            "Top-1 accuracy in percent".to_owned()
        } else {
            format!("Top-1 accuracy in percent on {limits}; protocol {protocols}, {precisions}")
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

/// The entries by their places.
type Outcomes<'a> = HashMap<(&'a str, &'a Place), &'a Outcome>;

/// The runs that a column averages for a data set. What has no entry is missing.
fn runs<'a>(dataset: &str, column: &[Place], outcomes: &Outcomes<'a>) -> Vec<(Option<u64>, &'a Outcome)> {
    let outcome_at = |place| outcomes.get(&(dataset, place)).copied().unwrap_or(&Outcome::Missing);
    column.iter().map(|place| (place.seed(), outcome_at(place))).collect()
}

impl Place {
    fn seed(&self) -> Option<u64> {
        match self {
            Self::ZeroShot => None,
            Self::Trained { seed, .. } => Some(*seed),
        }
    }
}

/// What the records say, each word once, sorted; more than one is worth telling.
fn distinct(records: &[&EvaluationRecord], of: impl Fn(&&EvaluationRecord) -> String) -> String {
    records.iter().map(of).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" and ")
}
