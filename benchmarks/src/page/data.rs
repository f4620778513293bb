//! What the page's scripts are given: questions with their tables and figures, and the cells behind them.

use super::cells::{Cell, Cells, Classes, Recipe, Training};
use super::images::{Image, Images};
use super::nearest::{MOST_VECTORS, Nearest};
use crate::plan::SavedPlan;
use crate::report::table_and_figures_of;
use crate::results::{Results, outcomes};
use crate::statistics::variance;
use crate::tables::Outcome;
use crate::tables::formats::{Format, Html};
use nemesis_core::Result;
use nemesis_core::record::{CellId, Store};
use nemesis_core::shots::written;
use nemesis_figures::{Letters, ONE_COLUMN, TWO_COLUMNS, svg};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// All of a page's data.
#[derive(Debug, Serialize)]
pub(super) struct Data {
    questions: Vec<Question>,
    /// Evaluations by the first digits of their ids.
    cells: BTreeMap<String, Cell>,
    /// Trainings by the first digits of theirs.
    trainings: BTreeMap<String, Training>,
    /// How trainings were done, each recipe once.
    recipes: Vec<Recipe>,
    /// Where cells were computed, each place once.
    provenance: Vec<BTreeMap<String, String>>,
    /// Lists of classes.
    classes: Vec<Classes>,
    /// Test images that some cell got wrong.
    images: Vec<Image>,
    /// What the page leaves out, and why, if it does.
    left_out: Option<String>,
}

/// How much of the records a page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Tables, figures, failures, and the cells behind them.
    All,
    /// No cells. The page then depends on nothing but results.
    Tables,
}

/// Up to how many cells are shown with histories, classes and pictures. More make a page that opens slowly.
const DETAILED: usize = 2000;

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
    /// How much samples and initialisations contribute to the spread, if they were crossed: HTML.
    spread: Option<String>,
    figures: Vec<Drawn>,
    /// The first digits of the ids of its evaluations, each with the label of its column. Columns may share some.
    cells: Vec<(String, String)>,
    failures: Vec<Failed>,
}

#[derive(Debug, Serialize)]
struct Drawn {
    kind: &'static str,
    of: String,
    caption: String,
    svg: String,
    narrow: bool,
    /// Whether no part of it is of a single data set.
    summary: bool,
    /// The label of the method, if it is of one.
    method: Option<String>,
    /// The number of shots, if it is of one.
    shots: Option<String>,
}

#[derive(Debug, Serialize)]
struct Failed {
    dataset: String,
    column: Option<String>,
    shots: Option<String>,
    seed: Option<String>,
    reason: String,
}

/// The data of a page of these plans.
pub(super) fn data(plans: &[(String, SavedPlan)], store: &Store, shown: Shown) -> Result<Data> {
    let complete = store.complete()?;
    let there = plans.iter().flat_map(|(_, plan)| &plan.cells).map(|cell| cell.id).filter(|id| complete.contains(id));
    let count = there.collect::<BTreeSet<CellId>>().len();
    let mut cells = Cells { brief: count > DETAILED, ..Cells::default() };
    let mut questions = Vec::with_capacity(plans.len());
    for (name, plan) in plans {
        questions.push(question(name, plan, store, &mut cells, shown)?);
    }
    let brief = (shown == Shown::All && cells.brief).then(|| {
        format!(
            "A page holds what was learned and what went wrong for up to {DETAILED} cells, and these are {count}. \
             `nemesis log CELL` shows them for one cell, and `nemesis report --html FILE --question NAME` writes a page of one table."
        )
    });
    let images = Images::look_at(plans, store, &mut cells)?;
    let wordless = Nearest::look_up(plans, store, &mut cells)?;
    let without_words = (wordless > 0).then(|| {
        format!(
            "The nearest words of {wordless} of {} trainings are left out: a page looks up at most {MOST_VECTORS} context vectors. \
             One of fewer tables, as `nemesis report --html FILE --question NAME` writes it, may hold them.",
            cells.trainings.len()
        )
    });
    let left_out: Vec<String> = brief.into_iter().chain(without_words).collect();
    let left_out = (!left_out.is_empty()).then(|| left_out.join(" "));
    let Cells { evaluations, trainings, recipes, provenance, classes, .. } = cells;
    Ok(Data { questions, cells: evaluations, trainings, recipes, provenance, classes, images, left_out })
}

fn question(name: &str, plan: &SavedPlan, store: &Store, cells: &mut Cells, shown: Shown) -> Result<Question> {
    let outcomes = outcomes(plan, store)?;
    let (table, figures) = table_and_figures_of(plan, outcomes.clone())?;
    let drawn = figures.iter().map(|figure| Drawn {
        kind: figure.kind,
        of: figure.of.clone(),
        caption: figure.caption.clone(),
        // The page shows these at half its width.
        svg: svg(&figure.chart.draw(if figure.narrow { ONE_COLUMN * 1.2 } else { TWO_COLUMNS }), Letters::Live),
        narrow: figure.narrow,
        summary: figure.summary,
        method: figure.method.clone(),
        shots: figure.shots.clone(),
    });
    let crossed = (!plan.initialisations.is_empty()).then(|| Results::of(name, plan, outcomes.clone()));
    let spread = crossed.and_then(|results| variance(&results));
    let mut question = Question {
        name: name.to_owned(),
        title: if plan.suite(name) == name { plan.title.clone() } else { format!("{} ({name})", plan.title) },
        datasets: plan.datasets.clone(),
        methods: (plan.zero_shot_labels().map(str::to_owned))
            .chain(plan.columns.iter().map(|column| column.label.clone()))
            .collect(),
        shots: plan.shots.iter().map(|shots| written(*shots)).collect(),
        table: Html.table(&table),
        spread: spread.map(|sheet| Html.sheets(&[sheet])),
        figures: drawn.collect(),
        cells: Vec::new(),
        failures: Vec::new(),
    };
    for (cell, outcome) in plan.cells.iter().zip(outcomes) {
        let (shots, seeds) = cell.sample.unzip();
        match outcome {
            Outcome::Done(_) if shown == Shown::Tables => {}
            Outcome::Done(record) => {
                question.cells.push((cells.add(cell, &record, store)?, cell.label().to_owned()));
            }
            Outcome::Failed(reason) => question.failures.push(Failed {
                dataset: cell.dataset.clone(),
                column: cell.column.clone(),
                shots: shots.map(written),
                seed: seeds.map(|seeds| seeds.to_string()),
                reason,
            }),
            Outcome::Derived(_) | Outcome::Missing => {}
        }
    }
    Ok(question)
}
