//! The blake3 hashes of files, each computed once and remembered.
//!
//! Images may be replaced after records were made from them, so their content is part of a cell's id. Reading all of
//! them for every run would be slow. A hash is therefore stored with what the file system says about its file: device,
//! inode, size, and the times of the last write and the last change of any kind. If one of these differs, the file is
//! read again.

use crate::{Error, Result, files, threads};
use blake3::{Hash, Hasher};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file that was written less than this before it was read may be written again within the same tick of the file
/// system's clock, so its hash is not remembered.
const SETTLED: Duration = Duration::from_secs(2);

/// Hashes of files, stored in a file that any number of processes may share.
#[derive(Debug)]
pub struct Contents {
    file: PathBuf,
    known: HashMap<Inode, Known>,
    /// What was read since the file was opened or saved.
    unsaved: HashSet<Inode>,
}

/// Identifies a file, whatever its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Inode {
    device: u64,
    number: u64,
}

/// What the file system said of a file when it was read, and what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    stamp: Stamp,
    hash: Hash,
}

/// Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    written: i128,
    changed: i128,
}

/// A file that was asked for.
enum Found {
    Missing,
    Remembered(Hash),
    Read { inode: Inode, known: Known, settled: bool },
}

impl Contents {
    /// The hashes stored in `file`. Lines that cannot be read are ignored; their files are then read again.
    pub fn open(file: impl Into<PathBuf>) -> Self {
        let file = file.into();
        let known = fs::read_to_string(&file).map_or_else(|_| HashMap::new(), |text| parse(&text));
        Self { file, known, unsaved: HashSet::new() }
    }

    /// How many of `paths` would have to be read.
    ///
    /// # Errors
    ///
    /// When no threads can be started.
    pub fn unread(&self, paths: &[PathBuf]) -> Result<usize> {
        threads::ready()?;
        let is_known = |path: &PathBuf| fs::metadata(path).is_ok_and(|metadata| self.remembered(&metadata).is_some());
        Ok(paths.par_iter().filter(|path| !is_known(path)).count())
    }

    /// The blake3 of each file, in order; `None` for a missing file.
    ///
    /// # Errors
    ///
    /// When a file exists but cannot be read, or no threads can be started. If there are several, the message names the first.
    pub fn hashes(&mut self, paths: &[PathBuf]) -> Result<Vec<Option<Hash>>> {
        threads::ready()?;
        let found: Vec<Result<Found>> = paths.par_iter().map(|path| self.look_at(path)).collect();
        let mut hashes = Vec::with_capacity(paths.len());
        for found in found {
            hashes.push(match found? {
                Found::Missing => None,
                Found::Remembered(hash) => Some(hash),
                Found::Read { inode, known, settled } => {
                    if settled {
                        self.known.insert(inode, known);
                        self.unsaved.insert(inode);
                    }
                    Some(known.hash)
                }
            });
        }
        Ok(hashes)
    }

    /// Writes the hashes computed since the file was opened, keeping what other processes have written meanwhile.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save(&mut self) -> Result<()> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let mut all = fs::read_to_string(&self.file).map_or_else(|_| HashMap::new(), |text| parse(&text));
        all.extend(self.known.iter().filter(|(inode, _)| self.unsaved.contains(*inode)));
        let mut text = String::new();
        for (Inode { device, number }, Known { stamp: Stamp { size, written, changed }, hash }) in all {
            writeln!(text, "{device} {number} {size} {written} {changed} {hash}")
                .expect("writing to a string never fails");
        }
        files::write_atomic(&self.file, text.as_bytes())?;
        self.unsaved.clear();
        Ok(())
    }

    fn remembered(&self, metadata: &Metadata) -> Option<Hash> {
        let known = self.known.get(&Inode::of(metadata))?;
        (known.stamp == Stamp::of(metadata)).then_some(known.hash)
    }

    fn look_at(&self, path: &Path) -> Result<Found> {
        let failed = |e: std::io::Error| Error::io("read the file", path, &e);
        let began = SystemTime::now();
        let mut file = match files::open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Found::Missing),
            opened => opened.map_err(failed)?,
        };
        let metadata = file.metadata().map_err(failed)?;
        if let Some(hash) = self.remembered(&metadata) {
            return Ok(Found::Remembered(hash));
        }
        let mut hasher = Hasher::new();
        hasher.update_reader(&mut file).map_err(failed)?;
        let stamp = Stamp::of(&metadata);
        let unchanged = stamp == Stamp::of(&file.metadata().map_err(failed)?);
        let known = Known { stamp, hash: hasher.finalize() };
        Ok(Found::Read { inode: Inode::of(&metadata), known, settled: unchanged && stamp.is_settled(began) })
    }
}

impl Inode {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), number: metadata.ino() }
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            size: metadata.size(),
            written: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn is_settled(self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as i128;
        now - self.written.max(self.changed) > SETTLED.as_nanos() as i128
    }
}

