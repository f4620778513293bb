//! Images named on the command line: files, or all images in folders.

use super::warn;
use nemesis_core::image::Format;
use nemesis_core::{Error, Result, files};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The extensions of files that count as images whatever they hold: a damaged one must not be skipped.
const ENDINGS: [&str; 5] = ["jpg", "jpeg", "jpe", "jfif", "png"];

/// How many files of a kind a warning names.
const NAMED: usize = 3;

/// All images that `paths` name, sorted within each folder. Whatever else the folders hold is named in a warning.
pub(super) fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Found::default();
    for path in paths {
        if path.is_dir() {
            found.walk(path, &mut BTreeSet::new())?;
        } else if path.is_file() {
            found.images.push(path.clone());
        } else {
            let what = files::special(path).map(|kind| format!("expected an image or folder, and found {kind}"));
            return Err(Error::new(what.unwrap_or_else(|| "there is no such image or folder".to_owned())).at(path));
        }
    }
    let others = found.others();
    if found.images.is_empty() {
        let error = Error::new("there are no images here").at(&paths[0]).expected(EXPECTED);
        return Err(if others.is_empty() { error } else { error.help(others) });
    }
    if !others.is_empty() {
        let warning = Error::new(others);
        warn(&if found.others.is_empty() {
            warning.help("each image is encoded once")
        } else {
            warning.expected(EXPECTED).help("convert other images to PNG")
        });
    }
    Ok(found.images)
}

const EXPECTED: &str = "JPEG or PNG images, by their content or their names: .jpg, .jpeg, .jpe, .jfif, .png";

/// What folders hold.
#[derive(Default)]
struct Found {
    images: Vec<PathBuf>,
    /// The files that are skipped.
    others: BTreeMap<Other, Vec<PathBuf>>,
    /// Links to folders that were already read by another path.
    again: Vec<PathBuf>,
}

/// Why a file is skipped, in the order in which the warning names it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Other {
    Unread(Format),
    Special(&'static str),
    NoImage,
}

impl Found {
    /// Each folder is walked once, however many links lead to it.
    fn walk(&mut self, folder: &Path, walked: &mut BTreeSet<PathBuf>) -> Result<()> {
        let failed = |e: std::io::Error| Error::io("list the folder", folder, &e);
        if !walked.insert(fs::canonicalize(folder).map_err(failed)?) {
            self.again.push(folder.to_owned());
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
            } else if let Some(kind) = files::special(&path) {
                self.others.entry(Other::Special(kind)).or_default().push(path);
            } else if ENDINGS.contains(&ending.as_str()) {
                self.images.push(path);
            } else {
                match format(&path) {
                    Some(format) if format.is_read() => self.images.push(path),
                    other => {
                        self.others.entry(other.map_or(Other::NoImage, Other::Unread)).or_default().push(path);
                    }
                }
            }
        }
        Ok(())
    }

    /// Says what is skipped; empty if nothing is.
    fn others(&self) -> String {
        let named = |paths: &[PathBuf]| {
            let mut names: Vec<String> = paths.iter().take(NAMED).map(|path| path.display().to_string()).collect();
            if paths.len() > NAMED {
                names.push("…".to_owned());
            }
            names.join(", ")
        };
        let kinds = self.others.iter().map(|(other, paths)| {
            let kind = match other {
                Other::Unread(format) => format!("{format}, which cannot be read"),
                Other::Special(kind) => format!("in whose place is {kind}"),
                Other::NoImage => "not images".to_owned(),
            };
            format!("{} {kind} ({})", paths.len(), named(paths))
        });
        let kinds: Vec<String> = kinds.collect();
        let count: usize = self.others.values().map(Vec::len).sum();
        let files = match count {
            0 => None,
            1 => Some(format!("1 file is skipped: {}", kinds.join("; "))),
            _ => Some(format!("{count} files are skipped: {}", kinds.join("; "))),
        };
        let again = match self.again.len() {
            0 => None,
            1 => Some(format!("a link leads back to a folder already read ({})", named(&self.again))),
            count => Some(format!("{count} links lead back to folders already read ({})", named(&self.again))),
        };
        files.into_iter().chain(again).collect::<Vec<_>>().join("; ")
    }
}

/// The format of a file by its content.
fn format(path: &Path) -> Option<Format> {
    let mut head = Vec::with_capacity(Format::HEAD);
    files::open(path).and_then(|file| file.take(Format::HEAD as u64).read_to_end(&mut head)).ok()?;
    Format::of(&head)
}
