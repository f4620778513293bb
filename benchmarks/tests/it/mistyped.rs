//! Slips that would change what is computed, in silence: names that nothing has, keys that come twice, and configurations of
//! another model.

use crate::command::{assert_command, library, nemesis, told};
use crate::toy;
use std::fs;
use std::path::Path;

/// A data root with the data set `birds`, and what a suite of one's own is planned with there.
struct Birds {
    folder: tempfile::TempDir,
    weights: String,
    coop: String,
}

impl Birds {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        toy::data_root(folder.path(), &["birds"]);
        Self { folder, weights: toy::weights(), coop: library("nemesis_method_coop") }
    }

    fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a suite with this list of data sets and these options of CoOp.
    fn suite(&self, datasets: &str, options: &str) {
        let text = format!(
            "name: own\ntitle: Own\ntable: few-shot\ndatasets: {datasets}\nshots: [1]\nseeds: [1]\nmethods:\n  - method: \
             coop\n    options: {options}\n"
        );
        fs::write(self.dir().join("own.yaml"), text).unwrap();
    }

    /// Plans the suite.
    fn plan<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let plan =
            ["plan", "--suite", "own.yaml", "--data", "data", "--weights", &self.weights, "--plugin", &self.coop];
        plan.iter().chain(more).copied().collect()
    }
}

#[test]
fn a_suite_of_ones_own_runs_on_the_data_sets_that_it_names() {
    let birds = Birds::new();
    let dir = birds.dir();
    birds.suite("[brids]", "{n_ctx: 4}");
    assert_command!(dir, &birds.plan(&[]));
    // It names one that is known, and that is not in the root: those that are in it are no substitute.
    birds.suite("[dtd]", "{n_ctx: 4}");
    let told = told(&nemesis(dir, &birds.plan(&[])).output().unwrap());
    assert!(!told.contains("birds"), "{told}");
}

#[test]
fn a_key_that_comes_twice_is_refused() {
    let birds = Birds::new();
    let dir = birds.dir();
    birds.suite("[birds]", "{n_ctx: 4, n_ctx: 8}");
    assert_command!(dir, &birds.plan(&[]));
    birds.suite("[birds]", "{n_ctx: 4}");
    fs::write(dir.join("nemesis.yaml"), "jobs: 1\nset:\n  coop.n_ctx: 4\n  coop.n_ctx: 8\n").unwrap();
    assert_command!(dir, &birds.plan(&[]));
}

#[test]
fn a_protocol_names_data_sets_that_there_are() {
    let birds = Birds::new();
    let dir = birds.dir();
    birds.suite("[birds]", "{n_ctx: 4}");
    let mini = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols/mini.yaml")).unwrap();
    let own = mini.replacen("name: mini", "name: own\nepochs_by_dataset: {brids: 3}", 1);
    assert_ne!(own, mini);
    fs::write(dir.join("protocol.yaml"), own).unwrap();
    assert_command!(dir, &birds.plan(&["--protocol", "protocol.yaml"]));
    let own = mini.replacen("name: mini", "name: own", 1);
    let own = own.replacen("\nmethods:\n", "\nmethods:\n  copo: {protocol: {epochs: 3}}\n", 1);
    fs::write(dir.join("protocol.yaml"), own).unwrap();
    let said = told(&nemesis(dir, &birds.plan(&["--protocol", "protocol.yaml"])).output().unwrap());
    let warning =
        "warning: the protocol `own` says something of `copo`, which is no method here\n  help: did you mean `coop`?\n";
    assert!(said.contains(warning), "{said}");
}

#[test]
fn the_configuration_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    // The mini suite's CLIP without its metadata, which tell its configuration.
    let mini = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("mini/mini-clip.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&mini).unwrap().tensors();
    fs::write(dir.join("bare.safetensors"), safetensors::serialize(tensors, None).unwrap()).unwrap();
    let config = |layers: u32| format!(r#"{{"model_cfg": {{"vision_cfg": {{"layers": {layers}}}}}}}"#);
    fs::write(dir.join("other.json"), config(99)).unwrap();
    assert_command!(dir, &["backbone", "check", "bare.safetensors", "--weights-config", "other.json"]);
    fs::write(dir.join("twice.json"), config(99).replace("{\"layers", "{\"layers\": 4, \"layers")).unwrap();
    assert_command!(dir, &["backbone", "check", "bare.safetensors", "--weights-config", "twice.json"]);
}

#[test]
fn a_tilde_in_settings_is_the_home_folder() {
    let birds = Birds::new();
    let dir = birds.dir();
    birds.suite("[birds]", "{n_ctx: 4}");
    fs::copy(birds.weights.split_once('=').unwrap().1, dir.join("clip.safetensors")).unwrap();
    fs::write(dir.join("nemesis.yaml"), "data: ~/data\nout: ~/records\nweights: mini=~/clip.safetensors\n").unwrap();
    let mut run = nemesis(
        dir,
        &["run", "--suite", "own.yaml", "--plugin", &birds.coop, "--protocol", "mini", "--data", "~/data"],
    );
    let output = run.env("HOME", dir).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    assert!(dir.join("records/records").is_dir() && !dir.join("~").exists());
}

#[test]
fn features_are_not_written_over_what_they_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    toy::paint(&dir.join("photos/a.png"), [1, 2, 3]);
    let before = fs::read(dir.join("photos/a.png")).unwrap();
    let weights = toy::weights();
    assert_command!(dir, &["encode", "photos", "--weights", &weights, "--output", "photos/a.png"]);
    assert_eq!(fs::read(dir.join("photos/a.png")).unwrap(), before);
}

/// A log on a full disk, as clusters' quotas have it.
#[cfg(target_os = "linux")]
#[test]
fn a_run_outlives_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    toy::data_root(dir, &["birds"]);
    let weights = toy::weights();
    let mut run = nemesis(dir, &toy::run(&weights, &["--datasets", "birds", "--seeds", "1"]));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = run.stderr(full).stdout(std::process::Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(0));
}
