//! The shifted copies of ImageNet, which are for testing alone: a folder for each class, and ImageNet's class names.
//!
//! ImageNet-A and -R hold 200 classes each, not the same ones: which they are, the folders say. ImageNetV2 names its
//! folders by ImageNet's labels.

use super::class_names::{ClassNames, list};
use crate::dataset::Sample;
use crate::dataset::listed::Contents;
use crate::dataset::listing::{self, Listing};
use crate::{Error, Result};
use std::path::Path;

/// Reads the layout in `folder`, where the other paths are. Classes are the class folders in sorted order.
pub(super) fn read(folder: &Path, images: &Path, class_names: &Path) -> Result<Contents> {
    let names = ClassNames::read(&folder.join(class_names))?;
    let classes = listing::folders(&folder.join(images))?;
    let class_names = names.of_all(&classes.names)?;
    Ok(tested(class_names, list(folder, images, classes)?))
}

/// Reads the layout in `folder`, where class folders are named by label, and names stand in the order of labels.
pub(super) fn read_numbered(folder: &Path, images: &Path, class_names: &Path) -> Result<Contents> {
    let names = ClassNames::read(&folder.join(class_names))?.in_order()?;
    let classes: Vec<String> = (0..names.len()).map(|label| label.to_string()).collect();
    let parent = folder.join(images);
    let found = listing::folders(&parent)?;
    if let Some(other) = found.names.iter().find(|folder| !classes.contains(folder)) {
        return Err(Error::new(format!("the class folder `{other}` is not a label"))
            .at(parent)
            .expected(format!("class folders `0` to `{}`", names.len().saturating_sub(1)))
            .help("releases of ImageNetV2 differ: take one whose folders are numbers"));
    }
    Ok(tested(names, list(folder, images, Listing { names: classes, others: found.others })?))
}

fn tested(class_names: Vec<String>, (test, others): (Vec<Sample>, Option<Error>)) -> Contents {
    Contents { class_names, val: Some(Vec::new()), test, remarks: others.into_iter().collect(), ..Contents::default() }
}
