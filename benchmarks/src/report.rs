//! From records to a suite's table: on the terminal, and as files next to the records.

use crate::compare::published_lines;
use crate::plan::{Checkpoint, SavedCell, SavedColumn, SavedPlan};
use crate::results::{self, Results};
use crate::tables::formats::{Terminal, write_all};
use crate::tables::{Contents, Entry, Figure, MethodColumn, Outcome, Place, Table};
use nemesis_core::error::suggest;
use nemesis_core::record::Store;
use nemesis_core::{Error, Result, files};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Writes the table of a saved plan in every format to `out`, and returns it as text for the terminal, and the files.
///
/// # Errors
///
/// When a record is damaged or a file cannot be written.
pub fn write_and_render(name: &str, plan: &SavedPlan, store: &Store, out: &Path) -> Result<(String, Vec<PathBuf>)> {
    let table = table(plan, store)?;
    let files = write_all(&table, out, name)?;
    Ok((Terminal::of_stdout().render(&table), files))
}

/// The table of a saved plan, from the records that there are.
///
/// # Errors
///
/// When a record is damaged.
pub fn table(plan: &SavedPlan, store: &Store) -> Result<Table> {
    let outcomes = results::outcomes(plan, store)?;
    let (contents, entries) = contents(plan, outcomes);
    Ok(plan.table.kind().table(&contents, &entries))
}

/// The table of a saved plan, and its figures.
///
/// # Errors
///
/// When a record is damaged.
pub fn table_and_figures(plan: &SavedPlan, store: &Store) -> Result<(Table, Vec<Figure>)> {
    let outcomes = results::outcomes(plan, store)?;
    table_and_figures_of(plan, outcomes)
}

/// The same, given what came out of the plan's cells, in their order.
///
/// # Errors
///
/// When the embedded published numbers cannot be read.
pub fn table_and_figures_of(plan: &SavedPlan, outcomes: Vec<Outcome>) -> Result<(Table, Vec<Figure>)> {
    let published = if plan.asked.as_ref().is_some_and(|asked| asked.checkpoint.published.is_some()) {
        published_lines(&Results::of(&plan.title, plan, outcomes.clone()))?
    } else {
        Vec::new()
    };
    let (contents, entries) = contents(plan, outcomes);
    let contents = Contents { published, ..contents };
    let kind = plan.table.kind();
    let table = kind.table(&contents, &entries);
    let figures = kind.figures(&contents, &entries, &table);
    Ok((table, figures))
}

/// What a table and its figures are made of.
fn contents(plan: &SavedPlan, outcomes: Vec<Outcome>) -> (Contents, Vec<Entry>) {
    let entries: Vec<Entry> = plan.cells.iter().zip(outcomes).map(|(cell, outcome)| entry(cell, outcome)).collect();
    let column = |column: &SavedColumn| MethodColumn {
        label: column.label.clone(),
        swept: column.swept.as_ref().map(|swept| (swept.what.clone(), swept.value.clone())),
    };
    let contents = Contents {
        title: plan.title.clone(),
        datasets: plan.datasets.clone(),
        methods: plan.columns.iter().map(column).collect(),
        shots: plan.shots.clone(),
        seeds: plan.crossed_seeds(),
        zero_shot: plan.zero_shot_labels().map(str::to_owned).collect(),
        remarks: remarks(plan, &entries),
        published: Vec::new(),
    };
    (contents, entries)
}

