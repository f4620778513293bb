//! Files that exist if and only if they are complete: temporary name, sync, rename.

use crate::{Error, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Writes `bytes` to `path` so that no reader, and no kill, ever meets half a file.
///
/// The parent folder is created when it is missing.
///
/// # Errors
///
/// When the folder or the file cannot be written; `path` is then as it was before.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|e| Error::io("create the folder", folder, &e))?;
    let failed = |e: &std::io::Error| Error::io("write the file", path, e);
    let mut temporary = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder).map_err(|e| failed(&e))?;
    temporary.write_all(bytes).map_err(|e| failed(&e))?;
    temporary.as_file().sync_all().map_err(|e| failed(&e))?;
    temporary.persist(path).map_err(|e| failed(&e.error))?;
    // The rename itself is durable only once the folder is synced.
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| failed(&e))
}

/// Reads a whole file.
///
/// # Errors
///
/// When the file is missing or unreadable; the message names it.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| Error::io("read the file", path, &e))
}

/// Reads a whole file as UTF-8 text.
///
/// # Errors
///
/// When the file is missing, unreadable or not UTF-8; then the line of the first bad byte is named.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|e| {
        let good = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|b| **b == b'\n').count();
        Error::new("the file is not UTF-8 text").at(path).line(line).expected("UTF-8")
    })
}

/// blake3 of a file's content, in hexadecimal.
///
/// # Errors
///
/// When the file is missing or unreadable; the message names it.
pub fn hash(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut file = File::open(path).map_err(|e| Error::io("read the file", path, &e))?;
    hasher.update_reader(&mut file).map_err(|e| Error::io("read the file", path, &e))?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_atomic_replaces_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.json");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn read_text_names_the_line_of_a_bad_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, b"fine\nb\xffd").unwrap();
        assert!(read_text(&path).unwrap_err().to_string().contains("x:2"));
    }
}
