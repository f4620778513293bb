//! Lists of people's own pictures, from the files that they keep them in.

mod columns;
mod csv;
mod parquet;
mod shards;

pub use shards::{Shards, Unpacked};

use nemesis_core::dataset::Pictures;
use nemesis_core::{Error, Result};
use std::collections::HashMap;
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

/// The first name that comes a second time, with the numbers of both. The pictures of two classes of one name would become one
/// class, as those of ImageNet's two classes `missile`.
fn repeated<'a>(names: impl Iterator<Item = (usize, &'a String)>) -> Option<(usize, usize, &'a str)> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    for (number, name) in names {
        if let Some(first) = numbers.insert(name, number) {
            return Some((first, number, name));
        }
    }
    None
}
