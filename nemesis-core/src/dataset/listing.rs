//! Folders listed in an order that does not depend on the file system.

use crate::{Error, Result};
use std::fs::{self, DirEntry};
use std::path::Path;

/// The names of the folders in `parent`, sorted.
pub(super) fn folders(parent: &Path) -> Result<Vec<String>> {
    let folders = names(parent, |entry| entry.path().is_dir())?;
    if folders.is_empty() {
        return Err(Error::new("there is no class folder").at(parent).expected("a folder of images for each class"));
    }
    Ok(folders)
}

/// The names of all that is in `folder`, sorted.
pub(super) fn files(folder: &Path) -> Result<Vec<String>> {
    names(folder, |_| true)
}

/// The names in `folder` that `keep` keeps, sorted by their bytes; hidden ones (`.DS_Store`) are left out.
fn names(folder: &Path, keep: impl Fn(&DirEntry) -> bool) -> Result<Vec<String>> {
    let failed = |e: &std::io::Error| Error::io("list the folder", folder, e);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| failed(&e))? {
        let entry = entry.map_err(|e| failed(&e))?;
        let name = entry.file_name().into_string().map_err(|name| {
            Error::new(format!("the file name `{}` is not UTF-8", name.display())).at(folder).help("rename the file")
        })?;
        if !name.starts_with('.') && keep(&entry) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
