//! One part of a data set: already there, copied, or fetched from the first source that works.

use super::checksum::{Checksum, SUMS, Unpublished};
use super::origin::{Origin, Supply, copy, tell_of_next};
use super::unpack::unpack;
use super::{Listener, News};
use crate::locks::taken;
use nemesis_core::dataset::{Entry, Part, Source};
use nemesis_core::{Error, Result};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The state of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Everything it gives is there.
    There,
    /// It can be fetched or copied.
    ToFetch,
    /// It has to be downloaded by hand.
    ByHand,
}

/// The state of a part of a data set under a data root. What is there is not looked into.
pub fn standing(entry: &Entry, part: &Part, root: &Path) -> Standing {
    let folder = entry.path(root);
    if part.gives.iter().all(|path| folder.join(path).exists()) {
        Standing::There
    } else if !part.from.is_empty() || part.copy.as_ref().is_some_and(|file| root.join(file).exists()) {
        Standing::ToFetch
    } else {
        Standing::ByHand
    }
}

/// Fetches a part of a data set into its folder under a data root. What already exists stays as it is.
///
/// # Errors
///
/// When no source has it; the message is about the last one.
pub fn fetch_part(entry: &Entry, part: &Part, root: &Path, origin: &Origin, listen: Listener<'_>) -> Result<()> {
    let folder = entry.path(root);
    if let Some(file) = &part.copy
        && root.join(file).exists()
    {
        return copy(&root.join(file), &folder.join(&part.gives[0]));
    }
    let work = Workplace::new(&folder)?;
    let supply = Supply::new(origin);
    let mut failure = Error::new("no source is known");
    for (i, source) in part.from.iter().enumerate() {
        match from_source(&supply, source, part, &work, listen) {
            Ok(()) => return Ok(()),
            Err(error) if i + 1 < part.from.len() => tell_of_next(&error, listen),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn from_source(
    supply: &Supply<'_>,
    source: &Source,
    part: &Part,
    work: &Workplace<'_>,
    listen: Listener<'_>,
) -> Result<()> {
    let target = work.path.join(source.url.file_name());
    let file = supply.file(source, &target, listen)?;
    let result = from_file(&file, source, part, work, listen);
    if file == target {
        // Once in its place it is no longer needed, and one that cannot be used would only fail again.
        let _ = fs::remove_file(&file);
        return result.map_err(|e| e.context(format!("cannot use {}", source.url)));
    }
    result.map_err(|e| if e.file().is_none() { e.at(&file) } else { e })
}

/// Puts what the part gives in its place. A file without a published checksum is compared with what came the last time.
fn from_file(file: &Path, source: &Source, part: &Part, work: &Workplace<'_>, listen: Listener<'_>) -> Result<()> {
    let name = source.url.file_name();
    let unpublished = Checksum::of(source).is_none().then(|| Unpublished::of(file, work.folder, name));
    let unpublished = unpublished.transpose().map_err(|e| {
        e.at(work.folder.join(SUMS)).help("if it is meant to be another version, remove the line of the old one there")
    })?;
    if source.is_archive() {
        listen(News::Unpacking);
        from_archive(file, source, part, work)?;
    } else {
        copy(file, &work.folder.join(&part.gives[0]))?;
    }
    if let Some(unpublished) = unpublished {
        listen(News::Unpublished(unpublished.keep()?));
    }
    Ok(())
}

/// Unpacks the archive next to its place, and moves what the part gives there.
fn from_archive(archive: &Path, source: &Source, part: &Part, work: &Workplace<'_>) -> Result<()> {
    let outer = work.temporary()?;
    unpack(archive, outer.path())?;
    let inner = match &source.inner {
        None => outer,
        Some(path) => {
            let inner = work.temporary()?;
            let archive = outer.path().join(path);
            if !archive.is_file() {
                return Err(Error::new(format!("the archive does not hold `{path}`")));
            }
            unpack(&archive, inner.path()).map_err(|e| e.context(format!("`{path}` in the archive")))?;
            inner
        }
    };
    let called: Vec<&Path> = match &source.called {
        Some(name) => vec![name.as_ref()],
        None => part.gives.iter().map(AsRef::as_ref).collect(),
    };
    let found = find(inner.path(), &called).ok_or_else(|| {
        let side_by_side = if called.len() > 1 { " side by side" } else { "" };
        Error::new(format!("the archive does not hold {}{side_by_side}", names(&called)))
            .help("it is a different archive, or has a different layout: unpack it by hand if it is the right one")
    })?;
    for (called, gives) in called.iter().zip(&part.gives) {
        let place = work.folder.join(gives);
        if !place.exists() {
            let parent = place.parent().unwrap_or(work.folder);
            fs::create_dir_all(parent).map_err(|e| Error::io_write("create the folder", parent, &e))?;
            fs::rename(found.join(called), &place)
                .map_err(|e| Error::io_write("move what was unpacked", &place, &e))?;
        }
    }
    Ok(())
}

fn names(paths: &[&Path]) -> String {
    paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}

/// How deep in an archive a folder is looked for.
const DEEPEST: usize = 4;

/// The topmost folder that holds all of these: archives differ in the folders around their content.
fn find(top: &Path, wanted: &[&Path]) -> Option<PathBuf> {
    let mut level = vec![top.to_owned()];
    for _ in 0..=DEEPEST {
        if let Some(found) = level.iter().find(|folder| wanted.iter().all(|path| folder.join(path).exists())) {
            return Some(found.clone());
        }
        let entries = level.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        level = entries.filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir())).map(|entry| entry.path()).collect();
        level.sort();
    }
    None
}

/// The folder in a data set's folder where downloads grow and archives are unpacked. One process at a time uses it. It
/// is removed once there is nothing left in it to resume.
struct Workplace<'a> {
    folder: &'a Path,
    path: PathBuf,
    _locked: File,
}

impl<'a> Workplace<'a> {
    fn new(folder: &'a Path) -> Result<Self> {
        let path = folder.join(".fetch");
        fs::create_dir_all(&path).map_err(|e| Error::io_write("create the folder", &path, &e))?;
        let locked = File::open(&path).map_err(|e| Error::io("open the folder", &path, &e))?;
        taken(locked.try_lock()).map_err(|e| match e.kind() {
            ErrorKind::WouldBlock => Error::new("another `nemesis data fetch` is working on this data set")
                .at(folder)
                .help("wait until it has finished"),
            _ => Error::io("lock the folder", &path, &e),
        })?;
        let work = Self { folder, path, _locked: locked };
        work.clear();
        Ok(work)
    }

    /// Removes what an interrupted process had unpacked.
    fn clear(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNPACKED) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    fn temporary(&self) -> Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix(UNPACKED)
            .tempdir_in(&self.path)
            .map_err(|e| Error::io_write("create a folder", &self.path, &e))
    }
}

const UNPACKED: &str = "unpacked-";

impl Drop for Workplace<'_> {
    fn drop(&mut self) {
        // These fail, as they should, if anything is left.
        let _ = fs::remove_dir(&self.path);
        let _ = fs::remove_dir(self.folder);
    }
}
