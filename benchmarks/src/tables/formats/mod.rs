//! The formats of tables and sheets: one file each, and one list of them.

mod csv;
mod html;
mod json;
mod latex;
mod markdown;
mod terminal;

pub use csv::Csv;
pub use html::Html;
pub use json::Json;
pub use latex::Latex;
pub use markdown::Markdown;
pub use terminal::{OnTerminal, Terminal};

use super::sheet::Sheet;
use super::table::Table;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use nemesis_core::{Result, files};
use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// A format of tables and sheets. Text ends with a line break, and depends only on the table if it goes to a file.
pub trait Format: Debug + Sync {
    /// The name that `--format` takes.
    fn name(&self) -> &'static str;

    /// What it is, in a few words.
    fn about(&self) -> &'static str;

    /// The extension of files in this format, without a dot; none if it is only for the terminal.
    fn extension(&self) -> Option<&'static str>;

    /// Whether a file of several tables cannot tell them apart.
    fn holds_one(&self) -> bool {
        false
    }

    /// The table as text.
    fn table(&self, table: &Table) -> String;

    /// Several tables as text, one after the other.
    fn tables(&self, tables: &[Table]) -> String {
        tables.iter().map(|table| self.table(table)).collect::<Vec<_>>().join("\n")
    }

    /// The sheets as text, one after the other.
    fn sheets(&self, sheets: &[Sheet]) -> String;
}

/// All formats, in the order in which they are named and written.
pub const FORMATS: [&dyn Format; 6] = [&OnTerminal, &Markdown, &Csv, &Latex { second: false }, &Json, &Html];

/// Reads `--format`.
pub fn format_parser() -> impl TypedValueParser<Value = &'static dyn Format> {
    let values = FORMATS.map(|format| PossibleValue::new(format.name()).help(format.about()));
    PossibleValuesParser::new(values)
        .try_map(|name| FORMATS.into_iter().find(|format| format.name() == name).ok_or("there is no such format"))
}

/// Writes the table in every format that has files to `folder/STEM.EXTENSION` and returns the paths.
///
/// # Errors
///
/// When a file cannot be written.
pub fn write_all(table: &Table, folder: &Path, stem: &str) -> Result<Vec<PathBuf>> {
    let write = |(format, extension): (&dyn Format, &str)| {
        let path = folder.join(format!("{stem}.{extension}"));
        files::write_atomic(&path, format.table(table).as_bytes())?;
        Ok(path)
    };
    FORMATS.iter().filter_map(|format| Some((*format, format.extension()?))).map(write).collect()
}

/// Sheets in a format that shows each separately.
fn joined(sheets: &[Sheet], show: impl Fn(&Sheet) -> String) -> String {
    sheets.iter().map(show).collect::<Vec<_>>().join("\n")
}

/// The text with a capital first letter.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
