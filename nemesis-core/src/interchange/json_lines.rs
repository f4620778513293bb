//! Few-shot lists as 2SFS publishes them: a file for each split, and a line for each image, with the fields of Dassl's
//! `Datum`.

use crate::error::words_of_serde_json;
use crate::{Error, Result, files};
use serde::Deserialize;
use std::path::Path;

/// A line of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Datum {
    #[serde(rename = "_impath")]
    path: String,
    #[serde(rename = "_label")]
    label: i64,
    /// Whose images they are, where several data sets are mixed. They are not, here.
    #[serde(rename = "_domain", default)]
    _domain: Option<i64>,
    #[serde(rename = "_classname")]
    class_name: String,
}

/// The paths, labels and class names of a file.
///
/// # Errors
///
/// When the file cannot be read, or a line is something else.
pub(super) fn read(file: &Path) -> Result<Vec<(String, i64, String)>> {
    let text = files::read_text(file)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let datum = |(index, line): (usize, &str)| match serde_json::from_str(line) {
        Ok(Datum { path, label, class_name, .. }) => Ok((path, label, class_name)),
        Err(error) => {
            Err(Error::new(format!("the line is no image of a few-shot list: {}", words_of_serde_json(&error)))
                .at(file)
                .line(index + 1)
                .expected(r#"a line like {"_impath": "…/a.jpg", "_label": 0, "_domain": 0, "_classname": "cat"}"#))
        }
    };
    lines.map(datum).collect()
}
