//! Processes of this program that do its work for it, and may be lost: workers, and the one that tries plugins. Both
//! sides talk in lines of JSON over the standard streams.

mod ours;
mod theirs;

pub(crate) use ours::{Subprocess, listen};
pub(crate) use theirs::{Reporter, lines_from_stdin};
