//! What coordinator and worker say to each other: one JSON object per line, over the worker's standard streams.

use nemesis_core::Error;
use nemesis_core::engine::Setup;
use nemesis_core::record::{Cell, CellId};
use serde::{Deserialize, Serialize};

/// From the coordinator to a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ToWorker {
    /// The first line: what all jobs have in common.
    Setup(Box<Setup>),
    /// Cells to compute, in order.
    Job(Vec<Assignment>),
}

/// A cell with its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Assignment {
    /// The cell's id.
    pub id: CellId,
    /// The cell.
    pub cell: Cell,
}

/// From a worker to the coordinator.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FromWorker {
    /// Work on a cell begins.
    Started(CellId),
    /// A part, between 0 and 1, of the current cell is done.
    Progress(f64),
    /// The cell's record is written.
    Done(CellId),
    /// The cell's record was there already.
    Elsewhere(CellId),
    /// The cell failed; the reason is written next to the records.
    Failed(CellId, Error),
    /// Something that the user should see.
    Warning(String),
    /// The job's cells are all done or failed.
    Finished,
    /// A signal ends the worker. What it was computing is saved as far as it can be, and has not failed.
    Stopped,
}
