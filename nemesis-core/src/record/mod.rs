//! Records: what a cell leaves, and the statistics over them.

mod canonical;
mod cell;

pub use cell::{
    BackboneKey, Cell, CellId, Corruption, CorruptionKind, EvaluationCell, MethodKey, Subject, TrainingCell,
};
