//! Base-to-new generalization: accuracy on the classes that were trained on, accuracy on the others, and the harmonic
//! mean of both.

use super::Kind;
use crate::tables::figures::{self, Figure};
use crate::tables::contents::{Contents, Entry, MethodColumn};
use crate::tables::grid::{Grid, Outcomes, Place, SUMMARY};
use crate::tables::measure::Outcome;
use crate::tables::table::{Axes, Column, Group, Measured, Table};
use nemesis_core::dataset::ClassSubset;
use nemesis_core::record::statistics::{Summary, harmonic_mean};

/// Trained on the first half of the classes; data sets × (base, new and their harmonic mean × methods).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BaseToNew;

/// The keys and headings of the groups of columns.
const GROUPS: [(&str, &str); 3] = [("base", "Base"), ("new", "New"), ("h", "H")];

impl Kind for BaseToNew {
    fn class_subsets(&self) -> &'static [ClassSubset] {
        &[ClassSubset::Base, ClassSubset::New]
    }

    /// H is taken run by run; in the row of averages it is that of the average accuracies, as in the tables of `CoCoOp`.
    fn table(&self, contents: &Contents, entries: &[Entry]) -> Table {
        let columns: Vec<Column> =
            contents.zero_shot_columns().chain(contents.methods.iter().map(MethodColumn::column)).collect();
        let group = |shots, (key, heading)| {
            let (key, heading) = contents.group_of(shots, key, heading);
            Group { key, heading, columns: columns.clone(), measured: Measured::Accuracy, baseline: false }
        };
        let shots = contents.only_shots();
        let explanation = format!(
            "base: the first half of the classes, which alone is trained on{shots}; new: the others; H: the harmonic mean of \
             both, in the last row that of the averages, for each seed and then averaged: it is at most the harmonic mean of \
             the two values beside it"
        );
        let grid = Grid {
            axes: Axes::new("data set", "classes", "method"),
            rows: contents.rows(),
            groups: contents.shots.iter().flat_map(|shots| GROUPS.map(|names| group(*shots, names))).collect(),
            summary: Some(contents.average()),
            explanation: Some(explanation),
        };
        let mut outcomes = measured(contents, entries);
        add_harmonic_means(contents, &columns, &mut outcomes);
        grid.table(contents, &outcomes)
    }

    /// Methods are ranked by the harmonic mean.
    fn figures(&self, _contents: &Contents, _entries: &[Entry], table: &Table) -> Vec<Figure> {
        let [_, _, (h, _)] = GROUPS;
        let ranks = figures::ranks(table, |_| true, |key| key.rsplit(' ').next() == Some(h));
        figures::base_to_new(table).into_iter().chain(ranks).collect()
    }
}

/// The evaluations at their places. The zero-shot baseline goes with any number of shots.
fn measured(contents: &Contents, entries: &[Entry]) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for entry in entries {
        let (column, seed) = entry.place.column();
        let shots = entry.place.shots().map_or_else(|| contents.shots.clone(), |shots| vec![shots]);
        let key = if entry.classes == ClassSubset::New { "new" } else { "base" };
        for shots in shots {
            let (group, _) = contents.group_of(shots, key, "");
            let place = Place { row: entry.dataset.clone(), group, column: column.clone(), seed };
            outcomes.insert(place, entry.outcome.clone());
        }
    }
    outcomes
}

fn add_harmonic_means(contents: &Contents, columns: &[Column], outcomes: &mut Outcomes) {
    for shots in &contents.shots {
        let [base, new, h] = GROUPS.map(|(key, _)| contents.group_of(*shots, key, "").0);
        for column in columns {
            for seed in contents.seeds_of(column) {
                let place = |row: &str, group: &str| Place {
                    row: row.into(),
                    group: group.into(),
                    column: column.key.clone(),
                    seed,
                };
                let at = |row: &str, group: &str| outcomes.get(&place(row, group)).unwrap_or(&Outcome::Missing).clone();
                let pairs: Vec<[Outcome; 2]> =
                    contents.datasets.iter().map(|(row, _)| [at(row, &base), at(row, &new)]).collect();
                let averages = [0, 1].map(|half| mean(pairs.iter().map(|pair| &pair[half])));
                let rows = contents.datasets.iter().map(|(row, _)| row.as_str()).zip(&pairs);
                let means: Vec<(Place, Outcome)> = rows
                    .chain([(SUMMARY, &averages)])
                    .map(|(row, [base, new])| (place(row, &h), Outcome::derived([base, new], |[base, new]| harmonic_mean(base, new))))
                    .collect();
                outcomes.extend(means);
            }
        }
    }
}

/// The mean of outcomes, if all are complete.
fn mean<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Outcome {
    let accuracies: Option<Vec<f64>> = outcomes.map(Outcome::accuracy).collect();
    let summary = accuracies.and_then(|accuracies| Summary::of(&accuracies));
    summary.map_or(Outcome::Missing, |summary| Outcome::Derived(summary.mean))
}
