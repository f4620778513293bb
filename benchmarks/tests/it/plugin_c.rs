//! Plugins that no Rust is in: the method in C++ passes the kit and runs, and what was built for others is refused.

use crate::command::{nemesis, told, wrote_nothing};
use nemesis_core::method::border::abi::ABI_VERSION;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A file of this repository.
fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Starts to compile the method in C++, from the sources in this folder if one is given.
fn compile(folder: &Path, sources: Option<&str>) -> Child {
    let mut build = Command::new(source("../nemesis-core/abi/example/build.sh"));
    build.arg(folder).args(sources.map(source)).env("LIBTORCH", env!("NEMESIS_LIBTORCH_FOLDER"));
    build.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The names of all learned states, which are hashes of their bytes, and what was predicted.
fn results(folder: &Path) -> BTreeSet<Vec<u8>> {
    let files = ["states", "predictions"].map(|kind| fs::read_dir(folder.join("out").join(kind)).unwrap());
    let [states, predictions] = files.map(|files| files.map(|file| file.unwrap().path()));
    let names = states.map(|state| state.file_name().unwrap().as_encoded_bytes().to_vec());
    names.chain(predictions.map(|file| fs::read(file).unwrap())).collect()
}

/// What it learns, and the table, are the same when it was built for version 1.0 of the interface, from the header of
/// that version.
#[test]
fn the_method_in_cpp_passes_every_check_and_runs() {
    let [current, released] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let builds =
        [compile(current.path(), None), compile(released.path(), Some("../nemesis-core/abi/tests/released/1.0"))];
    for build in builds {
        let output = build.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
    }
    let plugin = format!("libnemesis_method_task_residual{}", std::env::consts::DLL_SUFFIX);
    let checks = super::plugin::untimed_checks();
    let tables = [(current.path(), ABI_VERSION), (released.path(), "1.0")].map(|(folder, version)| {
        let bytes = fs::read(folder.join(&plugin)).unwrap();
        let line = format!("abi={version}\n");
        assert!(bytes.windows(line.len()).any(|window| window == line.as_bytes()), "it is not for version {version}");

        let output = nemesis(folder, &["plugin", "check", &plugin, "--only", &checks]).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));

        let arguments = ["run", "--plugin", &plugin, "--methods", "coop,task-residual"];
        let cells = ["--datasets", "eurosat", "--shots", "1", "--seeds", "1"];
        let output = nemesis(folder, &[&arguments[..], &cells].concat()).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    });
    assert_eq!(tables[0], tables[1]);
    assert!(results(current.path()).len() > 2);
    assert_eq!(results(current.path()), results(released.path()));
    insta::assert_snapshot!(tables[0]);
}

/// Builds `foreign.c` to the plugin of a method `foreign`.
pub(crate) fn foreign(folder: &Path, definitions: &[&str]) {
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
    assert!(wrote_nothing(folder.path()), "nothing is written");
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
