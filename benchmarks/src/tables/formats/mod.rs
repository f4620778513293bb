//! The formats a table is written in, behind one trait.

use super::csv::Csv;
use super::json::Json;
use super::latex::Latex;
use super::markdown::Markdown;
use super::table::Table;
use nemesis_core::{Result, files};
use std::path::{Path, PathBuf};

/// A format that tables are written in. The text depends on the table alone.
pub trait Exporter {
    /// The ending of files in this format, without a dot.
    fn extension(&self) -> &'static str;

    /// The table as text that ends with a line break.
    fn export(&self, table: &Table) -> String;
}

/// Every format that is written to disk.
pub const EXPORTERS: [&dyn Exporter; 4] = [&Markdown, &Csv, &Latex, &Json];

/// Writes the table in every format to `folder/STEM.EXTENSION` and returns the paths.
///
/// # Errors
///
/// When a file cannot be written.
pub fn write_all(table: &Table, folder: &Path, stem: &str) -> Result<Vec<PathBuf>> {
    let write = |exporter: &&dyn Exporter| {
        let path = folder.join(format!("{stem}.{}", exporter.extension()));
        files::write_atomic(&path, exporter.export(table).as_bytes())?;
        Ok(path)
    };
    EXPORTERS.iter().map(write).collect()
}
