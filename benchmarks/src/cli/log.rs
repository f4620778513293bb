//! `nemesis log`: what happened to a cell.

use super::only::{Only, Records};
use super::trainings::open_store;
use super::{Ending, print};
use crate::cells::{AnyRecord, tested};
use crate::plan::SavedPlan;
use crate::report::saved_plans;
use chrono::DateTime;
use clap::Args;
use nemesis_core::error::abridged;
use nemesis_core::record::{
    CellId, EvaluationCell, EvaluationRecord, Failure, Provenance, Store, Subject, TrainingCell, TrainingRecord,
};
use nemesis_core::{Error, Result, shots};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Shows what happened to a cell: what was asked for, the sample it drew, how training went, what it left, who evaluated it
/// and with what result, when and where; or why it failed. Of an evaluation, the story begins with its training.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Log {
    /// The cell's id, or its first digits, as the page of results and `nemesis cells` show it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    records: Only<Records>,
    /// Print the records as JSON: the cell's, then its training's, evaluations' and failures'
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  nemesis log 3f9a0c
  nemesis log 3f9a0c --json | jq '.[0].outcome'";

/// What is known about a cell: its record, or why there is none.
enum Known {
    Record(AnyRecord),
    Failed(Box<Failure>),
}

impl Log {
    pub(super) fn run(&self) -> Result<Ending> {
        let store = open_store(&self.records.settings()?.out())?;
        let id = self.find(&store)?;
        let known = known(&id, &store)?;
        // Failures of trainings and evaluations alone make no plan.
        let plans = saved_plans(store.folder(), None).unwrap_or_default();
        if self.json {
            print(&format!("{:#}\n", json_of(&known, &store)?))?;
        } else {
            print(&story(&id, &known, &store, &plans)?)?;
        }
        Ok(match known {
            Known::Record(_) => Ending::Done,
            Known::Failed(_) => Ending::WithFailures,
        })
    }

    /// The one cell whose id begins with the digits.
    fn find(&self, store: &Store) -> Result<CellId> {
        let mut fitting: Vec<CellId> = store.ids()?.into_iter().chain(store.failures()?).collect();
        fitting.retain(|id| id.to_string().starts_with(&self.id));
        fitting.sort_unstable();
        fitting.dedup();
        match fitting.as_slice() {
            [id] => Ok(*id),
            [] => Err(Error::new(format!("there is no cell whose id begins with `{}`", self.id))
                .at(store.folder())
                .help("`nemesis cells` lists all that have a record")),
            many => Err(Error::new(format!("{} cells have an id that begins with `{}`", many.len(), self.id))
                .at(store.folder())
                .expected("one; give more digits")
                .help(format!("they are {}", abridged(many.iter().map(CellId::short), 5)))),
        }
    }
}

fn known(id: &CellId, store: &Store) -> Result<Known> {
    if store.contains(id) {
        return Ok(Known::Record(AnyRecord::read(id, store)?));
    }
    let failure = store.failure(id)?.ok_or_else(|| Error::new(format!("there is no cell {id}")).at(store.folder()))?;
    Ok(Known::Failed(Box::new(failure)))
}

/// The evaluations of a training, sorted by id.
fn evaluations_of(training: &CellId, store: &Store) -> Result<Vec<EvaluationRecord>> {
    let of_training = |record| match record {
        Ok(AnyRecord::Evaluation(record)) => {
            let is_meant = record.cell.subject.training().is_some_and(|cell| cell.id() == *training);
            is_meant.then_some(Ok(*record))
        }
        Ok(AnyRecord::Training(_)) => None,
        Err(error) => Some(Err(error)),
    };
    store.read_all(|_, record| of_training(record))?.into_iter().collect()
}

fn training_of(record: &EvaluationRecord, store: &Store) -> Result<Option<TrainingRecord>> {
    let Some(cell) = record.cell.subject.training() else { return Ok(None) };
    store.get::<TrainingCell>(&cell.id())
}

fn json_of(known: &Known, store: &Store) -> Result<Value> {
    Ok(match known {
        Known::Record(AnyRecord::Evaluation(record)) => json!([record, training_of(record, store)?]),
        Known::Record(AnyRecord::Training(record)) => {
            let evaluations = evaluations_of(&record.id, store)?;
            let all = std::iter::once(json!(record)).chain(evaluations.iter().map(|record| json!(record)));
            Value::Array(all.collect())
        }
        Known::Failed(failure) => json!([failure]),
    })
}

fn story(id: &CellId, known: &Known, store: &Store, plans: &[(String, SavedPlan)]) -> Result<String> {
    let mut text = String::new();
    match known {
        Known::Record(AnyRecord::Training(record)) => {
            of_training(record, store, &mut text);
            let evaluations = evaluations_of(&record.id, store)?;
            text += "\nEvaluations\n";
            if evaluations.is_empty() {
                text += "  none\n";
            }
            for record in &evaluations {
                let _ = writeln!(
                    text,
                    "  {}  {:6.2} %  tested on {}, {}",
                    record.id.short(),
                    record.outcome.accuracy,
                    record.cell.dataset,
                    tested(&record.cell)
                );
            }
        }
        Known::Record(AnyRecord::Evaluation(record)) => {
            match training_of(record, store)? {
                Some(training) => of_training(&training, store, &mut text),
                None => text += &untrained(&record.cell),
            }
            of_evaluation(record, store, plans, &mut text);
        }
        Known::Failed(failure) => {
            let _ = writeln!(text, "Cell {id} failed\n\n{}\n", failure.reason);
            let _ = writeln!(text, "What was to be computed\n{:#}", json!(failure.cell));
        }
    }
    Ok(text)
}

