//! Finding the record of a training by what a user knows of it.

use nemesis_core::record::{EvaluationCell, Store, TrainingCell, TrainingRecord};
use nemesis_core::{Error, Result};
use std::path::Path;

/// The store in a folder that is there.
///
/// # Errors
///
/// When it is not.
pub(super) fn open_store(out: &Path) -> Result<Store> {
    if out.is_dir() {
        return Store::open(out);
    }
    Err(Error::new("there are no records here").at(out).help("give their folder with --out DIR"))
}

/// What the record must be of; what is not given may be anything.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    /// The first digits of the id.
    pub(super) id: Option<&'a str>,
    /// The data set trained on.
    pub(super) dataset: Option<&'a str>,
    /// The method's id.
    pub(super) method: Option<&'a str>,
    /// Training images per class.
    pub(super) shots: Option<u32>,
    /// The seed.
    pub(super) seed: Option<u64>,
}

impl Wanted<'_> {
    fn fits(&self, cell: &TrainingCell) -> bool {
        self.dataset.is_none_or(|dataset| cell.dataset == dataset)
            && self.method.is_none_or(|method| cell.method.id == method)
            && self.shots.is_none_or(|shots| cell.shots == shots)
            && self.seed.is_none_or(|seed| cell.seed == seed)
    }
}

/// How many of several fitting trainings are named.
const MAX_NAMED: usize = 5;

/// The one training that fits.
///
/// # Errors
///
/// When none fits or several do (the message names some), or none fits and a record cannot be read.
pub(super) fn find(store: &Store, wanted: Wanted<'_>) -> Result<TrainingRecord> {
    let mut fitting: Vec<TrainingRecord> = Vec::new();
    let mut unreadable = None;
    for id in store.ids()? {
        if wanted.id.is_some_and(|digits| !id.to_string().starts_with(digits)) {
            continue;
        }
        match store.get::<TrainingCell>(&id) {
            Ok(record) => fitting.extend(record.filter(|record| wanted.fits(&record.cell))),
            // The record of an evaluation is none of a training.
            Err(error) if store.get::<EvaluationCell>(&id).is_err() => unreadable = unreadable.or(Some(error)),
            Err(_) => {}
        }
    }
    // One that is damaged, or of another version, may be the one that is looked for.
    if let Some(error) = unreadable.filter(|_| fitting.is_empty()) {
        return Err(error);
    }
    let wrong = |what: String| {
        Error::new(what)
            .at(store.folder())
            .help("`nemesis plan --json` with the run's options prints the ids of its trainings")
    };
    match fitting.len() {
        0 => Err(wrong(match wanted.id {
            Some(id) => format!("there is no training whose id begins with `{id}`"),
            None => "there is no record of such a training".to_owned(),
        })),
        1 => Ok(fitting.swap_remove(0)),
        count => {
            let name = |record: &TrainingRecord| {
                let cell = &record.cell;
                let classes =
                    if cell.classes.to_string() == "all" { String::new() } else { format!(" {}", cell.classes) };
                let (method, dataset, seed) = (&cell.method.id, &cell.dataset, cell.seed);
                let shots = if cell.shots == 1 { "1 shot".to_owned() } else { format!("{} shots", cell.shots) };
                // What tells this one from the others, beside what was asked for.
                let of = |record: &TrainingRecord, option: &str| record.cell.method.options.get(option).cloned();
                let differs = |option: &&String| fitting.iter().any(|other| of(other, option) != of(record, option));
                let told = cell.method.options.iter().filter(|(option, _)| differs(option));
                let told: Vec<String> = told.map(|(option, value)| format!(", {option} {value}")).collect();
                format!("{} ({method} on {dataset}{classes}, {shots}, seed {seed}{})", record.id.short(), told.concat())
            };
            let mut named: Vec<String> = fitting.iter().take(MAX_NAMED).map(name).collect();
            named.extend((count > MAX_NAMED).then(|| format!("and {} more", count - MAX_NAMED)));
            Err(Error::new(format!("{count} trainings fit"))
                .at(store.folder())
                .expected("one; say more of it, or give its id")
                .help(format!("they are {}", named.join(", "))))
        }
    }
}
