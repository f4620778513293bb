//! Base-to-new generalization: accuracy on the classes that were trained on, on the others, and their harmonic mean.

use super::contents::{ACCURACY, Contents, Entry, MethodColumn};
use super::grid::{Grid, Outcomes, Place, SUMMARY};
use super::measure::Outcome;
use super::table::{Axes, Column, Group, Measured, Table};
use nemesis_core::dataset::ClassSubset;

/// The keys and headings of the groups of columns.
const GROUPS: [(&str, &str); 3] = [("base", "Base"), ("new", "New"), ("h", "H")];

/// The table of these entries. H is taken run by run; in the row of averages it is that of the average accuracies, as
/// in the tables of `CoCoOp`.
pub fn base_to_new(contents: &Contents, entries: &[Entry]) -> Table {
    let columns: Vec<Column> =
        contents.zero_shot_column().into_iter().chain(contents.methods.iter().map(MethodColumn::column)).collect();
    let group = |shots, (key, heading)| {
        let (key, heading) = contents.group_of(shots, key, heading);
        Group { key, heading, columns: columns.clone(), measured: Measured::Accuracy, baseline: false }
    };
    let explanation = "base: the first half of the classes, which alone is trained on; new: the others; H: the harmonic \
                       mean of both, in the last row that of the averages";
    let grid = Grid {
        title: contents.title.clone(),
        axes: Axes::new("data set", "classes", "method"),
        rows: contents.rows(),
        groups: contents.shots.iter().flat_map(|shots| GROUPS.map(|names| group(*shots, names))).collect(),
        summary: Some(contents.average()),
        seeds: contents.seeds.clone(),
        measured: ACCURACY.to_owned(),
        remarks: std::iter::once(explanation.to_owned()).chain(contents.remarks.iter().cloned()).collect(),
    };
    let mut outcomes = measured(contents, entries);
    add_harmonic_means(contents, &columns, &mut outcomes);
    grid.table(&outcomes)
}

/// The evaluations at their places. The zero-shot baseline stands beside any number of shots.
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
            let seeds = if column.seeded { contents.seeds.iter().copied().map(Some).collect() } else { vec![None] };
            for seed in seeds {
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
                    .map(|(row, [base, new])| (place(row, &h), Outcome::derived([base, new], harmonic_mean)))
                    .collect();
                outcomes.extend(means);
            }
        }
    }
}

/// The mean of outcomes, if all are complete.
fn mean<'a>(outcomes: impl ExactSizeIterator<Item = &'a Outcome>) -> Outcome {
    let count = outcomes.len() as f64;
    let sum: Option<f64> = outcomes.map(Outcome::accuracy).sum();
    sum.map_or(Outcome::Missing, |sum| Outcome::Derived(sum / count))
}

/// `2 b n / (b + n)`; nothing of nothing is nothing.
fn harmonic_mean([base, new]: [f64; 2]) -> f64 {
    if base + new == 0.0 { 0.0 } else { 2.0 * base * new / (base + new) }
}
