//! The processes of a run, told by a mark in their environment, which those that they start inherit. On Linux alone,
//! which tells of processes in files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const MARK: &str = "PROCESS_OF_TEST";

/// Lets the processes of this command, a run in `folder`, be told.
pub(crate) fn mark(command: &mut Command, folder: &Path) {
    command.env(MARK, folder);
}

/// The processes that a run in `folder` has left behind, after some time to end.
pub(crate) fn left_behind(folder: &Path) -> Vec<String> {
    let start = Instant::now();
    loop {
        let alive = alive(folder);
        if alive.is_empty() || start.elapsed() > Duration::from_secs(10) {
            return alive;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The command lines of the processes of a run in `folder`.
pub(crate) fn alive(folder: &Path) -> Vec<String> {
    let command = |process: &PathBuf| String::from_utf8_lossy(&read(process, "cmdline")).replace('\0', " ");
    processes(folder).iter().map(command).collect()
}

/// The folders in `/proc` of the processes of a run in `folder`.
pub(crate) fn processes(folder: &Path) -> Vec<PathBuf> {
    let mark = format!("{MARK}={}", folder.display());
    let is_marked = |process: &PathBuf| read(process, "environ").split(|byte| *byte == 0).any(|v| v == mark.as_bytes());
    fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_marked).collect()
}

/// What the system tells of a process; nothing of one that is gone.
pub(crate) fn read(process: &Path, file: &str) -> Vec<u8> {
    fs::read(process.join(file)).unwrap_or_default()
}
