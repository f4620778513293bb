//! Running a plan: a coordinator hands cells to worker processes, which leave records.

mod coordinator;
mod memory;
mod message;
mod queue;
mod worker;

pub use coordinator::{Event, Options, Outcome, run};
pub use worker::work;
