//! Running a plan: a coordinator hands cells to worker processes, which leave records.

mod coordinator;
mod devices;
mod division;
mod late;
mod memory;
mod message;
mod queue;
mod signals;
mod worker;

pub(crate) use coordinator::run;
pub use coordinator::{Event, Outcome, RunOptions};
pub use devices::{smallest_gpu, workers_on_gpus};
pub use worker::work;
pub(crate) use worker::work_on;
