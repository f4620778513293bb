//! How often the Low-Norm Effect occurs: lowering the norm of one context vector raises the accuracy.
//!
//! The paper shows the counts, but neither its grid of corruptions nor its rule for counting. Ours are given under the
//! table.

use super::{Kind, List, Variant};
use crate::tables::contents::{Contents, Entry};
use crate::tables::figures::{self, Figure};
use crate::tables::grid;
use crate::tables::measure::{Footnotes, Outcome, one_line};
use crate::tables::table::{Axes, Column, Group, Measured, Row, Table, Value};
use nemesis_core::record::{Corruption, CorruptionKind, EvaluationRecord, MethodKey};
use nemesis_core::seeds::Seeds;
use nemesis_core::{Error, Result, shots};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// How often lowering the norm of one context vector helps; data sets × (methods × shots).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LowNormEffect {
    /// The deviations of the noise that replaces a vector (REPLACE).
    replace: Vec<f64>,
    /// The factors that a vector is multiplied by (RESCALE).
    rescale: Vec<f64>,
}

/// A corruption as a key; none for the context as it was learned.
type Key = Option<(CorruptionKind, u32, u64)>;
/// The outcomes of one column and row by corruption, one for each seed.
type ByCorruption<'a> = BTreeMap<Key, Vec<&'a Outcome>>;

impl Kind for LowNormEffect {
    fn variants(&self, method: &MethodKey) -> Result<Vec<Variant>> {
        let settings: Vec<(CorruptionKind, f64)> = (self.replace.iter().map(|value| (CorruptionKind::Replace, *value)))
            .chain(self.rescale.iter().map(|value| (CorruptionKind::Rescale, *value)))
            .collect();
        let corrupted = (0..positions(method)?).flat_map(|position| {
            settings.iter().map(move |&(kind, value)| Variant {
                corruption: Some(Corruption { kind, position, value }),
                epoch: None,
            })
        });
        Ok(std::iter::once(Variant::default()).chain(corrupted).collect())
    }

    fn lists(&mut self) -> Vec<(&'static str, List<'_>)> {
        vec![("replace", List::Numbers(&mut self.replace)), ("rescale", List::Numbers(&mut self.rescale))]
    }

    fn table(&self, contents: &Contents, entries: &[Entry]) -> Table {
        let mut cells: HashMap<(&str, String, Option<u32>), ByCorruption<'_>> = HashMap::new();
        for entry in entries {
            let (label, _) = entry.place.column();
            let of_cell = cells.entry((&entry.dataset, label, entry.place.shots())).or_default();
            of_cell.entry(entry.corruption.as_ref().map(key)).or_default().push(&entry.outcome);
        }
        let columns: Vec<Column> = (contents.shots.iter())
            .map(|shots| Column {
                key: shots::written(*shots),
                label: shots::in_words(*shots),
                seeded: true,
                method: String::new(),
            })
            .collect();
        let groups: Vec<Group> = (contents.methods.iter())
            .map(|method| Group {
                key: method.label.clone(),
                heading: method.label.clone(),
                columns: columns.clone(),
                measured: Measured::Count,
                baseline: false,
            })
            .collect();
        let mut footnotes = Footnotes::default();
        let mut value =
            |dataset: &str, method: &str, shots: u32| match cells.get(&(dataset, method.to_owned(), Some(shots))) {
                Some(outcomes) => count(outcomes, contents.seeds.len(), &mut footnotes),
                None => Value::Missing { footnotes: Vec::new() },
            };
        let rows = contents.rows().into_iter().map(|heading| {
            let values = (contents.methods.iter())
                .map(|method| contents.shots.iter().map(|shots| value(&heading.key, &method.label, *shots)).collect())
                .collect();
            Row { heading, summary: false, values }
        });
        let rows: Vec<Row> = rows.collect();
        let axes = Axes::new("data set", "method", "shots");
        let remarks = self.remarks(contents, entries);
        Table { title: contents.title.clone(), axes, groups, rows, remarks, footnotes: footnotes.into_texts() }
    }

    fn figures(&self, contents: &Contents, entries: &[Entry], _table: &Table) -> Vec<Figure> {
        figures::low_norm_effect(contents, entries)
    }
}

impl LowNormEffect {
    fn remarks(&self, contents: &Contents, entries: &[Entry]) -> Vec<String> {
        let list = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
        let seeds = contents.seeds.iter().map(Seeds::to_string).collect::<Vec<_>>().join(", ");
        let rule = format!(
            "each of the pairs of a position and a setting that lower the mean norm of the vector there is tried, and counted \
             if the mean accuracy is higher than without it; means over seeds {seeds}"
        );
        let settings = format!(
            "settings: REPLACE by noise of deviation {}; RESCALE by {}; the paper's own grid and rule are not known",
            list(&self.replace),
            list(&self.rescale)
        );
        let outcomes = entries.iter().map(|entry| &entry.outcome);
        // The rule says what the seeds are for: a count has no deviation over them.
        grid::remarks("Counts of higher accuracies / lower norms", &[], &[rule, settings], contents, outcomes)
    }
}

/// The number of context vectors, which is CoOp's option `n_ctx`.
fn positions(method: &MethodKey) -> Result<u32> {
    let positions = method.options.get("n_ctx").and_then(serde_json::Value::as_u64);
    positions.map(|positions| positions as u32).ok_or_else(|| {
        Error::new(format!("the context of `{}` cannot be corrupted", method.id))
            .expected("an option `n_ctx`, the number of its context vectors")
            .help("leave the method out with `--methods`")
    })
}

fn key(corruption: &Corruption) -> (CorruptionKind, u32, u64) {
    (corruption.kind, corruption.position, corruption.value.to_bits())
}

/// In how many corruptions the norm of the corrupted vector is lower, and in how many of those the accuracy is higher,
/// both over all seeds.
fn count(outcomes: &ByCorruption<'_>, seeds: usize, footnotes: &mut Footnotes) -> Value {
    let complete = |outcomes: &Vec<&Outcome>| outcomes.len() == seeds && outcomes.iter().all(|o| o.record().is_some());
    let lacking = outcomes.values().filter(|outcomes| !complete(outcomes)).count();
    if lacking > 0 || outcomes.is_empty() {
        let failed = outcomes.values().flatten().find_map(|outcome| match outcome {
            Outcome::Failed(reason) => Some(one_line(reason)),
            _ => None,
        });
        return match failed {
            Some(reason) => Value::Failed { footnotes: vec![footnotes.mark(reason)] },
            None => Value::Missing { footnotes: Vec::new() },
        };
    }
    let totals = |outcomes: &[&Outcome], position: u32| {
        let records = outcomes.iter().filter_map(|outcome| outcome.record());
        records.fold((0, 0.0), |(correct, norm), record: &EvaluationRecord| {
            let norms = &record.outcome.context_norms;
            (correct + record.outcome.correct, norm + norms.get(position as usize).copied().unwrap_or(f64::NAN))
        })
    };
    let Some(learned) = outcomes.get(&None) else { return Value::Missing { footnotes: Vec::new() } };
    let (mut count, mut of) = (0, 0);
    for (key, corrupted) in outcomes {
        let Some((_, position, _)) = *key else { continue };
        let ((before, norm_before), (after, norm_after)) = (totals(learned, position), totals(corrupted, position));
        if norm_after < norm_before {
            of += 1;
            count += usize::from(after > before);
        }
    }
    Value::Count { count, of }
}
