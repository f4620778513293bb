//! Records: what a cell leaves, and the statistics over them.

mod adoption;
mod any;
mod build;
mod canonical;
mod cell;
mod checkpoint;
mod file;
mod outcome;
mod predictions;
mod seal;
mod state;
pub mod statistics;
mod store;

pub use crate::backbone::{BackboneFacts, BackboneKey};
pub use crate::train::{Corruption, CorruptionKind};
pub use adoption::Proof;
pub use any::AnyRecord;
pub use build::Build;
pub use cell::{Cell, CellId, EvaluationCell, MethodKey, Subject, TrainingCell};
pub use checkpoint::{Checkpoint, Machine};
pub use outcome::{
    Adopted, ClassCount, Evaluated, EvaluationOutcome, EvaluationRecord, Failure, Provenance, Record, RecordKind,
    Recorded, Trained, TrainingOutcome, TrainingRecord, differences,
};
pub use state::{from_safetensors, to_safetensors};
pub use store::{FailureStamp, Store, has_row_for_each};