fn untrained(cell: &EvaluationCell) -> String {
    match &cell.subject {
        Subject::ZeroShot { template } => format!("Nothing was trained: zero-shot with the template `{template}`\n"),
        Subject::Ensemble { name, templates } => {
            format!("Nothing was trained: zero-shot with the {} templates of {name}\n", templates.len())
        }
        Subject::Described { name, sentences } => {
            let sentences = sentences.iter().map(Vec::len).sum::<usize>();
            format!("Nothing was trained: zero-shot with the {sentences} sentences of {name}\n")
        }
        Subject::Imported { state, method } => {
            format!("A learned state of {} was imported: {state}\n", method.id)
        }
        Subject::Training { cell } => format!("The record of its training {} is gone\n", cell.id()),
    }
}

fn of_training(record: &TrainingRecord, store: &Store, text: &mut String) {
    let TrainingRecord { cell, outcome, provenance, id, .. } = record;
    let _ = writeln!(
        text,
        "Training {id}\n{} on {}, {}, {}\n",
        cell.method.id,
        cell.dataset,
        shots::in_words(cell.shots),
        cell.seeds().in_words()
    );
    line(
        text,
        "sample",
        &format!(
            "{} per class ({} classes), {}",
            shots::in_words(cell.shots),
            cell.classes,
            cell.sample.as_ref().map_or("drawn".to_owned(), |from| format!("from a list ({from})"))
        ),
    );
    line(text, "options", &pairs(&cell.method.options));
    line(text, "protocol", &pairs(&cell.protocol));
    line(text, "precision", &cell.precision);
    line(text, "weights", &cell.backbone.weights);
    if let (Some(first), Some(last)) = (outcome.epochs.first(), outcome.epochs.last()) {
        let lowest = outcome.epochs.iter().map(|epoch| epoch.loss).fold(f64::INFINITY, f64::min);
        line(
            text,
            "loss",
            &format!(
                "{:.4} in the first of {} epochs, {:.4} in the last, lowest {lowest:.4}",
                first.loss,
                outcome.epochs.len(),
                last.loss
            ),
        );
        for (name, values) in &last.reported {
            let values: Vec<String> = values.iter().map(|value| format!("{value:.4}")).collect();
            line(text, &name.replace('_', " "), &format!("{} in the last epoch", abridged(&values, 8)));
        }
    }
    line(text, "learned", &format!("states/{}.safetensors", outcome.state));
    for (epoch, hash) in &outcome.kept {
        line(text, &format!("epoch {epoch}"), &format!("states/{hash}.safetensors"));
    }
    computed(provenance, id, store, text);
}

fn of_evaluation(record: &EvaluationRecord, store: &Store, plans: &[(String, SavedPlan)], text: &mut String) {
    let EvaluationRecord { cell, outcome, provenance, id, .. } = record;
    let _ = writeln!(text, "\nEvaluation {id}\ntested on {}, {}\n", cell.dataset, tested(cell));
    line(text, "accuracy", &format!("{:.2} % ({} of {})", outcome.accuracy, outcome.correct, outcome.total));
    let worst = (outcome.classes.iter().enumerate())
        .filter(|(_, class)| class.total > 0)
        .min_by(|(_, one), (_, two)| share(one.correct, one.total).total_cmp(&share(two.correct, two.total)));
    if let Some((label, class)) = worst {
        line(text, "worst class", &format!("label {label}: {} of {}", class.correct, class.total));
    }
    if !outcome.context_norms.is_empty() {
        let norms: Vec<String> = outcome.context_norms.iter().map(|norm| format!("{norm:.4}")).collect();
        line(text, "norms", &abridged(&norms, 16));
    }
    computed(provenance, id, store, text);
    let tables = plans.iter().filter(|(_, plan)| plan.cells.iter().any(|cell| cell.id == *id));
    let tables: Vec<&String> = tables.map(|(name, _)| name).collect();
    line(text, "in tables", &if tables.is_empty() { "none".to_owned() } else { abridged(tables, 10) });
}

fn share(correct: u32, total: u32) -> f64 {
    f64::from(correct) / f64::from(total)
}

fn computed(provenance: &Provenance, id: &CellId, store: &Store, text: &mut String) {
    let Provenance { nemesis, libtorch, processor, device, threads, seconds, adopted, .. } = provenance;
    let when = store.written(id).and_then(to_the_minute).map_or(String::new(), |when| format!("{when}, "));
    line(
        text,
        "computed",
        &format!(
            "{when}in {seconds:.1} s on {device} ({processor}, {threads} {}) by nemesis {nemesis} with libtorch {libtorch}",
            if *threads == 1 { "thread" } else { "threads" }
        ),
    );
    if let Some(adopted) = adopted {
        line(text, "adopted", &format!("from cell {} of another build: {}", adopted.from, adopted.statement));
    }
}

/// A time as a date, to the minute.
fn to_the_minute(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let date = DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)?;
    Some(date.format("%Y-%m-%d %H:%M UTC").to_string())
}

fn pairs(map: &Map<String, Value>) -> String {
    let said = map.iter().map(|(name, value)| match value {
        Value::String(text) if !text.is_empty() => format!("{name} {text}"),
        // Descriptions of all classes, for instance.
        value => match value.to_string() {
            long if long.len() > 200 => format!("{name} {}…", long.chars().take(200).collect::<String>()),
            short => format!("{name} {short}"),
        },
    });
    said.collect::<Vec<_>>().join(", ")
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<12} {value}");
}
