//! CoOp's `split_zhou_*.json`: `{"train": [[path, label, class name], …], "val": …, "test": …}`.

use super::{Listings, RelativePath};
use crate::dataset::Sample;
use crate::dataset::listed::Contents;
use crate::{Error, Result, files, json};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

type Row = (String, u32, String);

#[derive(Deserialize)]
struct SplitFile {
    train: Vec<Row>,
    val: Vec<Row>,
    test: Vec<Row>,
}

/// Reads the file; sample paths begin with `images`.
pub(super) fn read(file: &Path, images: &Path) -> Result<Contents> {
    parse(&files::read_text(file)?, file, images)
}

fn parse(text: &str, file: &Path, images: &Path) -> Result<Contents> {
    let rows: SplitFile = json::parse(text, file)?;
    let class_names = class_names(&rows.train).map_err(|(error, row)| place(error, file, text, row))?;
    let mut listings = Listings::default();
    let mut samples = |rows: &[Row], split| -> Result<Vec<Sample>> {
        let sample = |row| sample(row, &class_names, images, split, &mut listings);
        rows.iter().map(sample).zip(rows).map(|(s, row)| s.map_err(|e| place(e, file, text, Some(row)))).collect()
    };
    let train = samples(&rows.train, "train")?;
    let val = samples(&rows.val, "val")?;
    let test = samples(&rows.test, "test")?;
    Ok(Contents { class_names, train, val: Some(val), test })
}

/// Class names by label, taken from the training split as Dassl does (`get_lab2cname` of its `base_dataset.py`),
/// whatever the order in which labels appear.
fn class_names(train: &[Row]) -> Result<Vec<String>, (Error, Option<&Row>)> {
    let mut names: BTreeMap<u32, &str> = BTreeMap::new();
    for row @ (_, label, name) in train {
        let known = *names.entry(*label).or_insert(name);
        if known != name {
            return Err((conflict(*label, known, name), Some(row)));
        }
    }
    if names.is_empty() {
        return Err((Error::new("the split file lists no training image"), None));
    }
    for (expected, label) in names.keys().enumerate() {
        if expected as u32 != *label {
            return Err((
                Error::new(format!("no training image has the label {expected}, but one has {label}"))
                    .expected("labels from 0 on without a gap"),
                None,
            ));
        }
    }
    Ok(names.into_values().map(str::to_owned).collect())
}

fn sample(
    (path, label, name): &Row,
    class_names: &[String],
    images: &Path,
    split: &'static str,
    listings: &mut Listings,
) -> Result<Sample> {
    match class_names.get(*label as usize) {
        None => return Err(Error::new(format!("the label {label} of {split} does not occur in train"))),
        Some(known) if known != name => return Err(conflict(*label, known, name)),
        Some(_) => {}
    }
    let path = images.join(RelativePath::file(path)?);
    listings.add(&path, split)?;
    Ok(Sample { path, label: *label })
}

fn conflict(label: u32, known: &str, name: &str) -> Error {
    Error::new(format!("the label {label} has two class names: `{known}` and `{name}`"))
}

/// Names the line on which a row's path is last listed: rows carry no positions of their own.
fn place(error: Error, file: &Path, text: &str, row: Option<&Row>) -> Error {
    let error = error.at(file);
    let line = row.and_then(|(path, ..)| {
        let quoted = serde_json::to_string(path).ok()?;
        let at = text.rfind(&quoted)?;
        Some(1 + text[..at].matches('\n').count())
    });
    match line {
        Some(line) => error.line(line),
        None => error,
    }
}
