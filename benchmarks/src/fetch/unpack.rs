//! Unpacking untrusted archives: whatever they hold, they write only into one new folder, and not endlessly.

use super::archive::{Format, Kind};
use nemesis_core::{Error, Result};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// The most files and folders of an archive; ImageNet has 1.3 million.
const MOST_ENTRIES: u64 = 3_000_000;
/// An archive may unpack to this many times its own size. Photographs hardly shrink and lists shrink tenfold, while a
/// bomb grows a thousandfold.
const MOST_GROWTH: u64 = 100;
/// What any archive may unpack to, however small it is.
const ALWAYS_ALLOWED: u64 = 16 << 20;

/// Unpacks a zip or tar archive, compressed by gzip or not, into the folder, which should be new.
///
/// # Errors
///
/// When the archive is damaged or cut short, when one of its paths leads out of the folder or is a link, when it holds a
/// path twice, or when it unpacks to far more than any archive of images does.
pub(super) fn unpack(archive: &Path, into: &Path) -> Result<()> {
    let bytes = fs::metadata(archive).map_err(|e| Error::io("read the archive", archive, &e))?.len();
    let allowed = bytes.saturating_mul(MOST_GROWTH).max(ALWAYS_ALLOWED);
    let mut folder = Folder { into, bytes_left: allowed, allowed, entries: 0, made: HashSet::new() };
    Format::of(archive)?.each(archive, &mut |name, kind, content| folder.add(name, kind, content))
}

/// The folder that an archive is unpacked into.
struct Folder<'a> {
    into: &'a Path,
    bytes_left: u64,
    allowed: u64,
    entries: u64,
    /// Folders that already exist, so that not every file has to ask for its own.
    made: HashSet<PathBuf>,
}

impl Folder<'_> {
    /// Writes one entry of the archive.
    fn add(&mut self, name: &str, kind: &Kind, content: &mut dyn Read) -> Result<()> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(Error::new("the archive holds too many files").expected(format!("at most {MOST_ENTRIES}")));
        }
        let path = self.into.join(safe_path(name)?);
        match kind {
            Kind::Folder => self.make(&path),
            Kind::File => {
                self.make(path.parent().unwrap_or(self.into))?;
                self.write(name, &path, content)
            }
            // A link could lead later entries anywhere, and no data set needs one.
            Kind::Link(target) => Err(Error::new(format!("`{name}` in the archive is a link to `{target}`"))
                .expected("only files and folders")
                .help(DISTRUST)),
            Kind::Other => Err(Error::new(format!("`{name}` in the archive is neither a file nor a folder"))
                .expected("only files and folders")
                .help(DISTRUST)),
        }
    }

    fn make(&mut self, folder: &Path) -> Result<()> {
        if !self.made.contains(folder) {
            fs::create_dir_all(folder).map_err(|e| Error::io_write("create the folder", folder, &e))?;
            self.made.insert(folder.to_owned());
        }
        Ok(())
    }

    fn write(&mut self, name: &str, path: &Path, content: &mut dyn Read) -> Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| {
            if e.kind() == io::ErrorKind::AlreadyExists {
                Error::new(format!("`{name}` appears twice in the archive")).help(DISTRUST)
            } else {
                Error::io_write("write the file", path, &e)
            }
        })?;
        let mut reader = Blamed { content, error: None };
        let copied = io::copy(&mut (&mut reader).take(self.bytes_left + 1), &mut file);
        if let Some(error) = reader.error {
            return Err(damaged(&format!("`{name}`: {error}")));
        }
        let count = copied.map_err(|e| Error::io_write("write the file", path, &e))?;
        self.bytes_left = self.bytes_left.checked_sub(count).ok_or_else(|| {
            Error::new(format!("the archive unpacks to more than {} bytes", self.allowed))
                .expected(format!("at most {MOST_GROWTH} times its own size"))
                .help(DISTRUST)
        })?;
        Ok(())
    }
}

/// Keeps a reader's error, so that it is not mistaken for one of the disk.
struct Blamed<'a> {
    content: &'a mut dyn Read,
    error: Option<String>,
}

impl Read for Blamed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(buffer).inspect_err(|error| self.error = Some(error.to_string()))
    }
}

const DISTRUST: &str = "the archive is not the data set's own: download it from another source";

/// An archive that cannot be read to its end.
pub(super) fn damaged(why: &str) -> Error {
    Error::new(format!("the archive is damaged or cut short: {why}"))
        .help("download it again: the last download may have been interrupted")
}

/// A path that stays in the folder that it is relative to.
fn safe_path(name: &str) -> Result<PathBuf> {
    let mut path = PathBuf::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return Err(leads_out(name)),
        }
    }
    if name.contains('\\') || name.contains('\0') { Err(leads_out(name)) } else { Ok(path) }
}

fn leads_out(name: &str) -> Error {
    Error::new(format!("`{}` in the archive leads out of its folder", name.escape_default()))
        .expected("relative paths without `..`")
        .help(DISTRUST)
}

/// The file, opened for reading.
pub(super) fn open(archive: &Path) -> Result<File> {
    File::open(archive).map_err(|e| Error::io("read the archive", archive, &e))
}
