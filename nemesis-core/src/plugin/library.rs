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
/// It is never closed, as its threads and thread-local values may outlive every use of it.
pub(crate) fn open_for_good(file: &Path, symbols: Symbols) -> Result<&'static Library, Refusal> {
    let flags = match symbols {
        Symbols::Own => RTLD_NOW | RTLD_LOCAL,
        Symbols::Shared => RTLD_NOW | RTLD_GLOBAL,
    };
    // A path without a slash would be looked for in the system's folders.
    let absolute = std::path::absolute(file).map_err(|e| Refusal { words: e.to_string(), lacks_symbol: false })?;
    // SAFETY: the initialisers are what the caller wants to run.
    let library = unsafe { Library::open(Some(&absolute), flags) }.map_err(|e| Refusal::from(&e))?;
    Ok(Box::leak(Box::new(library)))
}

/// Why the dynamic linker refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// Its own words.
    pub(crate) words: String,
    /// Whether another version of what the library was linked with had a symbol that is missing here.
    pub(crate) lacks_symbol: bool,
}

impl From<&libloading::Error> for Refusal {
    fn from(error: &libloading::Error) -> Self {
        // `libloading` keeps the linker's words beneath its own. The linker has no codes, so they are read, here alone.
        let source = std::error::Error::source(error);
        let words = source.map_or_else(|| error.to_string(), ToString::to_string);
        Self { lacks_symbol: words.contains("undefined symbol"), words }
    }
}