/// What has to be said about the table, apart from what its records say.
fn remarks(plan: &SavedPlan, entries: &[Entry]) -> Vec<String> {
    let asked = plan.asked.as_ref();
    let backbone = match asked.map(|asked| &asked.checkpoint) {
        None => format!("the backbone is `{}`", plan.backbone),
        Some(checkpoint) if checkpoint.is_mini() => "the backbone is `mini`".to_owned(),
        Some(Checkpoint { published: Some(published), .. }) => format!("the backbone is OpenAI's {published}"),
        Some(Checkpoint { hash, .. }) => format!(
            "the backbone is called `{}`; its file is none that OpenAI published (blake3 {}…)",
            plan.backbone,
            &hash[..12.min(hash.len())]
        ),
    };
    let set =
        asked.into_iter().flat_map(|asked| &asked.set).map(|(option, value)| format!("`{option}` is set to {value}"));
    // Plans of earlier versions do not say what their methods are. Then all notes apply.
    let shown = plan.shown();
    let notes = plan.notes.iter().filter_map(|note| match &shown {
        Some(shown) => note.for_table(shown).map(str::to_owned),
        None => Some(note.text.clone()),
    });
    let (there, planned) = (entries.iter().filter(|entry| entry.outcome.record().is_some()).count(), plan.expected());
    let holes = (there < planned).then(|| format!("not complete: {there} of {planned} evaluations are there"));
    std::iter::once(backbone).chain(notes).chain(set).chain(holes).collect()
}

fn entry(cell: &SavedCell, outcome: Outcome) -> Entry {
    let place = match (&cell.column, cell.sample) {
        (Some(method), Some((shots, seeds))) => Place::Trained { method: method.clone(), shots, seeds },
        _ => Place::ZeroShot { label: cell.label().to_owned() },
    };
    Entry {
        dataset: cell.dataset.clone(),
        classes: cell.classes,
        place,
        corruption: cell.corruption,
        epoch: cell.epoch,
        outcome,
    }
}

/// Keeps only the plan of one question, as `nemesis report --list` names it.
///
/// # Errors
///
/// When there is none.
pub fn keep_question(plans: &mut Vec<(String, SavedPlan)>, name: &str, out: &Path) -> Result<()> {
    if plans.iter().any(|(known, _)| known == name) {
        plans.retain(|(known, _)| known == name);
        return Ok(());
    }
    Err(Error::new(format!("there is no question `{name}` here"))
        .at(out)
        .help(suggest(name, plans.iter().map(|(known, _)| known.as_str()))))
}

/// The plans saved with the records in `out`, by the names of their tables: all of them, or those of one suite, the
/// unchanged suite first.
///
/// # Errors
///
/// When there is none, or one is damaged.
pub fn saved_plans(out: &Path, suite: Option<&str>) -> Result<Vec<(String, SavedPlan)>> {
    let mut plans = all_plans(out)?;
    if plans.is_empty() {
        return Err(Error::new("there is no table here yet")
            .at(out)
            .help("`nemesis run --out DIR` computes one and leaves its plan in DIR"));
    }
    if let Some(suite) = suite {
        let of_suite = |(name, plan): &(String, SavedPlan)| plan.suite(name) == suite || name == suite;
        if !plans.iter().any(of_suite) {
            let known: BTreeSet<&str> =
                plans.iter().flat_map(|(name, plan)| [plan.suite(name), name.as_str()]).collect();
            return Err(Error::new(format!("there is no table of `{suite}` here")).at(out).help(suggest(suite, known)));
        }
        plans.retain(of_suite);
    }
    Ok(plans)
}

/// All plans saved with the records in `out`, which may be none, by the names of their tables.
///
/// # Errors
///
/// When one is damaged, or the folder cannot be read.
pub fn all_plans(out: &Path) -> Result<Vec<(String, SavedPlan)>> {
    let folder = out.join("plans");
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| Error::io("list the folder", &folder, &error))?,
    };
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".json")?.to_owned())).collect();
    names.sort();
    let read = |name: String| {
        let path = folder.join(format!("{name}.json"));
        let plan = serde_json::from_str(&files::read_text(&path)?).map_err(|e| {
            Error::new(format!("the saved plan is damaged: {e}"))
                .at(&path)
                .line(e.line())
                .help("delete it: records stay, and the command that made the plan writes it again")
        })?;
        Ok((name, plan))
    };
    names.into_iter().map(read).collect()
}
