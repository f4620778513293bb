//! The shifted copies of ImageNet, which are for testing alone: a folder for each class, and ImageNet's class names.
//!
//! ImageNet-A and -R hold 200 classes each, not the same ones: which they are, the folders say. ImageNetV2 names its
//! folders by ImageNet's labels.

use super::class_names::{ClassNames, list};
use crate::dataset::listed::Contents;
use crate::dataset::listing;
use crate::{Error, Result};
use std::path::Path;

/// Reads the layout in `folder`, where the other paths are. Classes are the class folders in sorted order.
pub(super) fn read(folder: &Path, images: &Path, class_names: &Path) -> Result<Contents> {
    let names = ClassNames::read(&folder.join(class_names))?;
    let classes = listing::folders(&folder.join(images))?;
    let class_names = classes.iter().map(|class| names.of(class)).collect::<Result<_>>()?;
    Ok(tested(class_names, list(folder, images, &classes)?))
}

/// Reads the layout in `folder`, where class folders are named by label, and names stand in the order of labels.
pub(super) fn read_numbered(folder: &Path, images: &Path, class_names: &Path) -> Result<Contents> {
    let names = ClassNames::read(&folder.join(class_names))?.names;
    let classes: Vec<String> = (0..names.len()).map(|label| label.to_string()).collect();
    let parent = folder.join(images);
    if let Some(other) = listing::folders(&parent)?.into_iter().find(|folder| !classes.contains(folder)) {
        return Err(Error::new(format!("the class folder `{other}` is not a label"))
            .at(parent)
            .expected(format!("class folders `0` to `{}`", names.len().saturating_sub(1)))
            .help("releases of ImageNetV2 differ: take one whose folders are numbers"));
    }
    Ok(tested(names, list(folder, images, &classes)?))
}

fn tested(class_names: Vec<String>, test: Vec<crate::dataset::Sample>) -> Contents {
    Contents { class_names, train: Vec::new(), val: Some(Vec::new()), test }
}
