//! Typed JSON whose failures name the file and the line.

use crate::yaml::wrong_value;
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use std::path::Path;

/// Parses JSON text into a `T`; `file` is named in errors.
///
/// # Errors
///
/// When the text is not JSON, is cut off, or is not a `T`.
pub fn parse<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        // The place is told by `-->`; serde_json's own ` at line 3 column 5` would repeat it.
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        let placed = if text.trim().is_empty() {
            Error::new("the file is empty").help("it may be a download that broke off: get it again")
        } else if error.is_eof() {
            Error::new("the file ends in the middle of its JSON")
                .help("it may be a download that broke off: get it again")
        } else {
            wrong_value(message)
        };
        placed.at(file).line(error.line().max(1))
    })
}
