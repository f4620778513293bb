//! A method in a repository of its own: made, built in a profile of its own, with its own lock file, checked, and run.

use crate::command::{nemesis, told};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the crate is compiled: other than the workspace. Its dependencies outside of nemesis are compiled as the workspace
/// compiles them, so that in one target folder there is one build of libtorch's bindings, which takes minutes.
const PROFILE: &str = r#"
[profile.dev]
opt-level = 3
debug = false
debug-assertions = false
overflow-checks = false

[profile.dev.package."*"]
opt-level = 1
debug = false
debug-assertions = true
overflow-checks = true
"#;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Builds the crate in the target folder of this workspace, and takes its library away from there.
fn build(krate: &Path) -> PathBuf {
    // The versions of this workspace, of which cargo keeps what the crate needs.
    fs::copy(workspace().join("Cargo.lock"), krate.join("Cargo.lock")).unwrap();
    let manifest = fs::read_to_string(krate.join("Cargo.toml")).unwrap();
    fs::write(krate.join("Cargo.toml"), manifest + PROFILE).unwrap();
    let target = crate::command::program().parent().and_then(Path::parent).unwrap().to_owned();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet"]).current_dir(krate).env("CARGO_TARGET_DIR", &target);
    // What cargo sets for its own tests is not meant for a build within them.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG_") || name.starts_with("NEMESIS_"))
    {
        cargo.env_remove(name);
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let name = format!("libnemesis_method_far_away{}", std::env::consts::DLL_SUFFIX);
    let built = krate.join(&name);
    // Beside the program it would be found by every other run.
    fs::copy(target.join("debug").join(&name), &built).unwrap();
    fs::remove_file(target.join("debug").join(&name)).unwrap();
    built
}

#[test]
fn a_crate_outside_of_the_workspace_is_checked_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let output = nemesis(folder.path(), &["plugin", "new", "far-away"]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let krate = folder.path().join("far-away");
    let plugin = build(&krate).display().to_string();

    let lock = |folder: &Path| fs::read_to_string(folder.join("Cargo.lock")).unwrap();
    let (own, ours) = (lock(&krate), lock(&workspace()));
    assert!(own.contains("nemesis-method-far-away") && !own.contains("nemesis-core"), "the lock file is not its own");
    assert!(own.len() < ours.len() / 2);

    let checks = super::plugin::untimed_checks();
    let output = nemesis(folder.path(), &["plugin", "check", &plugin, "--only", &checks]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let arguments = ["run", "--plugin", &plugin, "--methods", "coop,far-away", "--set", "far-away.lambda=0.5"];
    let cells = ["--datasets", "eurosat", "--shots", "1", "--seeds", "1"];
    let output = nemesis(folder.path(), &[&arguments[..], &cells].concat()).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("CoOp  FarAway"), "{table}");
}
