//! Clocks that jump.

use super::{Undisturbed, is_left_to_the_campaign, lend_pictures, report};
use crate::command::told;
use std::path::Path;
use std::process::{Command, Stdio};

/// Two runs, each with a clock that jumps by days several times a second.
#[test]
fn jumping_clocks_leave_no_trace() {
    if is_left_to_the_campaign("clocks::jumping_clocks_leave_no_trace") {
        return;
    }
    let undisturbed = Undisturbed::small();
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("clock.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/campaign/clock.c");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
    let compiled = compile.output().unwrap();
    assert!(compiled.status.success(), "{}", told(&compiled));
    lend_pictures(folder.path());
    let runs = ["86400", "-31536000"].map(|seconds| {
        let mut run = undisturbed.run(folder.path(), &["--lease-timeout", "3"]);
        run.env("LD_PRELOAD", &library).env("CLOCK_JUMPS_BY", seconds);
        run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
    }
    std::fs::remove_file(&library).unwrap();
    let table = undisturbed.assert_in(folder.path(), &[]);
    report("clocks that jump by days", 2, &table, "");
}
