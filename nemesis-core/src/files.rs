//! Files that exist only once they are complete: temporary name, sync, rename.

use crate::{Error, Result};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Writes `bytes` to `path` so that nobody ever sees half a file, even if the process is killed.
///
/// The parent folder is created if it is missing.
///
/// # Errors
///
/// When the folder or the file cannot be written. `path` is then unchanged, unless its new content is there and only that
/// it survives a power cut could not be had.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|e| Error::io_write("create the folder", folder, &e))?;
    let failed = |e: &std::io::Error| Error::io_write("write the file", path, e);
    let mut temporary = temporary_in(folder, ".tmp-", "").map_err(|e| failed(&e))?;
    temporary.write_all(bytes).map_err(|e| failed(&e))?;
    temporary.as_file().sync_all().map_err(|e| failed(&e))?;
    temporary.persist(path).map_err(|e| failed(&e.error))?;
    // The rename itself is durable only once the folder is synced. Some file systems cannot sync folders.
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(e) if !matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Err(failed(&e)),
        _ => Ok(()),
    }
}

/// Writes `bytes` to a file that a user named, as [`write_atomic`] does. Links are followed, and what is there already and
/// is no file, as `/dev/stdout` and named pipes, is written to and not replaced.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_output(path: &Path, bytes: &[u8]) -> Result<()> {
    if special(path).is_some() {
        let opened = File::options().write(true).open(path);
        let written = opened.and_then(|mut file| file.write_all(bytes));
        return written.map_err(|e| Error::io_write("write the file", path, &e));
    }
    // What a link leads to may not be there yet. What is a folder is for the writer to say.
    let beside = |target: PathBuf| path.parent().unwrap_or(Path::new("")).join(target);
    let target = path.canonicalize().or_else(|_| fs::read_link(path).map(beside));
    write_atomic(target.as_deref().unwrap_or(path), bytes)
}

/// A file in `folder` that is deleted unless it is persisted. Its mode follows the umask, like that of any new file.
/// The default of `tempfile` is readable by its owner only, but the file may end up on a disk that colleagues share.
///
/// # Errors
///
/// When the file cannot be created.
pub fn temporary_in(folder: &Path, prefix: &str, suffix: &str) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(suffix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Whether there is anything at `path`.
///
/// # Errors
///
/// When this cannot be determined: a folder on the way is not accessible, or a link is dangling. If these counted as
/// absent, something else would be read instead.
pub fn exists(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotADirectory => Ok(false),
        Err(e) if e.kind() == ErrorKind::NotFound && crate::error::access::dangling_link(path).is_none() => Ok(false),
        Err(e) => Err(Error::io("read the file", path, &e)),
    }
}

/// What is at `path` if it is neither a file nor a folder, such as `a named pipe`. `None` if it is, or if nothing is
/// there.
pub fn special(path: &Path) -> Option<&'static str> {
    fs::metadata(path).ok().and_then(|found| special_kind(&found))
}

const PIPE: &str = "a named pipe";

#[cfg(unix)]
fn special_kind(found: &Metadata) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    let kind = found.file_type();
    if kind.is_file() || kind.is_dir() {
        None
    } else if kind.is_fifo() {
        Some(PIPE)
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

#[cfg(not(unix))]
fn special_kind(found: &Metadata) -> Option<&'static str> {
    (!found.is_file() && !found.is_dir()).then_some("something other than a file")
}

/// Opens a file for reading. Named pipes are refused, because opening one waits for its other end, except in `/dev/fd`,
/// where a shell puts its own for `<(…)`.
///
/// # Errors
///
/// As [`File::open`], and when something other than a file is there.
pub fn open(path: &Path) -> io::Result<File> {
    let found = fs::metadata(path)?;
    if found.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    match special_kind(&found).filter(|kind| *kind != PIPE || !path.starts_with("/dev/fd")) {
        Some(kind) => Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {kind}, not a file"))),
        None => File::open(path),
    }
}

/// Reads a whole file.
///
/// # Errors
///
/// When the file is missing or unreadable, or is not a regular file; the message names it.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_err(|e| Error::io("read the file", path, &e))?;
    Ok(bytes)
}

/// Reads a whole file as UTF-8 text. A byte order mark is removed, and if all lines end with a bare carriage return,
/// these become line feeds.
///
/// # Errors
///
/// When the file is missing, unreadable or not UTF-8; the message names the line of the first bad byte.
pub fn read_text(path: &Path) -> Result<String> {
    let mut bytes = read(path)?;
    if is_utf16(&bytes) {
        return Err(Error::new("the file is UTF-16 text")
            .at(path)
            .expected("UTF-8")
            .help(format!("save it as UTF-8, for instance with `iconv -f UTF-16 -t UTF-8 {}`", path.display())));
    }
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(..3);
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let good = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|b| **b == b'\n').count();
        Error::new("the file is not UTF-8 text").at(path).line(line).expected("UTF-8")
    })?;
    Ok(if text.contains('\r') && !text.contains('\n') { text.replace('\r', "\n") } else { text })
}