fn parse(text: &str) -> HashMap<Inode, Known> {
    let line = |line: &str| {
        let mut fields = line.split(' ');
        let mut number = || fields.next()?.parse::<i128>().ok();
        let inode = Inode { device: number()?.try_into().ok()?, number: number()?.try_into().ok()? };
        let stamp = Stamp { size: number()?.try_into().ok()?, written: number()?, changed: number()? };
        let hash = Hash::from_hex(fields.next()?).ok()?;
        Some((inode, Known { stamp, hash }))
    };
    text.lines().filter_map(line).collect()
}

/// One hash, in hexadecimal, over the contents of a list of files, in order. A missing file counts as 32 zero bytes.
pub fn digest(hashes: impl IntoIterator<Item = Option<Hash>>) -> String {
    let mut all = Hasher::new();
    for hash in hashes {
        all.update(&hash.map_or([0; 32], |hash| *hash.as_bytes()));
    }
    all.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::slice::from_ref;

    /// A file that was last written long ago.
    fn old_file(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn digest_of(contents: &mut Contents, paths: &[PathBuf]) -> String {
        digest(contents.hashes(paths).unwrap())
    }

    #[test]
    fn a_digest_is_of_contents_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, copy] = [("a", "one"), ("b", "two"), ("c", "one")].map(|(n, t)| old_file(folder.path(), n, t));
        let mut contents = Contents::open(folder.path().join("contents"));
        let mut of = |paths: &[&PathBuf]| digest_of(&mut contents, &paths.iter().copied().cloned().collect::<Vec<_>>());
        assert_eq!(of(&[&a, &b]), of(&[&copy, &b]));
        assert_ne!(of(&[&a, &b]), of(&[&b, &a]));
        assert_ne!(of(&[&a, &b]), of(&[&a]));
        assert_ne!(of(&[&a, &folder.path().join("missing")]), of(&[&a]));
    }

    /// A file that is overwritten immediately may have the same size and the same times.
    #[test]
    fn a_file_written_just_now_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("contents");
        let path = old_file(folder.path(), "a", "one");
        let mut contents = Contents::open(&file);
        for text in ["two", "six", "ten"] {
            fs::write(&path, text).unwrap();
            assert_eq!(contents.hashes(from_ref(&path)).unwrap(), [Some(blake3::hash(text.as_bytes()))]);
        }
        contents.save().unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn a_hash_is_remembered_until_anything_about_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = old_file(folder.path(), "a", "one");
        let metadata = fs::metadata(&path).unwrap();
        // A hash that no reading of the file would give shows where it came from.
        let hash = blake3::hash(b"remembered");
        let known = Known { stamp: Stamp::of(&metadata), hash };
        let file = folder.path().join("contents");
        let mut contents = Contents::open(&file);
        contents.known.insert(Inode::of(&metadata), known);
        contents.unsaved.insert(Inode::of(&metadata));
        contents.save().unwrap();

        let mut contents = Contents::open(&file);
        assert_eq!(contents.unread(from_ref(&path)).unwrap(), 0);
        assert_eq!(contents.hashes(from_ref(&path)).unwrap(), [Some(hash)]);
        // Neither the size nor the time of the last write shows this change.
        let modified = metadata.modified().unwrap();
        fs::write(&path, "two").unwrap();
        File::options().append(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(contents.unread(from_ref(&path)).unwrap(), 1);
        assert_eq!(contents.hashes(&[path]).unwrap(), [Some(blake3::hash(b"two"))]);
    }

    #[test]
    fn what_another_process_has_found_out_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = old_file(folder.path(), "a", "one");
        let file = folder.path().join("contents");
        let inode = Inode::of(&fs::metadata(&path).unwrap());
        let known =
            |text: &str| Known { stamp: Stamp::of(&fs::metadata(&path).unwrap()), hash: blake3::hash(text.as_bytes()) };
        let save = |contents: &mut Contents, inode: Inode, known: Known| {
            contents.known.insert(inode, known);
            contents.unsaved.insert(inode);
            contents.save().unwrap();
        };
        save(&mut Contents::open(&file), inode, known("earlier"));
        let mut slow = Contents::open(&file);
        save(&mut Contents::open(&file), inode, known("later"));
        save(&mut slow, Inode { device: 0, number: 1 }, known("another file"));
        let mut contents = Contents::open(&file);
        assert_eq!(contents.hashes(from_ref(&path)).unwrap(), [Some(blake3::hash(b"later"))]);
    }

    #[test]
    fn a_damaged_line_is_ignored() {
        let hash = blake3::hash(b"x");
        assert_eq!(parse(&format!("1 2 3 4 5 {hash}\nnonsense\n1 2\n-1 2 3 4 5 {hash}\n")).len(), 1);
    }
}
