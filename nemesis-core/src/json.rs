//! Typed JSON whose failures name the file and the line.

use crate::Result;
use crate::error::of_serde_json;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Parses JSON text into a `T`; `file` is named in errors.
///
/// # Errors
///
/// When the text is not JSON, is cut off, or is not a `T`.
pub fn parse<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| of_serde_json(error.inner(), &error.path().to_string(), text, file))
        .and_then(|value| match deserializer.end() {
            Ok(()) => Ok(value),
            Err(error) => Err(of_serde_json(&error, "", text, file)),
        })
}
