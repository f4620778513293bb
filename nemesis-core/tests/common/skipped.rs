//! Tests that cannot run here: they say so, pass, and are counted by `cargo xtask test`.

use std::io::Write;
use std::path::PathBuf;

/// The folder in which `cargo xtask test` looks for a file of each test that was skipped.
const SKIPPED: &str = "XTASK_SKIPPED_TESTS";

/// Says that a test is skipped, and for want of what.
pub(crate) fn skipped(test: &str, why: &str) {
    // What `eprintln` writes is shown where a test fails only; this is shown always.
    std::io::stderr().write_all(format!("skipped {test}: {why}\n").as_bytes()).unwrap();
    if let Some(folder) = std::env::var_os(SKIPPED).map(PathBuf::from) {
        std::fs::write(folder.join(test), why).unwrap();
    }
}
