//! Child processes of this program that may be lost: workers, and the one that tries plugins. Both sides exchange lines
//! of JSON over the standard streams.

mod child;
mod parent;

pub(crate) use child::{Reporter, lines_from_stdin};
pub(crate) use parent::{Subprocess, listen};
