//! Finding the record of a training by what a user knows about it.

use clap::Args;
use nemesis_core::error::abridged;
use nemesis_core::record::{AnyRecord, CellId, Store, TrainingCell, TrainingRecord};
use nemesis_core::{Error, Result, shots};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// The store in an existing folder.
///
/// # Errors
///
/// When the folder does not exist.
pub(super) fn open_store(out: &Path) -> Result<Store> {
    require_records(out)?;
    Store::open(out)
}

/// Refuses a folder of records that does not exist, which opening its store would make.
///
/// # Errors
///
/// When it does not.
pub(super) fn require_records(out: &Path) -> Result<()> {
    if out.is_dir() {
        return Ok(());
    }
    Err(Error::new("there are no records here").at(out).help("give their folder with --out DIR"))
}

/// What the training must be; what is not given may be anything.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Wanted {
    /// The data set that it was trained on
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// The method's id
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// Training images per class
    #[arg(long, value_name = "N|all", value_parser = shots::parse)]
    shots: Option<u32>,
    /// The seed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The seed of the initialisation, if the run split seeds (`--split-seeds`) [default: that of --seed]
    #[arg(long, value_name = "N")]
    initialisation: Option<u64>,
}

impl Wanted {
    fn fits(&self, cell: &TrainingCell) -> bool {
        self.dataset.as_ref().is_none_or(|dataset| cell.dataset == *dataset)
            && self.method.as_ref().is_none_or(|method| cell.method.id == *method)
            && self.shots.is_none_or(|shots| cell.shots == shots)
            && self.seed.is_none_or(|seed| cell.seed == seed)
            && self.initialisation.or(self.seed).is_none_or(|seed| cell.seeds().initialisation == seed)
    }
}

/// How many of the trainings that fit are named.
const MAX_NAMED: usize = 5;

/// All that a training's id rests on, except what its name says in any case. Of hashes, the first digits.
fn parts(cell: &TrainingCell) -> BTreeSet<(String, String)> {
    const SAID: [&str; 6] = ["dataset", "classes", "shots", "seed", "initialisation", "method.id"];
    let mut parts = BTreeSet::new();
    let mut waiting = vec![(String::new(), serde_json::to_value(cell).unwrap_or_default())];
    while let Some((name, value)) = waiting.pop() {
        match value {
            Value::Object(map) => waiting.extend(map.into_iter().map(|(key, value)| match name.as_str() {
                "" | "method.options" => (key, value),
                _ => (format!("{name}.{key}"), value),
            })),
            _ if SAID.contains(&name.as_str()) => {}
            Value::String(hash) if hash.len() == 64 => drop(parts.insert((name, hash[..12].to_owned()))),
            Value::String(text) => drop(parts.insert((name, text))),
            value => drop(parts.insert((name, value.to_string()))),
        }
    }
    parts
}

/// The one training that fits, given the first digits of its id, or what it is.
///
/// # Errors
///
/// When none fits or several do (the message names some), or none fits and a record cannot be read.
pub(super) fn find(store: &Store, id: Option<&str>, wanted: &Wanted) -> Result<TrainingRecord> {
    let is_meant = |known: &CellId| id.is_none_or(|digits| known.to_string().starts_with(digits));
    let fits = |record| match record {
        Ok(AnyRecord::Training(record)) => wanted.fits(&record.cell).then_some(Ok(*record)),
        Ok(AnyRecord::Evaluation(_)) => None,
        Err(error) => Some(Err(error)),
    };
    let mut fitting: Vec<TrainingRecord> = Vec::new();
    let mut unreadable = None;
    for record in store.read_some(is_meant, |_, record| fits(record))? {
        match record {
            Ok(record) => fitting.push(record),
            Err(error) => unreadable = unreadable.or(Some(error)),
        }
    }
    // A record that is damaged, or of another version, may be the one that is wanted.
    if let Some(error) = unreadable.filter(|_| fitting.is_empty()) {
        return Err(error);
    }
    let wrong = |what: String| {
        Error::new(what)
            .at(store.folder())
            .help("`nemesis plan --json` with the run's options prints the ids of its trainings")
    };
    match fitting.len() {
        0 => Err(wrong(match id {
            Some(id) => format!("there is no training whose id begins with `{id}`"),
            None => "no record of a training fits".to_owned(),
        })),
        1 => Ok(fitting.swap_remove(0)),
        count => {
            // The rest distinguishes one from the others.
            let mut shared = parts(&fitting[0].cell);
            for record in &fitting[1..] {
                let parts = parts(&record.cell);
                shared.retain(|part| parts.contains(part));
            }
            let name = |record: &TrainingRecord| {
                let cell = &record.cell;
                let classes =
                    if cell.classes.to_string() == "all" { String::new() } else { format!(" {}", cell.classes) };
                let (method, dataset, seed) = (&cell.method.id, &cell.dataset, cell.seeds().in_words());
                let shots = shots::in_words(cell.shots);
                let parts = parts(cell);
                let apart = parts.difference(&shared);
                let told: Vec<String> = apart.map(|(name, value)| format!(", {name} {value}")).collect();
                format!("{} ({method} on {dataset}{classes}, {shots}, {seed}{})", record.id.short(), told.concat())
            };
            let named = abridged(fitting.iter().map(name), MAX_NAMED);
            Err(Error::new(format!("{count} trainings fit"))
                .at(store.folder())
                .expected("one; be more specific, or give its id")
                .help(format!("they are {named}")))
        }
    }
}
