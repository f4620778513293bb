//! The error of a method: a sentence that the host shows after the method's name.

use std::fmt;

/// Why a method could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    option: Option<String>,
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
    /// libtorch was refused memory.
    OutOfMemory,
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
        Self::of_kind(ErrorKind::InvalidOptions, format!("option `{name}`: {message}")).with_option(name)
    }

    /// The error to return when [`Host::cancelled`](crate::Host::cancelled) says so.
    pub fn cancelled() -> Self {
        Self::of_kind(ErrorKind::Cancelled, "cancelled")
    }

    /// An error of a kind.
    pub fn of_kind(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, option: None, message: message.into() }
    }

    /// Names the option that the error is about, which its message does, too.
    pub(crate) fn with_option(self, name: &str) -> Self {
        Self { option: Some(name.to_owned()), ..self }
    }

    /// An error in the words of libtorch, or of one who passes them on. They are all that tells that memory ran out, and
    /// this is the one place that reads them.
    pub(crate) fn of_libtorch(kind: ErrorKind, message: String) -> Self {
        let about_memory = ["allocate memory", "not enough memory", "out of memory"];
        let ran_out = about_memory.iter().any(|words| message.contains(words));
        Self::of_kind(if ran_out { ErrorKind::OutOfMemory } else { kind }, message)
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The option that the error is about, if it is about one.
    pub fn about(&self) -> Option<&str> {
        self.option.as_deref()
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
        // libtorch appends a C++ stack trace, which tells a user nothing.
        let message = error.to_string();
        let message = message.lines().next().unwrap_or("libtorch failed without a message");
        Self::of_libtorch(ErrorKind::Failed, message.to_owned())
    }
}
