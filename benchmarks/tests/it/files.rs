//! What is in a folder, to compare before and after.

use std::fs;
use std::path::Path;

/// All files and folders under a folder, with a file's length.
pub(crate) fn tree(folder: &Path) -> Vec<String> {
    fn collect(top: &Path, folder: &Path, into: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(top).unwrap().display().to_string();
            if path.is_dir() {
                into.push(format!("{name}/"));
                collect(top, &path, into);
            } else {
                into.push(format!("{name} {}", fs::symlink_metadata(&path).unwrap().len()));
            }
        }
    }
    let mut all = Vec::new();
    collect(folder, folder, &mut all);
    all.sort();
    all
}
