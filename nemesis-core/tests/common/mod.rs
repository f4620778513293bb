//! What several tests need: the plugins of this workspace, built.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The file of the plugin of method `id`, built if it is not there or not up to date.
///
/// `cargo test` builds the libraries of a `cdylib` crate for nobody, so this asks cargo for them. It asks for the whole
/// workspace, as `cargo build` does: for fewer packages cargo would unify features differently, and build `tch` again.
pub(crate) fn plugin(id: &str) -> PathBuf {
    static MESSAGES: OnceLock<String> = OnceLock::new();
    let messages = MESSAGES.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--workspace", "--message-format=json"]);
        let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "the workspace does not build");
        String::from_utf8(output.stdout).unwrap()
    });
    let name = format!("libnemesis_method_{}{}", id.replace('-', "_"), std::env::consts::DLL_SUFFIX);
    let artifacts = messages.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let files = artifacts.flat_map(|artifact| artifact["filenames"].as_array().cloned().unwrap_or_default());
    let paths = files.filter_map(|file| file.as_str().map(PathBuf::from));
    paths.into_iter().find(|path| path.ends_with(&name)).unwrap_or_else(|| panic!("cargo built no {name}"))
}
