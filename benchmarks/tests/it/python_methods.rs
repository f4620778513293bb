//! Plugins written in Python, as far as no Python runs them: what is read from the source, and what is said of a Python that
//! cannot. The package's own tests (`python/tests`) run them.

use crate::command::{assert_command, nemesis, told};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A Python that says this on standard error and fails.
fn fake_python(folder: &Path, words: &str) {
    let program = folder.join("fake-python");
    fs::write(&program, format!("#!/bin/sh\necho '{words}' >&2\nexit 1\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

fn new_method(folder: &Path) {
    let output = nemesis(folder, &["plugin", "new", "--python", "my-idea"]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

#[test]
fn a_new_method_in_python_comes_with_its_test() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["plugin", "new", "--python", "my-idea"]);
    for file in ["my_idea.py", "test_my_idea.py", "README.md"] {
        assert!(folder.path().join("my-idea").join(file).is_file(), "{file}");
    }
    assert_command!(folder.path(), &["plugin", "new", "--python", "random"]);
}

#[test]
fn its_id_is_read_without_running_it() {
    let folder = tempfile::tempdir().unwrap();
    new_method(folder.path());
    let listed = |place: &str| {
        let output = nemesis(folder.path(), &["plugin", "list", "--plugin", place]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().nth(1).unwrap_or_default().to_owned()
    };
    assert!(listed("my-idea/my_idea.py").starts_with("my-idea "), "{}", listed("my-idea/my_idea.py"));
    // Its test, which lies beside it, is not a plugin.
    assert_eq!(listed("my-idea"), listed("my-idea/my_idea.py"));
}

#[test]
fn a_python_that_cannot_run_it_is_named_with_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    new_method(folder.path());
    fake_python(folder.path(), "ModuleNotFoundError: No module named nemesis");
    let plugin = "my-idea/my_idea.py";
    assert_command!(folder.path(), &["plugin", "describe", plugin, "--python", "./fake-python"]);
    assert_command!(folder.path(), &["plugin", "check", plugin, "--python", "./fake-python"]);
    assert_command!(folder.path(), &["plugin", "describe", plugin, "--python", "./no-python"]);
    fake_python(folder.path(), "ImportError: nemesis was built for PyTorch 2.11.0, but this is PyTorch 2.10.0");
    assert_command!(folder.path(), &["plugin", "check", plugin, "--python", "./fake-python"]);
}

#[test]
fn a_python_file_that_is_no_plugin_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("script.py"), "print('hello')\n").unwrap();
    assert_command!(folder.path(), &["run", "--plugin", "script.py"]);
    fs::write(folder.path().join("named.py"), "class M:\n    ABOUT = About(id=NAME)\n").unwrap();
    assert_command!(folder.path(), &["plugin", "describe", "named.py"]);
}
