//! Tests that were skipped, and why. They pass, so that somebody has to tell.

use crate::failure::{Failure, Result};
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// The folder in which each skipped test leaves a file of its name that says why. The variable's name does not begin
/// with `NEMESIS_`, because our own programs would take it for a setting.
const SKIPPED: &str = "XTASK_SKIPPED_TESTS";

/// What tests leave that are skipped.
pub(crate) struct Skipped {
    folder: TempDir,
}

impl Skipped {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|error| Failure::new(format!("cannot create a folder: {error}")))?;
        Ok(Self { folder })
    }

    /// Has the tests that this command starts tell of those that are skipped.
    pub(crate) fn collect_from(&self, command: &mut Command) {
        command.env(SKIPPED, self.folder.path());
    }

    /// Lists them by name.
    pub(crate) fn print(&self) -> Result<()> {
        let tests = self.tests()?;
        if !tests.is_empty() {
            println!("\n{} tests were skipped:", tests.len());
        }
        for (name, why) in tests {
            println!("  {name}: {why}");
        }
        Ok(())
    }

    fn tests(&self) -> Result<Vec<(String, String)>> {
        let failed = |e| Failure::io("read the folder", self.folder.path(), &e);
        let mut tests = Vec::new();
        for entry in fs::read_dir(self.folder.path()).map_err(failed)? {
            let file = entry.map_err(failed)?;
            let why = fs::read_to_string(file.path()).map_err(failed)?;
            tests.push((file.file_name().to_string_lossy().into_owned(), why));
        }
        tests.sort();
        Ok(tests)
    }
}
