//! `cargo xtask gallery`: the pictures and pages in docs/gallery.
//!
//! The tests of the mini suites have the records that the gallery shows, and compare it with them. Here they write it.

use crate::failure::Result;
use crate::{setup, workspace};

/// The tests that have the records.
const TESTS: [&str; 2] = ["mini_suite::", "suites::"];

/// Runs them, and returns their exit code.
pub(crate) fn run() -> Result<u8> {
    let libtorch = setup::run(setup::SetupOptions::default())?;
    // Tests load the method plugins that the build makes.
    workspace::build_debug(&libtorch)?;
    let mut test = workspace::cargo("test");
    test.args(["--workspace", "--test", "it", "--"]).args(TESTS);
    test.env("LIBTORCH", &libtorch).env("XTASK_GALLERY", "write");
    Ok(u8::from(!workspace::run(&mut test)?.success()))
}
