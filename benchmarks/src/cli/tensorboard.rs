//! `nemesis tensorboard`: histories of trainings as event files.

use super::only::{Only, Records};
use super::trainings::open_store;
use super::{Ending, print};
use crate::cells::AnyRecord;
use crate::cells::tensorboard::{event_file, scalars};
use clap::Args;
use nemesis_core::record::{CellId, EvaluationRecord, TrainingCell, TrainingRecord};
use nemesis_core::shots::written;
use nemesis_core::{Error, Result, files};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Writes an event file for each training, which TensorBoard reads: loss, learning rate and reported values by epoch, and
/// the accuracies of its evaluations. Each is in a folder of its own, DIR/DATASET/METHOD-SHOTS-SEED-ID.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TensorBoard {
    #[command(flatten)]
    records: Only<Records>,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  nemesis tensorboard --to runs && tensorboard --logdir runs";

impl TensorBoard {
    pub(super) fn run(&self) -> Result<Ending> {
        let store = open_store(&self.records.settings()?.out())?;
        let mut trainings: BTreeMap<CellId, TrainingRecord> = BTreeMap::new();
        let mut evaluations: BTreeMap<CellId, Vec<EvaluationRecord>> = BTreeMap::new();
        for record in store.read_all(|_, record| Some(record))? {
            match record? {
                AnyRecord::Training(record) => {
                    trainings.insert(record.id, *record);
                }
                AnyRecord::Evaluation(record) => {
                    if let Some(training) = record.cell.subject.training().map(TrainingCell::id) {
                        evaluations.entry(training).or_default().push(*record);
                    }
                }
            }
        }
        if trainings.is_empty() {
            return Err(Error::new("no training has a record yet")
                .at(store.folder())
                .help("`nemesis run` resumes where it stopped"));
        }
        for (id, record) in &trainings {
            let of_training: Vec<&EvaluationRecord> = evaluations.get(id).into_iter().flatten().collect();
            let file = self.to.join(folder(record)).join("events.out.tfevents.0.nemesis");
            let time = store.written(id).and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            // One that is not known is 1970.
            let time = time.map_or(0.0, |since| since.as_secs_f64());
            files::write_atomic(&file, &event_file(&scalars(record, &of_training), time))?;
        }
        print(&format!("{} trainings written to {}\n", trainings.len(), self.to.display()))?;
        Ok(Ending::Done)
    }
}

fn folder(record: &TrainingRecord) -> PathBuf {
    let cell = &record.cell;
    let classes = cell.classes.to_string();
    let classes = if classes == "all" { String::new() } else { format!("-{classes}") };
    let initialisation = cell.initialisation.map_or_else(String::new, |seed| format!("-init{seed}"));
    let run = format!(
        "{}{classes}-{}-seed{}{initialisation}-{}",
        cell.method.id,
        written(cell.shots),
        cell.seed,
        record.id.short()
    );
    Path::new(&cell.dataset).join(run)
}
