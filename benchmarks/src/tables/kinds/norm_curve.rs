//! Accuracy and the norm of the context vectors by epoch, which show that prompts lose accuracy while their norms grow.

use super::{Kind, List, Variant};
use crate::tables::figures::{self, Figure};
use crate::tables::contents::{Contents, Entry, MethodColumn};
use crate::tables::grid::{Grid, Outcomes, Place};
use crate::tables::measure::Outcome;
use crate::tables::table::{Axes, Column, Group, Heading, Measured, Table};
use nemesis_core::Result;
use nemesis_core::record::MethodKey;
use nemesis_core::record::statistics::Summary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Accuracy and norm during training; (data sets × epochs) × (accuracy and norm × methods).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormCurve {
    /// The epochs, counted from one, that are shown in addition to the last.
    epochs: Vec<u64>,
}

/// The keys of the two groups of columns.
const ACCURACIES: &str = "accuracy";
const NORMS: &str = "norm";

impl Kind for NormCurve {
    fn variants(&self, _method: &MethodKey) -> Result<Vec<Variant>> {
        let of_epoch = |epoch: &u64| Variant { epoch: Some(*epoch), ..Variant::default() };
        Ok(std::iter::once(Variant::default()).chain(self.epochs.iter().map(of_epoch)).collect())
    }

    fn kept_epochs(&self, epochs: u64) -> Vec<u64> {
        self.epochs.iter().copied().filter(|epoch| *epoch < epochs).collect()
    }

    fn lists(&mut self) -> Vec<(&'static str, List<'_>)> {
        vec![("epochs", List::Counts(&mut self.epochs))]
    }

    /// A row for each data set and epoch.
    fn table(&self, contents: &Contents, entries: &[Entry]) -> Table {
        // The last epoch's number is the protocol's and may differ between data sets.
        let epochs: BTreeSet<Option<u64>> = entries.iter().map(|entry| entry.epoch).collect();
        let epochs: Vec<Option<u64>> = epochs.into_iter().flatten().map(Some).chain([None]).collect();
        let columns: Vec<Column> = contents.methods.iter().map(MethodColumn::column).collect();
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
        let shots = contents.only_shots();
        let explanation = format!("the norm is the 2-norm, averaged over the context vectors and then over seeds{shots}");
        let grid = Grid {
            axes: Axes::new("epoch", "measure", "method"),
            rows: rows.collect(),
            groups: groups.collect(),
            summary: None,
            explanation: Some(explanation),
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
        grid.table(contents, &outcomes)
    }

    fn figures(&self, contents: &Contents, entries: &[Entry], table: &Table) -> Vec<Figure> {
        figures::norm_curve(contents, table, entries).into_iter().collect()
    }
}

/// The norm, averaged over context vectors, in place of the accuracy.
fn norm(outcome: &Outcome) -> Outcome {
    let Some(record) = outcome.record() else { return outcome.clone() };
    Summary::of(&record.outcome.context_norms).map_or(Outcome::Missing, |norms| Outcome::Derived(norms.mean))
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
