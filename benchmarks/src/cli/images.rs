//! Images named on the command line: files, or all images in folders.

use nemesis_core::{Error, Result};
use std::path::{Path, PathBuf};

/// The endings by which images in a folder are recognised; the content decides how they are read.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];

/// All images that `paths` name, sorted within each folder.
pub(super) fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, &mut images)?;
        } else if path.is_file() {
            images.push(path.clone());
        } else {
            return Err(Error::new("there is no such image or folder").at(path));
        }
    }
    if images.is_empty() {
        return Err(Error::new("there are no images here")
            .at(&paths[0])
            .expected("files ending in .jpg, .jpeg or .png"));
    }
    Ok(images)
}

fn walk(folder: &Path, images: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |e: std::io::Error| Error::io("list the folder", folder, &e);
    let mut entries = std::fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(failed)?;
    entries.sort();
    for path in entries {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
        if path.is_dir() {
            walk(&path, images)?;
        } else if ENDINGS.contains(&ending.as_str()) {
            images.push(path);
        }
    }
    Ok(())
}
