//! Ablations: rows are data sets and their average, and every option that is swept is a group of columns.

use super::Kind;
use crate::tables::contents::{Contents, Entry, MethodColumn};
use crate::tables::grid::{Grid, Place};
use crate::tables::table::{Axes, Column, Group, Measured, Table};
use nemesis_core::shots;

/// Options varied one at a time; data sets × (options × values).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ablation;

/// The key of the group of methods that sweep nothing.
const UNSWEPT: &str = "methods";

impl Kind for Ablation {
    fn table(&self, contents: &Contents, entries: &[Entry]) -> Table {
        let mut groups: Vec<Group> = contents.zero_shot_group().into_iter().collect();
        for shots in &contents.shots {
            for method in &contents.methods {
                let (key, heading, column) = place_of(contents, *shots, method);
                match groups.iter_mut().find(|group| group.key == key) {
                    Some(group) => group.columns.push(column),
                    None => groups.push(Group {
                        key,
                        heading,
                        columns: vec![column],
                        measured: Measured::Accuracy,
                        baseline: false,
                    }),
                }
            }
        }
        let grid = Grid {
            axes: Axes::new("data set", "option", "value"),
            rows: contents.rows(),
            groups,
            summary: Some(contents.average()),
            explanation: None,
        };
        let place = |entry: &Entry| {
            let (label, seed) = entry.place.column();
            let row = entry.dataset.clone();
            let trained = entry.place.shots().zip(contents.methods.iter().find(|method| method.label == label));
            let Some((shots, method)) = trained else {
                return Place { row, group: "0".to_owned(), column: label, seed };
            };
            let (group, _, column) = place_of(contents, shots, method);
            Place { row, group, column: column.key, seed }
        };
        grid.table(contents, &entries.iter().map(|entry| (place(entry), entry.outcome.clone())).collect())
    }
}

/// Key and heading of a method's group, and its column.
fn place_of(contents: &Contents, shots: u32, method: &MethodColumn) -> (String, String, Column) {
    if let Some((what, value)) = &method.swept {
        let (key, heading) = contents.group_of(shots, what, what);
        let column = Column { key: value.clone(), label: value.clone(), seeded: true, method: method.label.clone() };
        return (key, heading, column);
    }
    let (key, _) = contents.group_of(shots, UNSWEPT, "");
    (key, shots::in_words(shots), method.column())
}
