//! Processes of this program that do its work for it, and may be lost: workers, and the one that tries plugins. Both
//! sides talk in lines of JSON over the standard streams.

mod child;
mod parent;
mod program;

pub(crate) use child::{Reporter, lines_from_stdin};
pub(crate) use parent::{Subprocess, listen};
pub(crate) use program::Program;
pub use program::choose_python;
