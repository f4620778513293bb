//! CoOp's `split_zhou_*.json`: `{"train": [[path, label, class name], …], "val": …, "test": …}`.

use super::{Listings, RelativePath};
use crate::dataset::Sample;
use crate::dataset::classes::check_name;
use crate::dataset::labels::{LabelNames, conflict};
use crate::dataset::listed::Contents;
use crate::{Error, Result, files, json};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::ptr;

/// An image, relative to the folder of images, its label and its class name.
pub(in crate::dataset) type Row = (String, u32, String);

/// What a split file lists.
#[derive(Serialize, Deserialize)]
#[serde(expecting = "an object with the lists `train`, `val` and `test`")]
pub(in crate::dataset) struct Rows {
    pub(in crate::dataset) train: Vec<Row>,
    pub(in crate::dataset) val: Vec<Row>,
    pub(in crate::dataset) test: Vec<Row>,
}

/// Reads the file; sample paths begin with `images`.
pub(super) fn read(file: &Path, images: &Path) -> Result<Contents> {
    let text = files::read_text(file)?;
    let rows: Rows = json::parse(&text, file)?;
    rows.contents(images).map_err(|(error, row)| match row {
        Some(row) => place(error.at(file).entry(rows.entry(row)), &text, row),
        None => error.at(file),
    })
}

impl Rows {
    /// Which of the rows this is, counted from one: `train, entry 4`.
    fn entry(&self, row: &Row) -> String {
        let lists = [("train", &self.train), ("val", &self.val), ("test", &self.test)];
        let place = |(split, rows): (&str, &Vec<Row>)| {
            Some(format!("{split}, entry {}", rows.iter().position(|other| ptr::eq(other, row))? + 1))
        };
        lists.into_iter().find_map(place).unwrap_or_default()
    }

    /// Class names and samples, or what is wrong, and in which row.
    ///
    /// Class names are taken from the training split, by label, as Dassl does (`get_lab2cname` of its
    /// `base_dataset.py`), whatever the order in which labels appear.
    pub(in crate::dataset) fn contents(&self, images: &Path) -> Result<Contents, (Error, Option<&Row>)> {
        let mut names = LabelNames::default();
        for row @ (_, label, name) in &self.train {
            names.note(*label, name).map_err(|error| (error, Some(row)))?;
        }
        let class_names = names.finish().map_err(|error| (error, None))?;
        for (label, name) in class_names.iter().enumerate() {
            let first = || self.train.iter().find(|row| row.1 as usize == label);
            check_name(label, name).map_err(|error| (error, first()))?;
        }
        let mut listings = Listings::default();
        let mut samples = |rows| samples(rows, &class_names, images, &mut listings);
        let train = samples(("train", &self.train))?;
        let val = samples(("val", &self.val))?;
        let test = samples(("test", &self.test))?;
        Ok(Contents { class_names, train, val: Some(val), test, ..Contents::default() })
    }
}

fn samples<'a>(
    (split, rows): (&'static str, &'a [Row]),
    class_names: &[String],
    images: &Path,
    listings: &mut Listings,
) -> Result<Vec<Sample>, (Error, Option<&'a Row>)> {
    let mut sample = |(path, label, name): &Row| {
        match class_names.get(*label as usize) {
            None => return Err(Error::new(format!("the label {label} (`{name}`) of {split} does not occur in train"))),
            Some(known) if known != name => return Err(conflict(*label, known, name)),
            Some(_) => {}
        }
        let path = images.join(RelativePath::file(path)?);
        listings.add(&path, split)?;
        Ok(Sample { path, label: *label })
    };
    rows.iter().map(|row| sample(row).map_err(|error| (error, Some(row)))).collect()
}

/// Names the line on which a row's path is last listed: rows carry no positions of their own.
fn place(error: Error, text: &str, (path, ..): &Row) -> Error {
    let line = || {
        let quoted = serde_json::to_string(path).ok()?;
        let at = text.rfind(&quoted)?;
        Some(1 + text[..at].matches('\n').count())
    };
    match line() {
        Some(line) => error.line(line),
        None => error,
    }
}
