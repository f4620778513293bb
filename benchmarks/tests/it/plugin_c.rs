//! Plugins that no Rust is in: the method in C++ passes the kit and runs, and what was built for others is refused.

use crate::command::{nemesis, told};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of this repository.
fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_method_in_cpp_passes_every_check_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut build = Command::new(source("../nemesis-core/abi/example/build.sh"));
    let output = build.arg(folder.path()).env("LIBTORCH", env!("NEMESIS_LIBTORCH_FOLDER")).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));

    let plugin = format!("libnemesis_method_task_residual{}", std::env::consts::DLL_SUFFIX);
    let checks = super::plugin::untimed_checks();
    let output = nemesis(folder.path(), &["plugin", "check", &plugin, "--only", &checks]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));

    let arguments = ["run", "--plugin", &plugin, "--methods", "coop,task-residual"];
    let cells = ["--datasets", "eurosat", "--shots", "1", "--seeds", "1"];
    let output = nemesis(folder.path(), &[&arguments[..], &cells].concat()).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

/// Builds `foreign.c` to the plugin of a method `foreign`.
fn foreign(folder: &Path, definitions: &[&str]) {
    let mut build = Command::new("cc");
    build.args(["-shared", "-fPIC", r#"-DID="foreign""#]).args(definitions).arg(source("tests/it/foreign/foreign.c"));
    build.arg("-o").arg(folder.join(format!("libnemesis_method_foreign{}", std::env::consts::DLL_SUFFIX)));
    let output = build.output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

/// What `run`, and `list`, which runs no code, say of such a plugin.
fn refusal(definitions: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    foreign(folder.path(), definitions);
    let output = nemesis(folder.path(), &["run", "--plugin", ".", "--methods", "foreign"]).output().unwrap();
    assert!(!folder.path().join("out").exists(), "nothing is written");
    let list = nemesis(folder.path(), &["plugin", "list", "--plugin", "."]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let listed = list.split("\n\n").find(|part| part.contains("foreign")).unwrap_or_default().trim_end();
    // A plugin that can be told only by loading it is listed like any other, with its hash.
    let listed = if listed.starts_with("not usable") { listed } else { "usable, as far as its file tells" };
    format!("{}--- list\n{listed}", told(&output))
}

/// The libtorch of this nemesis.
const LIBTORCH: &str = r#"-DLIBTORCH="2.11.0""#;

#[test]
fn a_plugin_for_another_interface_is_refused() {
    insta::assert_snapshot!(refusal(&[LIBTORCH, "-DABI=\"2.3\""]));
}

#[test]
fn a_plugin_for_another_libtorch_is_refused() {
    insta::assert_snapshot!(refusal(&["-DLIBTORCH=\"2.13.0\""]));
}

#[test]
fn a_plugin_that_needs_what_libtorch_lacks_is_refused() {
    let refusal = refusal(&[LIBTORCH, "-DMISSING"]);
    insta::with_settings!({ filters => [(r"/\S*/(libnemesis_method_foreign)", "[DIR]/$1")] }, {
        insta::assert_snapshot!(refusal);
    });
}

/// Where a plugin is loaded before there is a cell that it could cost.
#[test]
fn a_plugin_that_crashes_when_it_is_loaded_does_not_take_the_run_with_it() {
    insta::assert_snapshot!(refusal(&[LIBTORCH, "-DCRASH"]));
}

#[test]
fn two_plugins_of_one_method_name_both_files() {
    let folder = tempfile::tempdir().unwrap();
    for (name, version) in [("one", "2.11.0"), ("two", "2.13.0")] {
        fs::create_dir(folder.path().join(name)).unwrap();
        foreign(&folder.path().join(name), &[&format!("-DLIBTORCH=\"{version}\"")]);
    }
    let arguments = ["run", "--plugin", "one", "--plugin", "two", "--methods", "foreign"];
    insta::assert_snapshot!(told(&nemesis(folder.path(), &arguments).output().unwrap()));
}
