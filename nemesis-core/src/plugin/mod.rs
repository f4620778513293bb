//! Methods as plugins, host side: finding them, reading what their files say, loading them, and calling them over the C
//! interface of [`nemesis_abi`] so that a loaded method is a [`Method`](crate::method::Method) like any other.
//!
//! Loading a plugin is running its code: only files that the user named, or that lie in folders the user configured,
//! are loaded. What a file is and whether it can be used is read from the file itself, without running anything.
#![expect(unsafe_code, reason = "the C interface is made of pointers")]

pub mod check;
mod file;
mod find;
mod fork;
mod library;
mod load;
mod method;
pub mod python;
mod services;
mod towers;

pub use file::{Metadata, PluginFile};
pub use find::{Candidate, Registry};
pub use fork::{Forked, fork, may_fork};
pub(crate) use library::{Symbols, open_for_good};
pub use load::{Plugin, check_options};
