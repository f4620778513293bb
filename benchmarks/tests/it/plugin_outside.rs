//! A method in a repository of its own: made, built in a profile of its own, with its own lock file, checked, and run.

use crate::command::{nemesis, told};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What of the crate is compiled otherwise than in the workspace: its own code.
const OWN_PROFILE: &str = "
[profile.dev.package.nemesis-method-far-away]
opt-level = 3
debug = false
debug-assertions = false
overflow-checks = false
";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Builds the crate in the target folder of this workspace, and takes its library away from there.
fn build(krate: &Path) -> PathBuf {
    // The versions of this workspace, of which cargo keeps what the crate needs.
    fs::copy(workspace().join("Cargo.lock"), krate.join("Cargo.lock")).unwrap();
    compile_dependencies_as_here(krate);
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

/// Lets the dependencies be those that the workspace has built: in the same profile, and of the same features. In one
/// target folder there is then one build of libtorch's bindings.
fn compile_dependencies_as_here(krate: &Path) {
    let (workspace, manifest) = (workspace(), krate.join("Cargo.toml"));
    let root = fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
    let profiles = root.split_once("\n[profile.dev]").and_then(|(_, rest)| rest.split_once("\n[profile.release]"));
    let (profile, _) = profiles.expect("the workspace has both profiles");
    let mut text = format!("{}\n[profile.dev]{profile}{OWN_PROFILE}", fs::read_to_string(&manifest).unwrap());
    let (linked, all) = (packages(&workspace, LINKED), packages(&workspace, ALL));
    loop {
        fs::write(&manifest, &text).unwrap();
        let (own_linked, own) = (packages(krate, LINKED), packages(krate, ALL));
        let of_tools = own.into_iter().filter(|(package, _)| !linked.contains_key(package)).collect();
        let asked = asked("dependencies", &own_linked, &linked) + &asked("build-dependencies", &of_tools, &all);
        // A feature may bring in another package, which has features as well.
        if asked.is_empty() {
            break;
        }
        text += &asked;
    }
}

/// The lines of a manifest that ask for the features that packages have here and do not have there.
fn asked(section: &str, there: &Packages, here: &Packages) -> String {
    let ask = |(package, features): (&Package, &BTreeSet<String>)| {
        let ((name, version), wanted) = (package, here.get(package)?);
        let (table, list) = (format!("{section}.{name}-{}", version.replace('.', "-")), Vec::from_iter(wanted));
        (features != wanted).then(|| {
            format!(
                "\n[{table}]\npackage = {name:?}\nversion = \"={version}\"\n\
                 default-features = false\nfeatures = {list:?}\n"
            )
        })
    };
    there.iter().filter_map(ask).collect()
}

/// Name and version.
type Package = (String, String);
/// Packages with their features.
type Packages = BTreeMap<Package, BTreeSet<String>>;

/// What is linked, and not what only helps to compile.
const LINKED: &str = "normal,no-proc-macro";
const ALL: &str = "normal,build";

/// The packages that a workspace builds, with the features that all that needs them ask for.
fn packages(folder: &Path, edges: &str) -> Packages {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--workspace", "--offline", "--no-dedupe", "--prefix", "none", "--format", "{p}|{f}"]);
    let output = cargo.args(["--edges", edges]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let mut packages = Packages::new();
    // There is an empty line between the members of a workspace.
    for line in String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.is_empty()) {
        let (package, features) = line.split_once('|').unwrap();
        let (name, version) = package.split_once(" v").unwrap();
        let version = version.split(' ').next().unwrap();
        let features = features.split(',').filter(|feature| !feature.is_empty()).map(str::to_owned);
        packages.entry((name.to_owned(), version.to_owned())).or_default().extend(features);
    }
    packages
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
