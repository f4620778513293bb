//! Locks on files and folders, which end with the process that holds them, however that ends.

use std::io::{self, ErrorKind};

/// What came of asking for a lock, which is [`ErrorKind::WouldBlock`] where another process has it. Some shared file
/// systems have no locks, and everybody gets one there.
pub(crate) fn taken(asked: Result<(), impl Into<io::Error>>) -> io::Result<()> {
    match asked.map_err(Into::into) {
        Err(e) if e.kind() == ErrorKind::Unsupported => Ok(()),
        asked => asked,
    }
}
