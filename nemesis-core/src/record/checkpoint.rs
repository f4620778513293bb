//! Trainings that were interrupted between two epochs: `checkpoints/ID.checkpoint` beside the records.
//!
//! The file is a line with the blake3 of what follows, and safetensors. It goes with the training's record. One that is
//! damaged counts as missing: the training then begins again.

use super::state::{from_safetensors, metadata, to_safetensors};
use super::{CellId, Store};
use crate::train::{Numbers, Standing};
use crate::{Error, Result, device, files, method};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

/// A training between two epochs.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where it stands.
    pub standing: Standing,
    /// The states kept so far, by epoch.
    pub kept: BTreeMap<u64, String>,
    /// The seconds that it has taken so far.
    pub seconds: f64,
    /// What it was computed on. On anything else the last digits could differ from those of an undisturbed training.
    pub machine: Machine,
}

/// What affects the last digits of a training, beside its cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    libtorch: String,
    processor: String,
    device: String,
    threads: usize,
    /// The bytes that activations may take, by which the classes are divided; `None` if they need not be.
    #[serde(default)]
    activations: Option<u64>,
}

/// What a checkpoint holds beside tensors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Notes {
    id: CellId,
    numbers: Numbers,
    kept: BTreeMap<u64, String>,
    seconds: f64,
    machine: Machine,
}

/// The key of the notes in the metadata.
const NOTES: &str = "training";

impl Machine {
    /// This machine, with this device, number of threads and bytes for activations.
    pub fn here(device: &str, threads: usize, activations: Option<u64>) -> Self {
        let libtorch = method::versions::LIBTORCH.to_owned();
        Self { libtorch, processor: device::processor(), device: device.to_owned(), threads, activations }
    }
}

impl Store {
    /// The folder of trainings that were interrupted.
    pub fn checkpoints_folder(&self) -> PathBuf {
        self.folder().join("checkpoints")
    }

    fn checkpoint_path(&self, id: &CellId) -> PathBuf {
        self.checkpoints_folder().join(format!("{id}.checkpoint"))
    }

    /// Saves a training between two epochs.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn put_checkpoint(&self, id: &CellId, checkpoint: &Checkpoint) -> Result<()> {
        let Checkpoint { standing, kept, seconds, machine } = checkpoint;
        let path = self.checkpoint_path(id);
        let numbers = standing.numbers.clone();
        let notes = Notes { id: *id, numbers, kept: kept.clone(), seconds: *seconds, machine: machine.clone() };
        let notes = serde_json::to_string(&notes).map_err(|e| Error::new(e.to_string()).at(&path))?;
        let content = to_safetensors(&standing.tensors, &[(NOTES, notes)])?;
        let mut bytes = format!("{}\n", blake3::hash(&content)).into_bytes();
        bytes.extend(content);
        files::write_atomic(&path, &bytes)
    }

    /// Where a training was interrupted, if it was, and the file is intact.
    ///
    /// # Errors
    ///
    /// When the file exists but cannot be read.
    pub fn checkpoint(&self, id: &CellId) -> Result<Option<Checkpoint>> {
        let path = self.checkpoint_path(id);
        let bytes = match fs::read(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|e| Error::io("read the file", &path, &e))?,
        };
        Ok(parse(id, &bytes))
    }

    /// Removes what was saved of a training that now has a record.
    pub(super) fn remove_checkpoint(&self, id: &CellId) {
        // One that cannot be removed does no harm: the record comes first.
        let _ = fs::remove_file(self.checkpoint_path(id));
    }
}

fn parse(id: &CellId, bytes: &[u8]) -> Option<Checkpoint> {
    let (hash, content) = bytes.split_at_checked(64)?;
    let content = content.strip_prefix(b"\n")?;
    if blake3::Hash::from_hex(hash).ok()? != blake3::hash(content) {
        return None;
    }
    let notes: Notes = serde_json::from_str(&metadata(content, NOTES).ok()??).ok()?;
    let tensors = from_safetensors(content).ok()?;
    let Notes { id: of, numbers, kept, seconds, machine } = notes;
    (of == *id).then_some(Checkpoint { standing: Standing { tensors, numbers }, kept, seconds, machine })
}
