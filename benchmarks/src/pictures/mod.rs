//! Lists of people's own pictures, from the files that they keep them in.

mod columns;
mod csv;
mod shards;

pub use shards::{shards, unpack};

use nemesis_core::dataset::Pictures;
use nemesis_core::{Error, Result};
use std::path::Path;

/// Reads a list of pictures, whose paths are relative to `images` or lie under it.
///
/// # Errors
///
/// When the file is no list that is known, or a line is wrong.
pub fn read_list(file: &Path, images: &Path) -> Result<Pictures> {
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "csv" => csv::read(file, images, b','),
        "tsv" => csv::read(file, images, b'\t'),
        _ => Err(Error::new("the file is no list of pictures")
            .at(file)
            .expected("a folder, or a list that ends in .csv or .tsv")),
    }
}
