//! The error of a method: a sentence that the host shows after the method's name.

use std::fmt;

/// Why a method could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// What sort of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Something failed; the message says what.
    Failed,
    /// Something panicked. The method may only be dropped.
    Panicked,
    /// The options are invalid: by themselves, in combination, or for the task.
    InvalidOptions,
    /// The call ended early because the host said that the run was cancelled.
    Cancelled,
    /// The method does not have this optional function.
    Unsupported,
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with this message: a sentence without a final period.
    pub fn new(message: impl Into<String>) -> Self {
        Self::of_kind(ErrorKind::Failed, message)
    }

    /// An error about an option, by its name.
    pub fn option(name: &str, message: impl fmt::Display) -> Self {
        Self::of_kind(ErrorKind::InvalidOptions, format!("option `{name}`: {message}"))
    }

    /// The error to return when [`Host::cancelled`](crate::Host::cancelled) says so.
    pub fn cancelled() -> Self {
        Self::of_kind(ErrorKind::Cancelled, "cancelled")
    }

    /// An error of a kind.
    pub fn of_kind(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<tch::TchError> for Error {
    fn from(error: tch::TchError) -> Self {
        // libtorch appends a C++ stack trace, which does not help a user.
        Self::new(error.to_string().lines().next().unwrap_or("libtorch failed without a message"))
    }
}
