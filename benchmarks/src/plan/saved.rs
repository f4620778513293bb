//! What a plan leaves beside the records, so that its table can be printed again.

use super::{Asked, Plan, PlannedCell, Swept};
use crate::tables::{TableKind, ZERO_SHOT};
use crate::zero_shot::ZeroShot;
use nemesis_core::dataset::ClassSubset;
use nemesis_core::note::{Note, Shown};
use nemesis_core::record::{CellId, Corruption};
use nemesis_core::seeds::Seeds;
use nemesis_core::{Error, Result, files};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What the plan leaves beside the records, so that its tables can be printed again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// The table's title.
    pub title: String,
    /// The kind of table.
    pub table: TableKind,
    /// Sentences for under the table, as far as they are about what is in it.
    pub notes: Vec<Note>,
    /// The protocol's name.
    pub protocol: String,
    /// The backbone's name.
    pub backbone: String,
    /// The columns, in order.
    pub columns: Vec<SavedColumn>,
    /// The data sets, in order, by name and title.
    pub datasets: Vec<(String, String)>,
    /// Shots, in order.
    #[serde(with = "nemesis_core::shots::list")]
    pub shots: Vec<u32>,
    /// Seeds: of samples, and unless `initialisations` has some, of all else.
    pub seeds: Vec<u64>,
    /// The seeds of initialisations, each of which is trained on every sample.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub initialisations: Vec<u64>,
    /// The zero-shot baselines that are shown.
    pub zero_shot: ZeroShot,
    /// The evaluations that make the table.
    pub cells: Vec<SavedCell>,
    /// Whether it is put together from several plans, which may leave holes.
    #[serde(skip)]
    pub gathered: bool,
    /// What else the table asks; plans of earlier versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedColumn {
    /// What stands over the column.
    pub label: String,
    /// The option that the suite sweeps here, and its value in this column.
    pub swept: Option<Swept>,
    /// The method; plans of earlier versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<SavedMethod>,
}

/// The method of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedMethod {
    /// Its id.
    pub id: String,
    /// What suite and user say of its options.
    pub settings: Value,
    /// The names of all its options.
    pub options: Vec<String>,
    /// The fingerprint of its sources.
    pub source: String,
}

/// An evaluation's place in a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedCell {
    /// The id of the evaluation.
    pub id: CellId,
    /// The data set that is tested on.
    pub dataset: String,
    /// The column; none for zero-shot with the data set's template.
    pub column: Option<String>,
    /// Shots and seeds; none for zero-shot.
    #[serde(with = "nemesis_core::shots::and_seed")]
    pub sample: Option<(u32, Seeds)>,
    /// The classes that are told apart.
    pub classes: ClassSubset,
    /// The corruption, if a context vector is corrupted.
    pub corruption: Option<Corruption>,
    /// The epoch, if it is not the last.
    pub epoch: Option<u64>,
}

impl SavedCell {
    /// The label of its column.
    pub fn label(&self) -> &str {
        self.column.as_deref().unwrap_or(ZERO_SHOT)
    }
}

/// What stands between the label of a column and in what its protocol differs from that of the table.
const DEPARTS: &str = " departs from this protocol: ";

/// Data set, column, and shots and seeds.
type Spot<'a> = (&'a str, Option<&'a str>, Option<(u32, Seeds)>);

impl SavedPlan {
    /// The suite, where the plan's file has this name.
    pub fn suite<'a>(&'a self, name: &'a str) -> &'a str {
        self.asked.as_ref().map_or(name, |asked| &asked.suite)
    }

    /// The labels of the zero-shot columns, in order.
    pub fn zero_shot_labels(&self) -> impl Iterator<Item = &'static str> {
        self.zero_shot.0.iter().map(|prompts| prompts.label().unwrap_or(ZERO_SHOT))
    }

    /// What is said of columns that are not trained by the protocol of the table, by their labels.
    pub fn departures(&self) -> BTreeMap<String, String> {
        let note = |column: &SavedColumn| {
            let start = format!("{}{DEPARTS}", column.label);
            let note = self.notes.iter().find(|note| note.text.starts_with(&start))?;
            Some((column.label.clone(), note.text.clone()))
        };
        self.columns.iter().filter_map(note).collect()
    }

    /// The labels of the columns whose protocol the suite changes.
    pub fn changed_by_suite(&self) -> BTreeSet<String> {
        let is_changed = |column: &&SavedColumn| {
            column.method.as_ref().is_some_and(|method| method.settings.get("entry_protocol").is_some())
        };
        self.columns.iter().filter(is_changed).map(|column| column.label.clone()).collect()
    }

    /// The seeds of each training of a data set, column and number of shots.
    pub fn crossed_seeds(&self) -> Vec<Seeds> {
        Seeds::crossed(&self.seeds, &self.initialisations)
    }

    /// What is in the table, as far as notes ask; unknown of plans of earlier versions.
    pub fn shown(&self) -> Option<Shown> {
        let asked = self.asked.as_ref()?;
        let methods = self.columns.iter().map(|column| column.method.clone().map(|method| (method.id, method.options)));
        Some(Shown {
            methods: methods.collect::<Option<_>>()?,
            datasets: self.datasets.iter().map(|(name, _)| name.clone()).collect(),
            set: asked.set.keys().cloned().collect(),
            mini: asked.is_mini(),
        })
    }

    /// How many evaluations a whole table has: where plans were put together, some may be in none of them, and count as
    /// many as there are elsewhere in their place.
    pub fn expected(&self) -> usize {
        if !self.gathered {
            return self.cells.len();
        }
        let mut there: BTreeMap<Spot<'_>, usize> = BTreeMap::new();
        for cell in &self.cells {
            *there.entry((&cell.dataset, cell.column.as_deref(), cell.sample)).or_default() += 1;
        }
        let most = |shots: Option<u32>, dataset: Option<&str>| {
            let alike = there.iter().filter(|((of, _, sample), _)| {
                sample.map(|(shots, _)| shots) == shots && dataset.is_none_or(|dataset| dataset == *of)
            });
            alike.map(|(_, count)| *count).max()
        };
        let any = there.iter().filter(|((_, column, _), _)| column.is_some()).map(|(_, count)| *count).max();
        let (mut lacking, seeds) = (0, self.crossed_seeds());
        for (dataset, _) in &self.datasets {
            let places = self.columns.iter().flat_map(|column| {
                let samples = self.shots.iter().flat_map(|shots| seeds.iter().map(|seeds| (*shots, *seeds)));
                samples.map(|sample| (dataset.as_str(), Some(column.label.as_str()), Some(sample)))
            });
            for place in places.filter(|place| !there.contains_key(place)) {
                let shots = place.2.map(|(shots, _)| shots);
                lacking += most(shots, Some(dataset)).or_else(|| most(shots, None)).or(any).unwrap_or(0);
            }
            let baselines = self.zero_shot.0.iter().map(|prompts| (dataset.as_str(), prompts.label(), None));
            for _ in baselines.filter(|place| !there.contains_key(place)) {
                lacking += most(None, None).unwrap_or(0);
            }
        }
        self.cells.len() + lacking
    }
}

