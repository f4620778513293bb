//! Locks on files and folders, which end with the process that holds them, however that ends.

use std::io::{self, ErrorKind};

/// What came of asking for a lock, which is [`ErrorKind::WouldBlock`] where another process has it. Some shared file
/// systems have no locks, each with an error of its own, and everybody gets one there.
///
/// On NFS a shared lock needs a file that is open for reading, and an exclusive one a file that is open for writing.
pub(crate) fn taken(asked: Result<(), impl Into<io::Error>>) -> io::Result<()> {
    match asked.map_err(Into::into) {
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errors of NFS without a lock service, of a file that NFS finds opened in the wrong way, and of other systems.
    #[test]
    fn only_a_lock_that_another_process_has_is_refused() {
        for number in [37, 9, 95, 38, 22] {
            assert!(taken(Err(io::Error::from_raw_os_error(number))).is_ok(), "error {number}");
        }
        assert!(taken(Ok::<_, io::Error>(())).is_ok());
        let held = taken(Err(std::fs::TryLockError::WouldBlock));
        assert_eq!(held.unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}
