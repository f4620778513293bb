//! Lists as text: a line of headings, and a line for each picture.

use super::columns::{Columns, refuse_ignored_split};
use nemesis_core::dataset::{Picture, Pictures};
use nemesis_core::{Error, Result, files};
use std::collections::HashMap;
use std::path::Path;

/// Reads a list whose fields are apart by `delimiter`.
pub(super) fn read(file: &Path, images: &Path, label: Option<&str>, delimiter: u8) -> Result<Pictures> {
    let text = files::read_text(file)?;
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let headings = reader.headers().map_err(|e| malformed(file, &e))?.clone();
    let headings: Vec<&str> = headings.iter().collect();
    let mut columns = Columns::find(&headings, label).map_err(|e| e.at(file).line(1))?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut lines: HashMap<String, usize> = HashMap::new();
    let mut all: Vec<Picture> = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|e| malformed(file, &e))?;
        let line = row.position().map_or(0, |position| position.line() as usize);
        let place = |error: Error| error.at(file).line(line);
        let picture = columns.picture(&row.iter().collect::<Vec<_>>(), images).map_err(place)?;
        if let Some(first) = lines.insert(picture.path.clone(), line) {
            return Err(place(Error::new(format!("`{}` is on line {first} already", picture.path)))
                .expected("each picture once: it has one class and one split"));
        }
        all.push(picture);
        if !columns.has_split() {
            rows.push(row.iter().map(|field| field.trim().to_owned()).collect());
        }
    }
    if all.is_empty() {
        return Err(Error::new("the list names no picture").at(file));
    }
    refuse_ignored_split(&headings, &rows).map_err(|e| e.at(file).line(1))?;
    Ok(Pictures { all, remarks: Vec::new() })
}

fn malformed(file: &Path, error: &csv::Error) -> Error {
    let line = error.position().map(|position| position.line() as usize);
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the line has {len} fields, and the first line {expected_len}")
        }
        _ => format!("the list cannot be read: {error}"),
    };
    let error = Error::new(what).at(file).help("put a field that holds the delimiter in double quotes");
    line.into_iter().fold(error, Error::line)
}
