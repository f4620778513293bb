//! Lists of people's own pictures, from the files that they keep them in.

mod columns;
mod csv;
mod parquet;
mod shards;

pub use shards::{Shards, Unpacked};

use nemesis_core::dataset::Pictures;
use nemesis_core::{Error, Result};
use std::path::Path;

/// Reads a list of pictures, whose paths are relative to `images` or lie under it. `label`
/// is the column of classes, if it is not found by its heading.
///
/// # Errors
///
/// When the file is no list that is known, or a line is wrong.
pub fn read_list(file: &Path, images: &Path, label: Option<&str>) -> Result<Pictures> {
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "csv" => csv::read(file, images, label, b','),
        "tsv" => csv::read(file, images, label, b'\t'),
        "parquet" => parquet::read(file, images, label),
        _ => Err(Error::new("the file is no list of pictures")
            .at(file)
            .expected("a folder, or a list that ends in .csv, .tsv or .parquet")),
    }
}
