//! A record whose kind is not known before it is read.

use super::{
    Cell, CellId, EvaluationCell, EvaluationRecord, MethodKey, Provenance, Store, Subject, TrainingCell, TrainingRecord,
};
use crate::{Error, Result, threads};
use rayon::prelude::*;
use std::path::PathBuf;
use std::{fs, iter};

/// A record of either kind.
#[derive(Clone, Debug)]
pub enum AnyRecord {
    /// Of a training.
    Training(Box<TrainingRecord>),
    /// Of an evaluation.
    Evaluation(Box<EvaluationRecord>),
}

impl AnyRecord {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// When it is missing, damaged or of another format; the message names the file.
    pub fn read(id: &CellId, store: &Store) -> Result<Self> {
        let no_cell = || Error::new(format!("there is no cell {id}")).at(store.folder());
        let file = store.read_record(id)?.ok_or_else(no_cell)?;
        let training = || file.parse::<TrainingCell>().map(|record| Self::Training(Box::new(record)));
        // The kind stands at the beginning. If it is not where it should be, this costs a second attempt.
        if file.looks_like_training() {
            return training();
        }
        match file.parse::<EvaluationCell>() {
            Ok(record) => Ok(Self::Evaluation(Box::new(record))),
            Err(error) => training().map_err(|_| error),
        }
    }

    /// The cell's id.
    pub fn id(&self) -> &CellId {
        match self {
            Self::Training(record) => &record.id,
            Self::Evaluation(record) => &record.id,
        }
    }

    /// What was computed.
    pub fn cell(&self) -> Cell {
        match self {
            Self::Training(record) => Cell::Training(record.cell.clone()),
            Self::Evaluation(record) => Cell::Evaluation(record.cell.clone()),
        }
    }

    /// Where and by what.
    pub fn provenance(&self) -> &Provenance {
        match self {
            Self::Training(record) => &record.provenance,
            Self::Evaluation(record) => &record.provenance,
        }
    }

    /// The hashes of the learned states that it refers to.
    pub fn states(&self) -> Vec<&str> {
        match self {
            Self::Training(record) => {
                let outcome = &record.outcome;
                iter::once(&outcome.state).chain(outcome.kept.values()).map(String::as_str).collect()
            }
            Self::Evaluation(record) => match &record.cell.subject {
                Subject::Imported { state, .. } => vec![state],
                _ => Vec::new(),
            },
        }
    }

    /// The files of learned states and predictions that are not what the record promises. Those that are gone are not
    /// among them: somebody may have needed the room.
    pub fn damaged_files(&self, store: &Store) -> Vec<PathBuf> {
        let states = self.states().into_iter().map(|hash| (store.state_path(hash), hash));
        let predictions = match self {
            Self::Training(_) => None,
            Self::Evaluation(record) => Some((store.predictions_path(&record.id), record.outcome.predictions.as_str())),
        };
        let has_changed = |(path, hash): (PathBuf, &str)| match fs::read(&path) {
            Ok(bytes) => (super::store::hash(&bytes) != hash).then_some(path),
            Err(_) => None,
        };
        states.chain(predictions).filter_map(has_changed).collect()
    }

    /// The training: itself, or what is evaluated.
    pub fn training(&self) -> Option<&TrainingCell> {
        match self {
            Self::Training(record) => Some(&record.cell),
            Self::Evaluation(record) => record.cell.subject.training(),
        }
    }

    /// The method, unless it is a zero-shot classifier.
    pub fn method(&self) -> Option<&MethodKey> {
        match self {
            Self::Training(record) => Some(&record.cell.method),
            Self::Evaluation(record) => record.cell.subject.method(),
        }
    }
}

impl Store {
    /// Reads all records, several at a time, and keeps what `keep` takes of each, in the order of the ids. What is not
    /// kept is dropped at once, so that a store may be larger than the memory.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn read_all<T: Send>(&self, keep: impl Fn(CellId, Result<AnyRecord>) -> Option<T> + Sync) -> Result<Vec<T>> {
        self.read_some(|_| true, keep)
    }

    /// The same of those records whose ids are wanted.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn read_some<T: Send>(
        &self,
        wanted: impl Fn(&CellId) -> bool,
        keep: impl Fn(CellId, Result<AnyRecord>) -> Option<T> + Sync,
    ) -> Result<Vec<T>> {
        threads::ready()?;
        let ids: Vec<CellId> = self.ids()?.into_iter().filter(wanted).collect();
        Ok(ids.into_par_iter().filter_map(|id| keep(id, AnyRecord::read(&id, self))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::cell::tests::training;
    use super::super::outcome::tests::provenance;
    use super::super::{Provenance, Trained};
    use super::*;
    use crate::method::State;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_wrong_with_a_training_is_told_as_that() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let trained = Trained { epochs: Vec::new(), state: &State::new(), kept: BTreeMap::new(), classes: &[] };
        let id = store.put_training(&training(), trained, provenance()).unwrap().id;
        let text = fs::read_to_string(store.record_path(&id)).unwrap();
        let Provenance { seconds, .. } = provenance();
        let changed = text.replace(&format!("\"seconds\": {seconds}"), "\"seconds\": 7.5");
        assert_ne!(changed, text);
        fs::write(store.record_path(&id), changed).unwrap();
        let error = AnyRecord::read(&id, &store).unwrap_err();
        assert_eq!(error.what(), "the record has changed since it was written: its checksum differs");
    }
}