impl Plan {
    /// The part of the plan that its table is made of.
    pub fn saved(&self) -> SavedPlan {
        let deviations = self.protocol.deviations.iter().cloned();
        let precision = self.protocol.precision.note().to_owned();
        let file = self.backbone.1.file_name().unwrap_or_default().to_string_lossy();
        let assumed = self.checkpoint.note(&file);
        let of_columns = self.methods.iter().filter(|column| !column.protocol.is_empty()).map(|column| Note {
            text: format!("{}{DEPARTS}{}", column.label, column.protocol.join("; ")),
            methods: vec![column.method.clone()],
            ..Note::default()
        });
        let given = self.methods.iter().filter_map(|column| {
            let options = column.given_by_protocol();
            (!options.is_empty()).then(|| Note {
                text: format!("the protocol gives {} options of its own: {}", column.label, options.join(", ")),
                methods: vec![column.method.clone()],
                ..Note::default()
            })
        });
        SavedPlan {
            title: self.title.clone(),
            table: self.table.clone(),
            notes: self
                .notes
                .iter()
                .cloned()
                .chain(self.lists().map(Note::from))
                .chain(deviations)
                .chain(of_columns)
                .chain(given)
                .chain([precision.into()])
                .chain(assumed.map(Note::from))
                .chain(self.left_out_notes().into_iter().map(Note::from))
                .collect(),
            protocol: self.protocol.name.clone(),
            backbone: self.backbone.0.clone(),
            columns: (self.methods.iter())
                .map(|column| SavedColumn {
                    label: column.label.clone(),
                    swept: column.swept.clone(),
                    method: Some(SavedMethod {
                        id: column.method.clone(),
                        settings: column.settings.clone(),
                        options: column.options.clone(),
                        source: column.source.clone(),
                    }),
                })
                .collect(),
            datasets: self.datasets.clone(),
            shots: self.shots.clone(),
            seeds: self.seeds.clone(),
            initialisations: self.initialisations.clone(),
            zero_shot: self.zero_shot.clone(),
            cells: self.cells.iter().filter_map(saved).collect(),
            gathered: false,
            asked: Some(self.asked.clone()),
        }
    }

    /// Says whose few-shot samples were taken, if they were not drawn.
    fn lists(&self) -> Option<String> {
        let lists = self.few_shot_lists.as_ref()?;
        // Methods that look at validation images may differ from the drawn sample where others do not.
        let mut samples: BTreeMap<(&str, u32, u64), bool> = BTreeMap::new();
        for cell in &self.cells {
            if let Some((shots, seed)) = cell.sample().filter(|_| cell.is_training()) {
                *samples.entry((cell.dataset(), shots, seed)).or_default() |= cell.departs_from_drawing();
            }
        }
        let differ = samples.values().filter(|differs| **differs).count();
        let all = samples.len();
        Some(format!(
            "few-shot samples are taken from the lists in `{}` instead of drawn; {differ} of {all} samples differ from \
             the drawn ones",
            lists.display()
        ))
    }

    /// Writes [`Plan::saved`] to `plans/NAME.json` in the folder of the records.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save(&self, out: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.saved())
            .map_err(|e| Error::new(format!("the plan cannot be written as JSON: {e}")))?;
        files::write_atomic(&out.join("plans").join(format!("{}.json", self.name)), text.as_bytes())
    }
}

/// What is saved of a cell, if it is an evaluation.
fn saved(cell: &PlannedCell) -> Option<SavedCell> {
    let evaluation = cell.evaluation()?;
    Some(SavedCell {
        id: cell.id,
        dataset: evaluation.dataset.clone(),
        column: cell.column.as_deref().map(str::to_owned),
        sample: cell.drawn(),
        classes: evaluation.classes,
        corruption: evaluation.corruption,
        epoch: evaluation.epoch,
    })
}
