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
    let contents = rows.contents(images).map_err(|(error, row)| match row {
        Some(row) => place(error.at(file).entry(rows.entry(row)), &text, row),
        None => error.at(file),
    })?;
    let names = file.with_file_name(CORRECTIONS);
    if files::exists(&names)? && json::parse::<Origin>(&text, file)?.is_of_pictures() {
        refuse_edited(&names, file, &contents.class_names)?;
    }
    Ok(contents)
}

/// What `nemesis data add` writes into the split files of people's own pictures.
pub(in crate::dataset) const ADDED: &str = "nemesis data add: ";

/// The file in which people correct the names of their classes, beside the split file.
pub(in crate::dataset) const CORRECTIONS: &str = "classnames.txt";

/// Where a split file comes from, as our own say.
#[derive(Deserialize)]
#[serde(expecting = "an object with the lists `train`, `val` and `test`")]
struct Origin {
    #[serde(default)]
    origin: Option<String>,
}

impl Origin {
    fn is_of_pictures(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.starts_with(ADDED))
    }
}

/// Refuses class names that were corrected and are not in the split yet: prompts would go on with the old ones.
fn refuse_edited(names: &Path, split: &Path, class_names: &[String]) -> Result<()> {
    let text = files::read_text(names)?;
    let split = split.file_name().unwrap_or_default().to_string_lossy();
    let edited = |what: String| {
        Error::new(what)
            .at(names)
            .help("run the `nemesis data add` that made the data set again: it takes over what was edited here")
    };
    let lines: Vec<(usize, &str)> = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).collect();
    // The file is written with a line for each class, in the order of labels. Classes may have spaces in their names.
    for ((number, line), name) in lines.iter().zip(class_names) {
        let is_same = match line.split_once('\t') {
            Some((_, now)) => now.trim() == name,
            None => line.trim_end().strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with(char::is_whitespace)),
        };
        if !is_same {
            return Err(edited(
                "class names were edited after the data set was added, and are not in use yet".to_owned(),
            )
            .line(number + 1)
            .expected(format!("the class that `{split}` calls `{name}`")));
        }
    }
    if lines.len() == class_names.len() {
        return Ok(());
    }
    Err(edited(
        "classes were added to the list of class names, or removed from it, after the data set was added".to_owned(),
    )
    .expected(format!("{} lines, one for each class in `{split}`; it has {}", class_names.len(), lines.len())))
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
