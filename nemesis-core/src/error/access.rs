//! Why a file cannot be reached, in words: the system's own say neither whose it is nor which folder on the way is shut.

use crate::Error;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The error of an operation on `file` that failed.
pub(crate) fn explain(doing: &str, file: &Path, source: &io::Error) -> Error {
    let error = match source.kind() {
        ErrorKind::PermissionDenied => denied(doing, file),
        ErrorKind::IsADirectory => Some(Error::new(format!("cannot {doing}: there is a folder in its place"))),
        ErrorKind::NotFound => dangling_link(file).map(|(link, target)| {
            let what =
                format!("cannot {doing}: `{}` is a link to `{}`, which is not there", link.display(), target.display());
            Error::new(what).help("make what it links to available, or replace the link")
        }),
        _ => None,
    };
    error.unwrap_or_else(|| Error::new(format!("cannot {doing}: {source}"))).at(file)
}

/// The link that leads nowhere among a path and the folders on the way to it, and what it links to.
pub(crate) fn dangling_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let there = path.ancestors().find(|path| fs::symlink_metadata(path).is_ok())?;
    let target = fs::read_link(there).ok()?;
    fs::metadata(there).is_err_and(|e| e.kind() == ErrorKind::NotFound).then(|| (there.to_owned(), target))
}

/// Who may do what with the file, or with the folder that shuts it off.
#[cfg(unix)]
fn denied(doing: &str, file: &Path) -> Option<Error> {
    use std::os::unix::fs::MetadataExt;
    // A file is made, and replaced, by whoever may write into its folder.
    let writes = doing.starts_with("write") || doing.starts_with("create");
    let shut = file.ancestors().find(|path| match fs::metadata(path) {
        Ok(found) => !writes || found.is_dir(),
        Err(_) => false,
    })?;
    let found = fs::metadata(shut).ok()?;
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
            .help(format!("the owner can give it, for instance with `chmod {wanted} {}`", shut.display())),
    )
}

#[cfg(not(unix))]
fn denied(_: &str, _: &Path) -> Option<Error> {
    None
}

/// A user's name, or number where this machine does not list it.
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
