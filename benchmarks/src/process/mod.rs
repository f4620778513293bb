//! Child processes of this program that may be lost: workers, and the one that tries plugins. Both sides exchange lines
//! of JSON over the standard streams.

mod child;
mod copy;
mod forks;
mod parent;
mod program;

pub(crate) use child::{Messages, Reporter, messages_from_stdin};
pub(crate) use copy::{exit, this_is_nemesis};
pub(crate) use forks::{Forks, serve};
pub(crate) use parent::{Subprocess, listen, pass_on};
pub use program::choose_python;
pub(crate) use program::chosen_python;
pub(crate) use program::{Program, again};
