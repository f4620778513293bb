//! Why a command could not run: one message that says what happened and what to do.

use std::fmt;
use std::io;
use std::path::Path;

/// A failure that ends `xtask` with exit code 2.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    help: Option<String>,
}

/// The result of everything here that can fail.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure that says what happened: a sentence without a final period.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), help: None }
    }

    /// Says what the user can do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// An input or output operation on `file` that failed.
    pub(crate) fn io(doing: &str, file: &Path, source: &io::Error) -> Self {
        let failure = Self::new(format!("cannot {doing} {}: {source}", file.display()));
        match source.kind() {
            io::ErrorKind::StorageFull => failure.help("free some disk space and run the command again"),
            _ => failure,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\n  help: {help}"))
    }
}
