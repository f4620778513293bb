//! The store: a folder of records, learned states, predictions and failures.
//!
//! Everything is named by a hash and written whole, so that any number of processes may write to one store, and a
//! kill at any moment leaves complete files only.

use super::file::{RecordFile, damaged, read_json, read_json_up_to, write_json};
use super::outcome::{FAILURE_SCHEMA, SCHEMA, check_finite};
use super::predictions::{pack, unpack};
use super::state::{from_safetensors, metadata, to_safetensors};
use super::{
    Cell, CellId, Evaluated, EvaluationCell, EvaluationOutcome, EvaluationRecord, Failure, Provenance, Record,
    Recorded, Trained, TrainingCell, TrainingOutcome, TrainingRecord,
};
use crate::error::words_of_serde_json;
use crate::method::State;
use crate::{Error, Result, files};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tch::Tensor;

/// A folder of records.
///
/// `records/ID.json`, beside them `predictions/ID.bin`, `states/HASH.safetensors`, `images/HASH.json` and
/// `failures/ID.json`.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Opens the store in `folder`, which is created when it is missing.
    ///
    /// # Errors
    ///
    /// When the folder cannot be created, or an adoption that was interrupted cannot be finished.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref().to_owned();
        fs::create_dir_all(&folder).map_err(|e| Error::io_write("create the folder", &folder, &e))?;
        let store = Self { folder };
        store.finish_adoptions()?;
        Ok(store)
    }

    /// Tries whether files can be added to every folder that is there, before anything is computed that could not be kept.
    ///
    /// # Errors
    ///
    /// When they cannot; the message names the folder.
    pub fn require_writable(&self) -> Result<()> {
        let parts = ["records", "predictions", "states", "images", "failures"].map(|part| self.folder.join(part));
        parts.iter().filter(|folder| folder.exists()).try_for_each(|folder| {
            // It has no name, so that no kill can leave it behind.
            tempfile::tempfile_in(folder).map(drop).map_err(|e| Error::io_write("write into the folder", folder, &e))
        })
    }

    /// The folder of the store.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the cell is complete. No record is read.
    pub fn contains(&self, id: &CellId) -> bool {
        self.record_path(id).is_file()
    }

    /// The ids of all records, to look up many. No record is read, and no file looked at one by one.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn complete(&self) -> Result<HashSet<CellId>> {
        Ok(self.ids()?.into_iter().collect())
    }

    /// The ids of all records, sorted. No record is read.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn ids(&self) -> Result<Vec<CellId>> {
        ids_in(&self.folder.join("records"))
    }

    /// When the record of a cell was written, by the clock of the machine that has the files.
    pub fn written(&self, id: &CellId) -> Option<SystemTime> {
        fs::metadata(self.record_path(id)).ok()?.modified().ok()
    }

    /// The ids of all cells whose failure is noted, sorted.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn failures(&self) -> Result<Vec<CellId>> {
        ids_in(&self.folder.join("failures"))
    }

    /// The record of a cell, if it is complete: `store.get::<EvaluationCell>(&id)`.
    ///
    /// # Errors
    ///
    /// When the record is damaged, of another format, or of the other kind; the message names the file.
    pub fn get<C: Recorded>(&self, id: &CellId) -> Result<Option<Record<C>>> {
        self.read_record(id)?.map(|file| file.parse()).transpose()
    }

    /// The record of a cell as bytes, if it is complete.
    pub(super) fn read_record(&self, id: &CellId) -> Result<Option<RecordFile>> {
        RecordFile::read(id, self.record_path(id))
    }

    /// Records a training: its learned state by content, then the record. If two processes compute it, the first stays: on
    /// other hardware the last digits may differ, and evaluations of the first may be there already.
    ///
    /// # Errors
    ///
    /// When a value is not finite, or a file cannot be written. There is no record then, or it is there and only that it
    /// survives a power cut could not be had.
    pub fn put_training(
        &self,
        cell: &TrainingCell,
        trained: Trained<'_>,
        provenance: Provenance,
    ) -> Result<TrainingRecord> {
        let Trained { epochs, state, classes, kept } = trained;
        check_finite(&epochs)?;
        let record = if let Ok(Some(first)) = self.get(&cell.id()) {
            first
        } else {
            let state = self.put_state_of(state, classes)?;
            self.put(cell, TrainingOutcome { state, epochs, kept }, provenance)?
        };
        self.remove_checkpoint(&record.id);
        Ok(record)
    }

    /// Records an evaluation, given predicted and true labels in test order: the predictions, then the record. If two
    /// processes compute it, the first stays.
    ///
    /// # Errors
    ///
    /// When the labels do not fit together, or as [`Self::put_training`].
    pub fn put_evaluation(
        &self,
        cell: &EvaluationCell,
        evaluated: Evaluated<'_>,
        provenance: Provenance,
    ) -> Result<EvaluationRecord> {
        if let Ok(Some(first)) = self.get(&cell.id()) {
            return Ok(first);
        }
        let packed = pack(evaluated.predicted);
        let outcome = EvaluationOutcome::count(evaluated, hash(&packed))?;
        files::write_atomic(&self.predictions_path(&cell.id()), &packed)?;
        self.put(cell, outcome, provenance)
    }

    /// The predicted labels of an evaluation, in test order.
    ///
    /// # Errors
    ///
    /// When the file is missing or not the one that the record tells of.
    pub fn predictions(&self, record: &EvaluationRecord) -> Result<Vec<u32>> {
        let path = self.predictions_path(&record.id);
        let packed = files::read(&path)?;
        if hash(&packed) != record.outcome.predictions {
            let path = self.record_path(&record.id);
            return Err(damaged("the predictions are not those that the record tells of", &path));
        }
        unpack(&packed).map_err(|e| e.at(&path))
    }

    /// Stores a learned state by its content and returns its hash.
    ///
    /// # Errors
    ///
    /// When the state or its file cannot be written.
    pub fn put_state(&self, state: &State) -> Result<String> {
        self.put_state_of(state, &[])
    }

    /// The same of a state that was learned for these classes. Their names are kept with it where a tensor has a row for
    /// each class, so that it is not taken for that of other classes.
    ///
    /// # Errors
    ///
    /// When the state or its file cannot be written.
    pub fn put_state_of(&self, state: &State, classes: &[String]) -> Result<String> {
        let by_class = state.iter().any(|(_, tensor)| has_row_for_each(tensor, classes.len()));
        let names = by_class.then(|| (CLASSES, serde_json::Value::from(classes).to_string()));
        let bytes = to_safetensors(state, names.as_slice())?;
        let hash = hash(&bytes);
        let path = self.state_path(&hash);
        // What is there already is not trusted: a damaged file must not outlive a new training.
        if fs::read(&path).ok().is_none_or(|there| there != bytes) {
            files::write_atomic(&path, &bytes)?;
        }
        Ok(hash)
    }

    /// What a training learned, on the CPU: in the end, or up to an epoch (counted from one) that it kept.
    ///
    /// # Errors
    ///
    /// When the epoch was not kept, or the file is missing or its content is not what its name promises.
    pub fn learned(&self, record: &TrainingRecord, epoch: Option<u64>) -> Result<State> {
        let hash = self.hash_of_learned(record, epoch)?;
        let retrain = format!("delete {}; the next run trains again", self.record_path(&record.id).display());
        self.state(hash).map_err(|e| e.help(retrain))
    }

    /// The hash of what a training learned: in the end, or up to an epoch (counted from one) that it kept.
    ///
    /// # Errors
    ///
    /// When the epoch was not kept.
    pub fn hash_of_learned<'a>(&self, record: &'a TrainingRecord, epoch: Option<u64>) -> Result<&'a str> {
        let outcome = &record.outcome;
        let Some(epoch) = epoch else { return Ok(&outcome.state) };
        let kept: Vec<String> = outcome.kept.keys().map(u64::to_string).collect();
        outcome.kept.get(&epoch).map(String::as_str).ok_or_else(|| {
            let error = Error::new(format!("the training kept no state of epoch {epoch}"));
            let error = error.at(self.record_path(&record.id));
            match kept.as_slice() {
                [] => error
                    .help("it kept none, as methods without epochs do; `--methods` leaves them out of such a table"),
                kept => error.expected(format!("one of: {}", kept.join(", "))),
            }
        })
    }

    /// The names of the classes, by label, that the learned state with this hash belongs to, as far as it has a tensor
    /// with a row for each and they were known when it was stored.
    ///
    /// # Errors
    ///
    /// When the file is missing or damaged.
    pub fn classes_of_state(&self, hash_of_state: &str) -> Result<Option<Vec<String>>> {
        let path = self.state_path(hash_of_state);
        let Some(names) = metadata(&files::read(&path)?, CLASSES).map_err(|e| e.at(&path))? else { return Ok(None) };
        let names = serde_json::from_str(&names);
        names.map(Some).map_err(|e| {
            Error::new(format!("the class names of the learned state are damaged: {}", words_of_serde_json(&e)))
                .at(&path)
        })
    }

    /// The learned state with this hash, on the CPU, wherever it came from.
    ///
    /// # Errors
    ///
    /// When the file is missing or its content is not what its name promises.
    pub fn state(&self, hash_of_state: &str) -> Result<State> {
        let path = self.state_path(hash_of_state);
        let bytes = files::read(&path)?;
        if hash(&bytes) != hash_of_state {
            return Err(Error::new("the learned state is damaged: it does not hash to its name").at(&path));
        }
        from_safetensors(&bytes).map_err(|e| e.at(&path))
    }

    /// Where the learned state with this hash lies.
    pub fn state_path(&self, hash: &str) -> PathBuf {
        self.folder.join("states").join(format!("{hash}.safetensors"))
    }

    /// Keeps what a list of images holds: path and blake3 of each, under the digest that cells name it by. A list that is
    /// there already is not asked for.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn put_images(&self, digest: &str, images: impl FnOnce() -> Vec<(PathBuf, String)>) -> Result<()> {
        let path = self.images_path(digest);
        if path.is_file() { Ok(()) } else { write_json(&path, &images()) }
    }

    /// What [`Self::put_images`] kept under this digest, if it did.
    ///
    /// # Errors
    ///
    /// When the file is damaged; the message names it.
    pub fn images(&self, digest: &str) -> Result<Option<Vec<(PathBuf, String)>>> {
        read_json(&self.images_path(digest))
    }

    /// The digests under which [`Self::put_images`] has kept lists.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn image_lists(&self) -> Result<HashSet<String>> {
        let digest = |path: &PathBuf| path.file_name()?.to_str()?.strip_suffix(".json").map(str::to_owned);
        Ok(files::list(&self.folder.join("images"))?.iter().filter_map(digest).collect())
    }

    /// Notes that a cell failed, and why. The note goes when the cell succeeds.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn put_failure(&self, cell: &Cell, reason: &Error) -> Result<()> {
        let id = cell.id();
        let failure = Failure { schema: FAILURE_SCHEMA, id, cell: cell.clone(), reason: reason.clone() };
        write_json(&self.failure_path(&id), &failure)
    }

    /// Why a cell failed, if it did.
    ///
    /// # Errors
    ///
    /// When the note is damaged; the message names the file.
    pub fn failure(&self, id: &CellId) -> Result<Option<Failure>> {
        read_json_up_to(FAILURE_SCHEMA, &self.failure_path(id))
    }

    /// The notes of failures of cells that are complete. A disk that is full for a moment leaves one: the record is there,
    /// and only that it is durable could not be had.
    ///
    /// # Errors
    ///
    /// When a folder cannot be listed.
    pub fn outlived_failures(&self) -> Result<Vec<PathBuf>> {
        let failures = self.failures()?;
        Ok(failures.iter().filter(|id| self.contains(id)).map(|id| self.failure_path(id)).collect())
    }

    /// When the failures that are noted here were noted, told by what the file system says of their files.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn failure_stamps(&self) -> Result<HashMap<CellId, FailureStamp>> {
        let mut stamps = HashMap::new();
        for id in ids_in(&self.folder.join("failures"))? {
            stamps.extend(self.failure_stamp(&id)?.map(|stamp| (id, stamp)));
        }
        Ok(stamps)
    }

    /// When the failure of a cell was noted, if it was. Noting it again changes this.
    ///
    /// # Errors
    ///
    /// When this cannot be determined.
    pub fn failure_stamp(&self, id: &CellId) -> Result<Option<FailureStamp>> {
        let path = self.failure_path(id);
        match fs::metadata(&path) {
            Ok(found) => Ok(Some(FailureStamp { inode: found.ino(), written: (found.mtime(), found.mtime_nsec()) })),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("read the file", &path, &e)),
        }
    }

    /// What to say of an evaluation of a training without record: why that failed, as far as it is known.
    pub fn failure_of_training(&self, training: &CellId) -> Error {
        match self.failure(training) {
            Ok(Some(failure)) => failure.reason.context("its training failed"),
            _ => Error::new("its training failed"),
        }
    }

    fn put<C: Recorded>(&self, cell: &C, outcome: C::Outcome, provenance: Provenance) -> Result<Record<C>> {
        let id = cell.id();
        let record = Record { schema: SCHEMA, kind: C::KIND, id, cell: cell.clone(), outcome, provenance };
        self.write_record(&record)?;
        let failure = self.failure_path(&id);
        match fs::remove_file(&failure) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io_write("remove the file", &failure, &e)),
            _ => Ok(record),
        }
    }

    pub(super) fn write_record<C: Recorded>(&self, record: &Record<C>) -> Result<()> {
        RecordFile::write(record, &self.record_path(&record.id))
    }

    /// Where the record of a cell lies, if it is complete.
    pub fn record_path(&self, id: &CellId) -> PathBuf {
        self.folder.join("records").join(format!("{id}.json"))
    }

    pub(super) fn predictions_path(&self, id: &CellId) -> PathBuf {
        self.folder.join("predictions").join(format!("{id}.bin"))
    }

    fn images_path(&self, digest: &str) -> PathBuf {
        self.folder.join("images").join(format!("{digest}.json"))
    }

    fn failure_path(&self, id: &CellId) -> PathBuf {
        self.folder.join("failures").join(format!("{id}.json"))
    }
}

/// What the file system says of the file that notes a failure: it differs after every note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureStamp {
    inode: u64,
    written: (i64, i64),
}

/// The ids that name the files of a folder, sorted; none if there is no such folder.
fn ids_in(folder: &Path) -> Result<Vec<CellId>> {
    // Other names are what a killed writer left behind, which nothing refers to.
    let id = |path: &PathBuf| path.file_name()?.to_str()?.strip_suffix(".json")?.parse::<CellId>().ok();
    let mut ids: Vec<CellId> = files::list(folder)?.iter().filter_map(id).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// The key of the class names in a state's metadata.
const CLASSES: &str = "classes";

/// Whether a tensor may hold a row for each of so many classes.
pub fn has_row_for_each(tensor: &Tensor, classes: usize) -> bool {
    classes > 0 && tensor.size().first() == Some(&(classes as i64))
}

pub(super) fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[cfg(test)]
mod tests;
