//! Accuracy and the norm of the context vectors by epoch: what shows that prompts lose accuracy while their norms grow.

use super::contents::{ACCURACY, Contents, Entry};
use super::grid::{Grid, Outcomes, Place};
use super::measure::Outcome;
use super::table::{Axes, Column, Group, Heading, Measured, Table};
use std::collections::BTreeSet;

/// The keys of the two groups of columns.
const ACCURACIES: &str = "accuracy";
const NORMS: &str = "norm";

/// The table of these entries: a row for each data set and epoch.
pub fn norm_curve(contents: &Contents, entries: &[Entry]) -> Table {
    // The last epoch's number is the protocol's and may differ between data sets.
    let epochs: BTreeSet<Option<u64>> = entries.iter().map(|entry| entry.epoch).collect();
    let epochs: Vec<Option<u64>> = epochs.into_iter().flatten().map(Some).chain([None]).collect();
    let columns: Vec<Column> = contents.methods.iter().map(super::MethodColumn::column).collect();
    let groups = contents.shots.iter().flat_map(|shots| {
        let named = [(ACCURACIES, "Accuracy", Measured::Accuracy), (NORMS, "Mean norm", Measured::Norm)];
        named.map(|(key, heading, measured)| {
            let (key, heading) = contents.group_of(*shots, key, heading);
            Group { key, heading, columns: columns.clone(), measured, baseline: false }
        })
    });
    let heading = |(name, title): &(String, String), epoch| {
        let (key, words) = epoch_words(epoch);
        Heading::new(&row_key(name, &key), &format!("{title}, {words}"))
    };
    let rows = contents.datasets.iter().flat_map(|dataset| epochs.iter().map(move |epoch| heading(dataset, *epoch)));
    let explanation = "the norm is the 2-norm, averaged over the context vectors and then over seeds";
    let grid = Grid {
        title: contents.title.clone(),
        axes: Axes::new("epoch", "measure", "method"),
        rows: rows.collect(),
        groups: groups.collect(),
        summary: None,
        seeds: contents.seeds.clone(),
        measured: ACCURACY.to_owned(),
        remarks: std::iter::once(explanation.to_owned()).chain(contents.remarks.iter().cloned()).collect(),
    };
    let mut outcomes = Outcomes::new();
    for entry in entries {
        let Some(shots) = entry.place.shots() else { continue };
        let (column, seed) = entry.place.column();
        let row = row_key(&entry.dataset, &epoch_words(entry.epoch).0);
        for (key, outcome) in [(ACCURACIES, entry.outcome.clone()), (NORMS, norm(&entry.outcome))] {
            let (group, _) = contents.group_of(shots, key, "");
            outcomes.insert(Place { row: row.clone(), group, column: column.clone(), seed }, outcome);
        }
    }
    grid.table(&outcomes)
}

/// The norm, averaged over context vectors, in place of the accuracy.
fn norm(outcome: &Outcome) -> Outcome {
    match outcome.record() {
        Some(record) if record.outcome.context_norms.is_empty() => Outcome::Missing,
        Some(record) => {
            let norms = &record.outcome.context_norms;
            Outcome::Derived(norms.iter().sum::<f64>() / norms.len() as f64)
        }
        None => outcome.clone(),
    }
}

/// Key and words of an epoch.
fn epoch_words(epoch: Option<u64>) -> (String, String) {
    match epoch {
        Some(epoch) => (epoch.to_string(), format!("epoch {epoch}")),
        None => ("last".to_owned(), "last epoch".to_owned()),
    }
}

fn row_key(dataset: &str, epoch: &str) -> String {
    format!("{dataset} {epoch}")
}
