//! Shared libraries that stay in this process until it ends.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};
use std::path::Path;

/// Who sees the symbols of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbols {
    /// Only code that looks them up in the library itself.
    Own,
    /// Every library that is opened later.
    Shared,
}

/// Opens a library, which runs its initialisers: the user named the file, or it belongs to libtorch.
///
/// It is never closed, because its threads and thread-local values may outlive every use of it. The error is the
/// dynamic linker's message.
pub(crate) fn open_for_good(file: &Path, symbols: Symbols) -> Result<&'static Library, String> {
    let flags = match symbols {
        Symbols::Own => RTLD_NOW | RTLD_LOCAL,
        Symbols::Shared => RTLD_NOW | RTLD_GLOBAL,
    };
    // A path without a slash would be searched for in the system's folders.
    let absolute = std::path::absolute(file).map_err(|e| e.to_string())?;
    // SAFETY: the initialisers are what the caller wants to run.
    let library = unsafe { Library::open(Some(&absolute), flags) }.map_err(|e| reason(&e))?;
    Ok(Box::leak(Box::new(library)))
}

/// The dynamic linker's message, which `libloading` keeps as the source of its own error.
pub(super) fn reason(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}
