//! Folders listed in an order that does not depend on the file system.

use crate::error::abridged;
use crate::{Error, Result, files};
use std::fs::{self, DirEntry};
use std::io::Read;
use std::path::Path;

/// What systems leave in any folder, besides hidden files.
const LITTER: [&str; 8] = [
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "__MACOSX",
    "@eaDir",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
];

/// How files of images are called. Not all of them can be decoded, which is told of those by their names.
const IMAGES: [&str; 14] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "gif", "bmp", "webp", "tif", "tiff", "heic", "heif", "avif", "jp2"];

/// The entries of a folder by name, sorted by their bytes, without hidden files and litter.
pub(super) struct Listing {
    /// What was looked for.
    pub(super) names: Vec<String>,
    /// What else is there; folders end in `/`.
    pub(super) others: Vec<String>,
}

/// The folders in `parent`, of which there is at least one.
pub(super) fn folders(parent: &Path) -> Result<Listing> {
    let listing = list(parent, |_, _, is_folder| is_folder)?;
    if listing.names.is_empty() {
        let beside = listing.others.first().map(|other| format!("`{other}` lies there"));
        let error = Error::new("there is no class folder").at(parent).expected("a folder of images for each class");
        return Err(match beside {
            Some(beside) => error.help(format!("{beside}: images have to be sorted into folders by class")),
            None => error,
        });
    }
    Ok(listing)
}

/// The images in `folder`: files that are called so, and others whose first bytes say it.
pub(super) fn images(folder: &Path) -> Result<Listing> {
    list(folder, |entry, name, is_folder| {
        let called = Path::new(name).extension().and_then(|extension| extension.to_str());
        let is_called = called.is_some_and(|extension| IMAGES.contains(&extension.to_ascii_lowercase().as_str()));
        !is_folder && (is_called || begins_as_image(&entry.path()))
    })
}

/// Whether a file begins as JPEG and PNG files do.
fn begins_as_image(file: &Path) -> bool {
    let mut first = [0; 8];
    let read = files::open(file).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && (first.starts_with(&[0xff, 0xd8, 0xff]) || first == *b"\x89PNG\r\n\x1a\n")
}

/// Lists what is `wanted` by its entry, its name, and whether it is a folder.
fn list(folder: &Path, wanted: impl Fn(&DirEntry, &str, bool) -> bool) -> Result<Listing> {
    let failed = |e: &std::io::Error| Error::io("list the folder", folder, e);
    let mut listing = Listing { names: Vec::new(), others: Vec::new() };
    for entry in fs::read_dir(folder).map_err(|e| failed(&e))? {
        let entry = entry.map_err(|e| failed(&e))?;
        let name = entry.file_name().into_string().map_err(|name| {
            Error::new(format!("the file name `{}` is not UTF-8", name.display())).at(folder).help("rename the file")
        })?;
        if name.starts_with('.') || LITTER.contains(&name.as_str()) {
            continue;
        }
        // The listing tells the type. To ask for that of each of a million images takes minutes on a network file system.
        let is_folder = match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => kind.is_dir(),
            _ => entry.path().is_dir(),
        };
        if wanted(&entry, &name, is_folder) {
            listing.names.push(name);
        } else {
            let end = if is_folder { "/" } else { "" };
            listing.others.push(name + end);
        }
    }
    listing.names.sort_unstable();
    listing.others.sort_unstable();
    Ok(listing)
}

/// How many entries a message names.
const MOST_NAMED: usize = 3;

/// Says what lies where it is no class folder, and no image of one.
pub(super) fn remark(folder: &Path, others: &[String]) -> Option<Error> {
    let named = abridged(others.iter().map(|other| format!("`{other}`")), MOST_NAMED);
    (!others.is_empty())
        .then(|| Error::new(format!("left out: {named}; class folders are read, and images in them")).at(folder))
}
