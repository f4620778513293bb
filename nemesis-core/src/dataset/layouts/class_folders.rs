//! ImageNet's layout: a folder for each class in train and in test, and a file of class names.
//!
//! A class's label is its folder's place in sorted order. Images are listed in sorted order too. CoOp takes them as the
//! file system happens to list them, so that its few-shot sets of ImageNet depend on the disk and cannot be
//! reproduced; ours are the same everywhere. As in CoOp, the validation samples are the test samples.

use super::class_names::{ClassNames, list};
use crate::dataset::listed::Contents;
use crate::dataset::listing;
use crate::{Error, Result};
use std::path::Path;

/// Reads the layout in `folder`, where the other paths are.
pub(super) fn read(folder: &Path, train: &Path, test: &Path, class_names: &Path) -> Result<Contents> {
    let names = ClassNames::read(&folder.join(class_names))?;
    let trained = listing::folders(&folder.join(train))?;
    let tested = listing::folders(&folder.join(test))?;
    if let Some((class, place)) = difference(&trained.names, &tested.names) {
        let (with, without) = if place { (train, test) } else { (test, train) };
        return Err(Error::new(format!("the class folder `{class}` is in `{}` only", with.display()))
            .at(folder.join(without))
            .expected(format!("the same class folders as in `{}`", with.display())));
    }
    let class_names = names.of_all(&trained.names)?;
    let without_folder = names.without(&trained.names);
    let (train, of_train) = list(folder, train, trained)?;
    let (test, of_test) = list(folder, test, tested)?;
    let remarks = [without_folder, of_train, of_test].into_iter().flatten().collect();
    Ok(Contents { class_names, train, val: None, test, remarks })
}

/// A class that is in one list only, and whether it is in the first.
fn difference<'a>(first: &'a [String], second: &'a [String]) -> Option<(&'a str, bool)> {
    let lacks = |names: &[String], name: &String| names.binary_search(name).is_err();
    let first_only = first.iter().find(|name| lacks(second, name)).map(|name| (name.as_str(), true));
    first_only.or_else(|| second.iter().find(|name| lacks(first, name)).map(|name| (name.as_str(), false)))
}
