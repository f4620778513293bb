//! Flowers102's labels: `imagelabels.mat` gives the label of each image by its number, `cat_to_name.json` its name.

use super::Row;
use crate::dataset::matlab::{self, Array};
use crate::{Error, Result, files, json};
use std::collections::HashMap;
use std::path::Path;

/// Reads the labels in `folder`; image 1 is `image_00001.jpg`.
pub(super) fn read(folder: &Path) -> Result<Vec<Row>> {
    let labels_file = folder.join("imagelabels.mat");
    let labels = read_labels(&files::read(&labels_file)?).map_err(|e| e.at(&labels_file))?;
    let names_file = folder.join("cat_to_name.json");
    let names: HashMap<String, String> = json::parse(&files::read_text(&names_file)?, &names_file)?;
    let row = |(index, label): (usize, u32)| {
        let name = names.get(&label.to_string()).ok_or_else(|| {
            Error::new(format!("the label {label} has no name")).at(&names_file).expected(format!("a key \"{label}\""))
        })?;
        Ok((format!("image_{:05}.jpg", index + 1), label - 1, name.clone()))
    };
    labels.into_iter().enumerate().map(row).collect()
}

/// Labels that count from one.
fn read_labels(bytes: &[u8]) -> Result<Vec<u32>> {
    let Array::Numbers(labels) = matlab::variable(bytes, "labels")? else {
        return Err(Error::new("the variable `labels` does not hold numbers"));
    };
    let label = |label: f64| {
        matlab::whole(label)
            .filter(|label| *label > 0)
            .ok_or_else(|| Error::new(format!("`{label}` is not a label")).expected("a whole number from 1 on"))
    };
    labels.into_iter().map(label).collect()
}
