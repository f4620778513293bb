//! Methods that nothing here can run cost their columns only.

use crate::command::{assert_command, nemesis, records, told, wrote_nothing};
use crate::plugin_c::foreign;
use crate::toy::{data_root, run, weights};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A method in Python, a Python whose torch is another, and a compiled method `foreign` for another libtorch.
fn three_that_cannot_run(folder: &Path) {
    let made = nemesis(folder, &["plugin", "new", "--python", "my-idea"]).output().unwrap();
    assert!(made.status.success(), "{}", told(&made));
    let words = "ImportError: nemesis was built for PyTorch 2.11.0, but this is PyTorch 2.10.0";
    let python = folder.join("wrong-python");
    fs::write(&python, format!("#!/bin/sh\necho '{words}' >&2\nexit 1\n")).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    foreign(folder, &["-DLIBTORCH=\"2.13.0\""]);
}

/// What the records in a folder say, but for times.
fn outcomes(folder: &Path) -> Vec<serde_json::Value> {
    let records = fs::read_dir(folder.join("out/records")).unwrap().map(|entry| entry.unwrap().path());
    let mut records: Vec<_> = records.filter(|file| file.extension().is_some_and(|ending| ending == "json")).collect();
    records.sort();
    let outcome = |file| serde_json::from_slice::<serde_json::Value>(&fs::read(file).unwrap()).unwrap();
    records.iter().map(|file| outcome(file)["outcome"].clone()).collect()
}

#[test]
fn others_are_computed_as_without_them_and_their_columns_stay_empty() {
    let [with, without] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let weights = weights();
    for folder in [&with, &without] {
        data_root(folder.path(), &["toy"]);
    }
    three_that_cannot_run(with.path());
    let library = format!("libnemesis_method_foreign{}", std::env::consts::DLL_SUFFIX);
    let plugins = ["--plugin", "my-idea/my_idea.py", "--plugin", &library, "--python", "./wrong-python"];
    // The suite's methods are named again, since `--methods` is in `toy::run`.
    let mut command = run(&weights, &[]);
    let methods = command.iter().position(|word| *word == "coop").unwrap();
    command[methods] = "my-idea,coop,foreign";
    command.extend(plugins.iter().chain(&["--datasets", "toy", "--seeds", "1"]));
    assert_command!(with.path(), &command);
    // The plan says so, too, before anything is computed.
    command[0] = "plan";
    assert_eq!(nemesis(with.path(), &command).output().unwrap().status.code(), Some(1));

    let alone = nemesis(without.path(), &run(&weights, &["--datasets", "toy", "--seeds", "1"])).output().unwrap();
    assert!(alone.status.success(), "{}", told(&alone));
    assert_eq!(records(with.path()), records(without.path()));
    assert_eq!(outcomes(with.path()), outcomes(without.path()));
}

#[test]
fn a_run_with_none_left_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    three_that_cannot_run(folder.path());
    let arguments = ["run", "--plugin", "my-idea/my_idea.py", "--python", "./wrong-python", "--methods", "my-idea"];
    assert_command!(folder.path(), &arguments);
    assert!(wrote_nothing(folder.path()), "nothing is written");
}
