//! The program laid out as `cargo xtask install` does it, run from where nothing of the workspace is.

use crate::command::{library, nemesis, program};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// A second name of a file, or a copy of it where that is on another disk.
fn bring(from: &Path, to: &Path) {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).unwrap();
    }
}

#[test]
fn an_installed_program_finds_its_plugins_suites_and_weights() {
    let prefix = tempfile::tempdir().unwrap();
    let (library_folder, bin) = (prefix.path().join("lib/nemesis"), prefix.path().join("bin"));
    fs::create_dir_all(&library_folder).unwrap();
    fs::create_dir_all(&bin).unwrap();
    bring(&program(), &library_folder.join("nemesis"));
    for method in ["coop", "nemesis_pen"] {
        let file = library(&format!("nemesis_method_{method}"));
        bring(Path::new(&file), &library_folder.join(Path::new(&file).file_name().unwrap()));
    }
    symlink(library_folder.join("nemesis"), bin.join("nemesis")).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let clean = nemesis(folder.path(), &[]);
    let mut command = Command::new(bin.join("nemesis"));
    command.current_dir(folder.path());
    for (name, _) in clean.get_envs().filter(|(_, value)| value.is_none()) {
        command.env_remove(name);
    }
    let run = ["run", "--datasets", "eurosat", "--shots", "1", "--seeds", "1", "--methods", "coop,nemesis-pen"];
    let output = command.args(run).output().unwrap();
    assert!(output.status.success(), "{}", crate::command::told(&output));
    // What it would be beside all other things that the workspace has built.
    let other = tempfile::tempdir().unwrap();
    assert_eq!(output.stdout, nemesis(other.path(), &run).output().unwrap().stdout);
}
