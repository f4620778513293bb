//! The error of a method: a sentence that the host shows with the method's name before it.

use std::fmt;

/// Why a method could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with this message: a sentence without a final period.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<tch::TchError> for Error {
    fn from(error: tch::TchError) -> Self {
        // libtorch appends a C++ stack trace, which tells a user nothing.
        Self(error.to_string().lines().next().unwrap_or("libtorch failed without a message").to_owned())
    }
}
