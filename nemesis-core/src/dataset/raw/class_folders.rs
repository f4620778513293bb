//! A folder of images for each class; classes are labelled in sorted order.

use super::Row;
use crate::dataset::listing::{self, Listing};
use crate::{Error, Result, threads};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// Every image, class by class, both in sorted order (CoOp lists images in the file system's), and what else is there.
pub(super) fn read(
    images: &Path,
    ignore: &[String],
    rename: &BTreeMap<String, String>,
) -> Result<(Vec<Row>, Option<Error>)> {
    let Listing { names: mut classes, others } = listing::folders(images)?;
    classes.retain(|class| !ignore.contains(class));
    let of_class = |(label, class): (usize, &String)| {
        let name = rename.get(class).unwrap_or(class);
        let found = listing::images(&images.join(class))?;
        let row = |file| (format!("{class}/{file}"), label as u32, name.clone());
        let others = found.others.iter().map(|other| format!("{class}/{other}")).collect();
        Ok((found.names.into_iter().map(row).collect(), others))
    };
    threads::ready()?;
    let found: Vec<(Vec<Row>, Vec<String>)> = classes.par_iter().enumerate().map(of_class).collect::<Result<_>>()?;
    let (rows, of_classes): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let others = [vec![others], of_classes].concat().concat();
    Ok((rows.concat(), listing::remark(images, &others)))
}
