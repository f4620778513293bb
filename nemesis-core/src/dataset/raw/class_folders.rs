//! A folder of images for each class; classes are labelled in sorted order.

use super::Row;
use crate::Result;
use crate::dataset::listing;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// Every image, class by class, both in sorted order (CoOp lists images in the file system's).
pub(super) fn read(images: &Path, ignore: &[String], rename: &BTreeMap<String, String>) -> Result<Vec<Row>> {
    let mut classes = listing::folders(images)?;
    classes.retain(|class| !ignore.contains(class));
    let of_class = |(label, class): (usize, &String)| {
        let name = rename.get(class).unwrap_or(class);
        let files = listing::files(&images.join(class))?;
        Ok(files.into_iter().map(|file| (format!("{class}/{file}"), label as u32, name.clone())).collect())
    };
    let rows: Vec<Vec<Row>> = classes.par_iter().enumerate().map(of_class).collect::<Result<_>>()?;
    Ok(rows.concat())
}
