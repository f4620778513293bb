//! Two versions of `nemesis` at once.

use super::{Undisturbed, is_left_to_the_campaign, lend_pictures, report};
use crate::command::{program, records, told, without_settings, written};
use crate::processes::left_behind;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// This program with another fingerprint of its sources, beside the same plugins.
fn another_version(folder: &Path) -> PathBuf {
    let ours = nemesis_core::FINGERPRINT;
    let theirs: String = ours.chars().rev().collect();
    assert_ne!(ours, theirs);
    let mut bytes = fs::read(program()).unwrap();
    let mut at = 0;
    let mut found = 0;
    while let Some(next) = bytes[at..].windows(ours.len()).position(|window| window == ours.as_bytes()) {
        bytes[at + next..][..theirs.len()].copy_from_slice(theirs.as_bytes());
        at += next + ours.len();
        found += 1;
    }
    assert!(found > 0);
    let path = folder.join("nemesis");
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(program().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|extension| extension == "so") {
            symlink(entry.path(), folder.join(entry.file_name())).unwrap();
        }
    }
    path
}

#[test]
fn two_versions_share_a_folder() {
    if is_left_to_the_campaign("versions::two_versions_share_a_folder") {
        return;
    }
    let undisturbed = Undisturbed::small();
    let versions = tempfile::tempdir().unwrap();
    let other = another_version(versions.path());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    lend_pictures(folder);
    let run = |program: &Path| {
        let ours = undisturbed.run(folder, &[]);
        let mut run = without_settings(Command::new(program));
        run.args(ours.get_args()).current_dir(folder);
        crate::processes::mark(&mut run, folder);
        run
    };
    let programs = [program(), other.clone(), program(), other];
    let runs = programs.map(|program| run(&program).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut tables = Vec::new();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        tables.push(fs::read(written(folder, &output, ".json")).unwrap());
    }
    assert!(tables.iter().all(|table| *table == undisturbed.table), "the tables differ");
    assert_eq!(records(folder), 2 * undisturbed.records, "each version has records of its own");
    assert_eq!(left_behind(folder), [""; 0]);
    report("two versions on one folder", 2, &tables[0], "");
}
