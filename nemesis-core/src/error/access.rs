//! Explains why a file cannot be accessed. The system's own messages say neither who owns it nor which folder on the
//! way is inaccessible.

use crate::Error;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What an operation needs permission for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Reading a file, or listing a folder.
    Read,
    /// Creating, replacing, renaming or removing a file: writing in its folder.
    Write,
}

/// The error of an operation on `file` that failed.
pub(super) fn explain(needs: Needs, doing: &str, file: &Path, source: &io::Error) -> Error {
    let error = match source.kind() {
        ErrorKind::PermissionDenied => denied(needs, doing, file),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Some(Error::new(format!("cannot {doing}: {source}")).help("free some disk space and run the command again"))
        }
        ErrorKind::IsADirectory => Some(Error::new(format!("cannot {doing}: it is a folder, not a file"))),
        ErrorKind::NotFound => dangling_link(file).map(|(link, target)| {
            let what = format!(
                "cannot {doing}: `{}` is a link to `{}`, which does not exist",
                link.display(),
                target.display()
            );
            Error::new(what).help("make the target of the link available, or replace the link")
        }),
        _ => None,
    };
    error.unwrap_or_else(|| Error::new(format!("cannot {doing}: {source}"))).at(file)
}

/// The dangling link among a path and its parent folders, and its target.
pub(crate) fn dangling_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let there = path.ancestors().find(|path| fs::symlink_metadata(path).is_ok())?;
    let target = fs::read_link(there).ok()?;
    fs::metadata(there).is_err_and(|e| e.kind() == ErrorKind::NotFound).then(|| (there.to_owned(), target))
}

/// Names the owner and mode of the file, or of the folder that makes it inaccessible.
#[cfg(unix)]
fn denied(needs: Needs, doing: &str, file: &Path) -> Option<Error> {
    use std::os::unix::fs::MetadataExt;
    let writes = needs == Needs::Write;
    let here = |path: &'_ Path| if path.as_os_str().is_empty() { Path::new(".").to_owned() } else { path.to_owned() };
    let shut = file.ancestors().map(here).find(|path| match fs::metadata(path) {
        Ok(found) => !writes || found.is_dir(),
        Err(_) => false,
    })?;
    let found = fs::metadata(&shut).ok()?;
    let whose = if shut == file { "it".to_owned() } else { format!("`{}`", shut.display()) };
    let mode = found.mode() & 0o7777;
    let wanted = if writes {
        "a+rwx"
    } else if found.is_dir() {
        "a+rx"
    } else {
        "a+r"
    };
    Some(
        Error::new(format!("no permission to {doing}: {whose} is owned by {}, mode {mode:04o}", user(found.uid())))
            .help(format!("the owner can grant it, for instance with `chmod {wanted} {}`", shut.display())),
    )
}

#[cfg(not(unix))]
fn denied(_: Needs, _: &str, _: &Path) -> Option<Error> {
    None
}

/// A user's name, or their number if this machine does not list it.
#[cfg(unix)]
fn user(number: u32) -> String {
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number.to_string()).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("user {number}"))
}
