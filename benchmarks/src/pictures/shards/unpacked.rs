//! Pictures unpacked beside a data set's split file, and what they were unpacked from.

use super::Shards;
use nemesis_core::{Error, Result, files};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The file that says what pictures were unpacked from.
const LISTING: &str = "shards.txt";
/// How folders are called that are being made, or that a new one has replaced.
const TEMPORARY: &str = ".unpacking-";
/// How many files a message names.
const MOST_NAMED: usize = 3;

/// Pictures of shards in a data set's folder. Unless [`Unpacked::keep`] is called, all is as before when this is dropped.
#[derive(Debug)]
pub struct Unpacked {
    /// The folder of the pictures.
    pub pictures: PathBuf,
    folder: PathBuf,
    /// What was made here, and what there was before in place of it.
    new: Option<New>,
}

#[derive(Debug)]
struct New {
    /// Where the old pictures are meanwhile, if there were any.
    old: Option<tempfile::TempDir>,
    /// What they were unpacked from.
    old_listing: Option<String>,
    /// Whether there were no pictures.
    had_none: bool,
    /// Whether the data set's folder was made here.
    is_first: bool,
}

impl Unpacked {
    /// Unpacks shards into `FOLDER/pictures`, unless that was done before. Shards that have changed since are unpacked
    /// again if `replace` says so. `label` is the column of classes, if it is not found by its name.
    ///
    /// # Errors
    ///
    /// When a shard cannot be read or a picture in it has no class; when the shards differ from those that were unpacked;
    /// or when something else lies in the folder. Nothing is changed then.
    pub fn new(shards: &Shards, folder: &Path, label: Option<&str>, replace: bool) -> Result<Self> {
        let pictures = folder.join("pictures");
        let listing = shards.listing(label)?;
        let known = folder.join(LISTING);
        let before = if files::exists(&known)? { Some(files::read_text(&known)?) } else { None };
        let is_there = pictures.is_dir();
        match &before {
            Some(before) if is_there && *before == listing => {
                return Ok(Self { pictures, folder: folder.to_owned(), new: None });
            }
            Some(before) if is_there && !replace => {
                return Err(Error::new(format!(
                    "the pictures were unpacked from other shards: {}",
                    differences(before, &listing)
                ))
                .at(&known)
                .help("choose another name, or add --replace to unpack these"));
            }
            None if !is_vacant(folder)? => {
                return Err(Error::new("shards are to be unpacked here, and something else is in the folder")
                    .at(folder)
                    .help("choose another name, or move the folder away"));
            }
            _ => {}
        }
        let is_first = !folder.exists();
        let mut made = Self {
            pictures,
            folder: folder.to_owned(),
            new: Some(New { old: None, old_listing: before, had_none: !is_there, is_first }),
        };
        made.unpack(shards, &listing, label)?;
        Ok(made)
    }

    /// Unpacks into a folder of another name first.
    fn unpack(&mut self, shards: &Shards, listing: &str, label: Option<&str>) -> Result<()> {
        let Self { folder, pictures, new: Some(state) } = self else { return Ok(()) };
        let (folder, pictures) = (folder.as_path(), pictures.as_path());
        fs::create_dir_all(folder).map_err(|e| Error::io_write("create the folder", folder, &e))?;
        remove_left_over(folder)?;
        let temporary = || {
            let made = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(folder);
            made.map_err(|e| Error::io_write("create a folder in", folder, &e))
        };
        let moved =
            |from: &Path, to: &Path| fs::rename(from, to).map_err(|e| Error::io_write("move the folder", from, &e));
        let new = temporary()?;
        shards.unpack(&new.path().join("pictures"), label)?;
        if pictures.exists() {
            let old = temporary()?;
            moved(pictures, &old.path().join("pictures"))?;
            state.old = Some(old);
        }
        // It comes before the pictures: without them it says nothing, and they would be a stranger's without it.
        files::write_atomic(&folder.join(LISTING), listing.as_bytes())?;
        moved(&new.path().join("pictures"), pictures)
    }

    /// Keeps what was unpacked.
    pub fn keep(mut self) {
        self.new = None;
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        let Some(new) = self.new.take() else { return };
        if new.is_first {
            // It was made here, and nothing else is in it.
            let _ = fs::remove_dir_all(&self.folder);
            return;
        }
        let listing = self.folder.join(LISTING);
        let _ = match new.old_listing {
            Some(text) => files::write_atomic(&listing, text.as_bytes()).is_ok(),
            None => fs::remove_file(&listing).is_ok(),
        };
        if let Some(old) = new.old {
            let _ = fs::remove_dir_all(&self.pictures);
            let _ = fs::rename(old.path().join("pictures"), &self.pictures);
        } else if new.had_none {
            let _ = fs::remove_dir_all(&self.pictures);
        }
    }
}

/// The names in a folder, none if it is not there.
fn names(folder: &Path) -> Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let failed = |e: &std::io::Error| Error::io("list the folder", folder, e);
    let entries = fs::read_dir(folder).map_err(|e| failed(&e))?;
    entries.map(|entry| Ok(entry.map_err(|e| failed(&e))?.file_name().to_string_lossy().into_owned())).collect()
}

/// Whether nothing is in a folder but what an interrupted call of this has left.
fn is_vacant(folder: &Path) -> Result<bool> {
    Ok(names(folder)?.iter().all(|name| name.starts_with(TEMPORARY)))
}

fn remove_left_over(folder: &Path) -> Result<()> {
    for name in names(folder)?.iter().filter(|name| name.starts_with(TEMPORARY)) {
        let path = folder.join(name);
        fs::remove_dir_all(&path).map_err(|e| Error::io_write("remove the folder", &path, &e))?;
    }
    Ok(())
}

/// What differs between two listings, in a phrase.
fn differences(old: &str, new: &str) -> String {
    let of = |text: &str| -> BTreeMap<String, String> {
        text.lines().filter_map(|line| line.split_once("  ")).map(|(hash, name)| (name.into(), hash.into())).collect()
    };
    let (old, new) = (of(old), of(new));
    let named = |what: &str, names: Vec<&String>| {
        let shown = names.iter().take(MOST_NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let more =
            if names.len() > MOST_NAMED { format!(" and {} more", names.len() - MOST_NAMED) } else { String::new() };
        (!names.is_empty()).then(|| format!("{shown}{more} {what}"))
    };
    let parts = [
        named(
            "changed",
            new.iter().filter(|(name, hash)| old.get(*name).is_some_and(|o| o != *hash)).map(|(n, _)| n).collect(),
        ),
        named("new", new.keys().filter(|name| !old.contains_key(*name)).collect()),
        named("gone", old.keys().filter(|name| !new.contains_key(*name)).collect()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