/// Whether bytes are UTF-16 text: they start with its byte order mark, or have zeros next to ASCII characters.
fn is_utf16(bytes: &[u8]) -> bool {
    let (pairs, _) = bytes[..bytes.len().min(64)].as_chunks::<2>();
    let marked = matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
    marked
        || !pairs.is_empty()
            && (pairs.iter().all(|[a, b]| *a != 0 && *b == 0) || pairs.iter().all(|[a, b]| *a == 0 && *b != 0))
}

/// blake3 of a file's content, in hexadecimal.
///
/// # Errors
///
/// When the file is missing or unreadable; the message names it.
pub fn hash(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut file = open(path).map_err(|e| Error::io("read the file", path, &e))?;
    hasher.update_reader(&mut file).map_err(|e| Error::io("read the file", path, &e))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// What lies in a folder, in no order; nothing if there is no such folder.
///
/// # Errors
///
/// When it cannot be listed.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Error::io("list the folder", folder, &e);
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
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

    #[cfg(unix)]
    #[test]
    fn what_a_user_names_is_written_through_links_and_to_pipes() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| folder.path().join(name));
        write_output(&file, b"one").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_output(&link, b"two").unwrap();
        assert!(link.is_symlink() && fs::read(&file).unwrap() == b"two");
        fs::remove_file(&file).unwrap();
        write_output(&link, b"two").unwrap();
        assert!(link.is_symlink() && fs::read(&file).unwrap() == b"two");

        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write_output(&pipe, b"three").unwrap();
        assert_eq!((reader.join().unwrap().as_slice(), special(&pipe)), (&b"three"[..], Some(PIPE)));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_written_has_the_mode_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        let (plain, atomic) = (folder.path().join("plain"), folder.path().join("atomic"));
        fs::write(&plain, b"").unwrap();
        write_atomic(&atomic, b"").unwrap();
        assert_eq!(mode(&atomic), mode(&plain));
    }

    #[test]
    fn text_is_read_without_its_byte_order_mark_and_with_any_line_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read_text(&path).map_err(|e| e.what().to_owned())
        };
        assert_eq!(read(b"\xef\xbb\xbfa\r\nb").unwrap(), "a\r\nb");
        assert_eq!(read(b"a\rb").unwrap(), "a\nb");
        assert_eq!(read(b"").unwrap(), "");
        for utf16 in [&b"\xff\xfea\0b\0"[..], b"\xfe\xff\0a\0b", b"a\0b\0", b"\0a\0b"] {
            assert_eq!(read(utf16).unwrap_err(), "the file is UTF-16 text");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_and_a_dangling_link_in_place_of_a_file_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let told = |path: &Path| read(path).unwrap_err().to_string().replace(folder.path().to_str().unwrap(), "DIR");
        insta::assert_snapshot!(told(folder.path()), @r"
        cannot read the file: it is a folder, not a file
          --> DIR
        ");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/mnt/gone", &link).unwrap();
        insta::assert_snapshot!(told(&link), @r"
        cannot read the file: `DIR/link` is a link to `/mnt/gone`, which does not exist
          --> DIR/link
          help: make the target of the link available, or replace the link
        ");
        insta::assert_snapshot!(told(&link.join("a.json")), @r"
        cannot read the file: `DIR/link` is a link to `/mnt/gone`, which does not exist
          --> DIR/link/a.json
          help: make the target of the link available, or replace the link
        ");
        assert!(exists(&link.join("a.json")).is_err());
        assert!(!exists(&folder.path().join("none/a.json")).unwrap());
        assert!(exists(folder.path()).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_a_socket_and_a_device_are_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let [pipe, socket, link] = ["pipe", "socket", "link"].map(|name| folder.path().join(name));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        let what = |path: &Path| read(path).unwrap_err().what().to_owned();
        assert_eq!(what(&pipe), "cannot read the file: it is a named pipe, not a file");
        assert_eq!(what(&link), what(&pipe));
        assert_eq!(what(&socket), "cannot read the file: it is a socket, not a file");
        assert_eq!(what(Path::new("/dev/zero")), "cannot read the file: it is a device, not a file");
        assert_eq!(hash(&pipe).unwrap_err(), read_text(&pipe).unwrap_err());
    }

    #[test]
    fn read_text_names_the_line_of_a_bad_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, b"fine\nb\xffd").unwrap();
        assert!(read_text(&path).unwrap_err().to_string().contains("x:2"));
    }
}
