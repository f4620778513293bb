//! Records of another build that this one uses, and the proof that it may.
//!
//! The proof is one file. It is written once the sample that it rests on was computed again and compared, and the
//! records follow from it. Should a kill come between, the next [`Store::open`] writes those that are missing; before
//! the proof is there, nothing is adopted.

use super::file::{read_json, write_json};
use super::store::Store;
use super::{Adopted, AnyRecord, Build, CellId, EvaluationRecord, Record, TrainingRecord};
use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why records of other builds may be used as those of this one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The build that uses them.
    pub build: Build,
    /// The records of other builds that were computed again by this one, with the same outcome.
    pub compared: Vec<CellId>,
    /// How far numbers may lie apart, relative to the largest; 0 where all bits were equal.
    pub tolerance: f64,
    /// What is said of it under tables.
    pub statement: String,
    /// The records that are adopted, trainings before what evaluates them.
    pub records: Vec<CellId>,
}

impl Store {
    /// Adopts what a proof names.
    ///
    /// # Errors
    ///
    /// When a record is missing or damaged, or a file cannot be written. If the proof is in place by then, opening the
    /// store again goes on.
    pub fn adopt(&self, proof: &Proof) -> Result<()> {
        let text = serde_json::to_string(proof).map_err(|e| Error::new(format!("a proof cannot be written: {e}")))?;
        let path = self.adoptions().join(format!("{}.{PENDING}", &blake3::hash(text.as_bytes()).to_hex()[..32]));
        write_json(&path, proof)?;
        self.finish_adoption(&path)
    }

    /// Finishes adoptions that a kill interrupted.
    pub(super) fn finish_adoptions(&self) -> Result<()> {
        let folder = self.adoptions();
        let failed = |e| Error::io("read the folder", &folder, &e);
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == PENDING) {
                self.finish_adoption(&path)?;
            }
        }
        Ok(())
    }

    fn finish_adoption(&self, path: &Path) -> Result<()> {
        let Some(proof) = read_json::<Proof>(path)? else { return Ok(()) };
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for id in &proof.records {
            self.take_over(id, &proof, &name)?;
        }
        let done = path.with_extension("json");
        match fs::rename(path, &done) {
            // Another process has finished it as well, and was first.
            Err(e) if e.kind() != ErrorKind::NotFound || !done.exists() => {
                Err(Error::io_write("rename the file", path, &e))
            }
            _ => Ok(()),
        }
    }

    /// Writes the record of another build as one of this build.
    fn take_over(&self, id: &CellId, proof: &Proof, name: &str) -> Result<()> {
        let adopted = Adopted { from: *id, proof: name.to_owned(), statement: proof.statement.clone() };
        if !self.contains(id) {
            return Err(Error::new(format!("the record {} is gone, which is to be adopted", id.short()))
                .at(self.folder())
                .help("restore it, or remove the file in `adoptions` that ends in `.pending`"));
        }
        match AnyRecord::read(id, self)? {
            AnyRecord::Training(old) => {
                let cell = proof.build.training(&old.cell);
                self.put_adopted(TrainingRecord { id: cell.id(), cell, ..*old }, adopted)
            }
            AnyRecord::Evaluation(old) => {
                let cell = proof.build.evaluation(&old.cell);
                if self.contains(&cell.id()) {
                    return Ok(());
                }
                let packed = files::read(&self.predictions_path(id))?;
                files::write_atomic(&self.predictions_path(&cell.id()), &packed)?;
                self.put_adopted(EvaluationRecord { id: cell.id(), cell, ..*old }, adopted)
            }
        }
    }

    fn put_adopted<C: super::Recorded>(&self, mut record: Record<C>, adopted: Adopted) -> Result<()> {
        record.provenance.adopted = Some(adopted);
        if self.contains(&record.id) { Ok(()) } else { self.write_record(&record) }
    }

    fn adoptions(&self) -> PathBuf {
        self.folder().join("adoptions")
    }
}

/// The ending of a proof whose records may not all be there yet.
const PENDING: &str = "pending";

#[cfg(test)]
mod tests {
    use super::super::cell::tests::{evaluation, training};
    use super::super::outcome::tests::provenance;
    use super::super::{Evaluated, EvaluationCell, Trained};
    use super::*;
    use crate::method::State;
    use std::collections::BTreeMap;

    fn proof(store: &Store) -> Proof {
        let trained = Trained { epochs: Vec::new(), state: &State::new(), kept: BTreeMap::new(), classes: &[] };
        let training = store.put_training(&training(), trained, provenance()).unwrap();
        let evaluated = Evaluated { predicted: &[0, 1], labels: &[0, 1], classes: 2, context_norms: Vec::new() };
        let evaluation = store.put_evaluation(&evaluation(), evaluated, provenance()).unwrap();
        Proof {
            build: Build { engine: "new".into(), methods: BTreeMap::from([("nemesis-pen".into(), "new".into())]) },
            compared: vec![training.id],
            tolerance: 0.0,
            statement: "compared".into(),
            records: vec![training.id, evaluation.id],
        }
    }

    #[test]
    fn adopted_records_are_whole_and_say_where_they_are_from() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let proof = proof(&store);
        store.adopt(&proof).unwrap();
        let cell = proof.build.evaluation(&evaluation());
        let record = store.get::<EvaluationCell>(&cell.id()).unwrap().unwrap();
        assert_eq!(store.predictions(&record).unwrap(), [0, 1]);
        assert_eq!(record.provenance.adopted.unwrap().from, evaluation().id());
        assert!(store.contains(&proof.build.training(&training()).id()));
    }

    #[test]
    fn an_adoption_that_was_interrupted_goes_on_when_the_store_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let proof = proof(&store);
        let pending = folder.path().join("adoptions/x.pending");
        write_json(&pending, &proof).unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert!(store.contains(&proof.build.evaluation(&evaluation()).id()));
        assert!(!pending.exists() && folder.path().join("adoptions/x.json").exists());
        // A process that comes second finds everything done.
        store.finish_adoption(&pending).unwrap();
    }
}
