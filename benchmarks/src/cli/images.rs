//! Images named on the command line: files, or all images in folders.

use super::warn;
use nemesis_core::image::Format;
use nemesis_core::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The endings of what is taken for an image, whatever it holds: a damaged one must not be passed over.
const ENDINGS: [&str; 5] = ["jpg", "jpeg", "jpe", "jfif", "png"];

/// How many files of a kind a warning names.
const NAMED: usize = 3;

/// All images that `paths` name, sorted within each folder. What folders hold besides is named in a warning.
pub(super) fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Found::default();
    for path in paths {
        if path.is_dir() {
            found.walk(path, &mut BTreeSet::new())?;
        } else if path.is_file() {
            found.images.push(path.clone());
        } else {
            return Err(Error::new("there is no such image or folder").at(path));
        }
    }
    let others = found.others();
    if found.images.is_empty() {
        let error = Error::new("there are no images here").at(&paths[0]).expected(EXPECTED);
        return Err(if others.is_empty() { error } else { error.help(others) });
    }
    if !others.is_empty() {
        warn(&Error::new(others).expected(EXPECTED).help("convert other images to PNG"));
    }
    Ok(found.images)
}

const EXPECTED: &str = "JPEG or PNG images, by their content or their names: .jpg, .jpeg, .jpe, .jfif, .png";

/// What folders hold.
#[derive(Default)]
struct Found {
    images: Vec<PathBuf>,
    /// The files that are passed over, by format; those of none that we know last.
    others: BTreeMap<(bool, Option<Format>), Vec<PathBuf>>,
}

impl Found {
    /// Each folder is walked once, whatever links lead to it.
    fn walk(&mut self, folder: &Path, walked: &mut BTreeSet<PathBuf>) -> Result<()> {
        let failed = |e: std::io::Error| Error::io("list the folder", folder, &e);
        if !walked.insert(fs::canonicalize(folder).map_err(failed)?) {
            return Ok(());
        }
        let mut entries = fs::read_dir(folder)
            .map_err(failed)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(failed)?;
        entries.sort();
        for path in entries {
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
            if path.is_dir() {
                self.walk(&path, walked)?;
            } else if ENDINGS.contains(&ending.as_str()) {
                self.images.push(path);
            } else {
                match format(&path) {
                    Some(format) if format.is_read() => self.images.push(path),
                    other => self.others.entry((other.is_none(), other)).or_default().push(path),
                }
            }
        }
        Ok(())
    }

    /// Says what is passed over; empty where nothing is.
    fn others(&self) -> String {
        let kinds = self.others.iter().map(|((_, format), paths)| {
            let kind = format.map_or("not images".to_owned(), |format| format!("{format}, which cannot be read"));
            let mut names: Vec<String> = paths.iter().take(NAMED).map(|path| path.display().to_string()).collect();
            if paths.len() > NAMED {
                names.push("…".to_owned());
            }
            format!("{} {kind} ({})", paths.len(), names.join(", "))
        });
        let kinds: Vec<String> = kinds.collect();
        let count: usize = self.others.values().map(Vec::len).sum();
        match count {
            0 => String::new(),
            1 => format!("1 file is passed over: {}", kinds.join("; ")),
            _ => format!("{count} files are passed over: {}", kinds.join("; ")),
        }
    }
}

/// The format of a file by its content. What is no plain file has none, and is not waited for.
fn format(path: &Path) -> Option<Format> {
    let mut head = Vec::with_capacity(Format::HEAD);
    if path.is_file() {
        File::open(path).and_then(|file| file.take(Format::HEAD as u64).read_to_end(&mut head)).ok()?;
    }
    Format::of(&head)
}
