//! What the page's scripts are given: questions with their tables and figures, and the cells behind them.

use super::cells::{Cell, Cells, Classes, Training};
use super::images::{Image, Images};
use crate::plan::SavedPlan;
use crate::report::table_and_figures;
use crate::results::ZERO_SHOT;
use crate::tables::Outcome;
use crate::tables::formats::{Format, Html};
use nemesis_core::Result;
use nemesis_core::record::Store;
use nemesis_core::shots::written;
use nemesis_figures::{Letters, TWO_COLUMNS, svg};
use serde::Serialize;
use std::collections::BTreeMap;

/// All of a page's data.
#[derive(Debug, Serialize)]
pub(super) struct Data {
    questions: Vec<Question>,
    /// Evaluations by the first digits of their ids.
    cells: BTreeMap<String, Cell>,
    /// Trainings by the first digits of theirs.
    trainings: BTreeMap<String, Training>,
    /// Where cells were computed, each place once.
    provenance: Vec<BTreeMap<String, String>>,
    /// Lists of classes.
    classes: Vec<Classes>,
    /// Test images that some cell got wrong.
    images: Vec<Image>,
}

/// A table with what is behind it.
#[derive(Debug, Serialize)]
struct Question {
    name: String,
    title: String,
    /// Names and titles.
    datasets: Vec<(String, String)>,
    /// Labels of columns.
    methods: Vec<String>,
    /// As people write them.
    shots: Vec<String>,
    /// HTML.
    table: String,
    figures: Vec<Drawn>,
    /// The first digits of the ids of its evaluations.
    cells: Vec<String>,
    failures: Vec<Failed>,
}

#[derive(Debug, Serialize)]
struct Drawn {
    kind: &'static str,
    of: String,
    caption: String,
    svg: String,
}

#[derive(Debug, Serialize)]
struct Failed {
    dataset: String,
    column: Option<String>,
    shots: Option<String>,
    seed: Option<u64>,
    reason: String,
}

/// The data of a page of these plans.
pub(super) fn data(plans: &[(String, SavedPlan)], store: &Store) -> Result<Data> {
    let mut cells = Cells::default();
    let mut questions = Vec::with_capacity(plans.len());
    for (name, plan) in plans {
        questions.push(question(name, plan, store, &mut cells)?);
    }
    let images = Images::look_at(plans, store, &mut cells)?;
    let Cells { evaluations, trainings, provenance, classes, .. } = cells;
    Ok(Data { questions, cells: evaluations, trainings, provenance, classes, images })
}

fn question(name: &str, plan: &SavedPlan, store: &Store, cells: &mut Cells) -> Result<Question> {
    let (table, figures) = table_and_figures(plan, store)?;
    let drawn = figures.iter().map(|figure| Drawn {
        kind: figure.kind,
        of: figure.of.clone(),
        caption: figure.caption.clone(),
        svg: svg(&figure.chart.draw(TWO_COLUMNS), Letters::Live),
    });
    let mut question = Question {
        name: name.to_owned(),
        title: if plan.suite(name) == name { plan.title.clone() } else { format!("{} ({name})", plan.title) },
        datasets: plan.datasets.clone(),
        methods: (plan.zero_shot.0.iter().map(|prompts| prompts.label().unwrap_or(ZERO_SHOT).to_owned()))
            .chain(plan.columns.iter().map(|column| column.label.clone()))
            .collect(),
        shots: plan.shots.iter().map(|shots| written(*shots)).collect(),
        table: Html.table(&table),
        figures: drawn.collect(),
        cells: Vec::new(),
        failures: Vec::new(),
    };
    for cell in &plan.cells {
        let (shots, seed) = cell.sample.unzip();
        match Outcome::read(&cell.id, store)? {
            Outcome::Done(record) => question.cells.push(cells.add(cell, &record, store)?),
            Outcome::Failed(reason) => question.failures.push(Failed {
                dataset: cell.dataset.clone(),
                column: cell.column.clone(),
                shots: shots.map(written),
                seed,
                reason,
            }),
            Outcome::Derived(_) | Outcome::Missing => {}
        }
    }
    Ok(question)
}
