//! Processes of this program that do its work for it, and may be lost: workers, and the one that tries plugins. Both
//! sides talk in lines of JSON over the standard streams.

mod child;
mod parent;

pub(crate) use child::{Reporter, lines_from_stdin};
pub(crate) use parent::{Subprocess, listen};
