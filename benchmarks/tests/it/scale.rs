//! What a large plan costs.

use crate::command::nemesis;
use std::path::Path;
use std::process::Command;

/// The most memory that a command takes at a time, in bytes, as the system counts it.
fn memory_of(folder: &Path, arguments: &[&str]) -> u64 {
    const SCRIPT: &str = "
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
";
    let command = nemesis(folder, arguments);
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT]).arg(command.get_program()).args(command.get_args()).current_dir(folder);
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// A cell is four kilobytes of JSON. What all seeds have in common is kept once.
#[test]
fn a_cell_of_a_plan_takes_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let memory = |seeds| {
        let what = ["--datasets", "dtd", "--shots", "1", "--methods", "coop,nemesis-pen", "--seeds", seeds];
        memory_of(folder.path(), &[&["plan", "--json"], &what[..]].concat())
    };
    let (few, many) = (memory("1-10"), memory("1-1000,1001-2000,2001-3000"));
    let each = many.saturating_sub(few) / (2990 * 4);
    assert!(each < 1000, "{each} bytes for each cell");
}
