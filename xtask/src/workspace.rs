//! Where the workspace is, and how its programs are started.

use crate::failure::{Failure, Result};
use serde_json::Value;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// How long the first build takes.
const FIRST_BUILD: &str = "about three minutes on two cores, once";

/// The root of the workspace that this `xtask` belongs to.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable at run time too, and is right even if the workspace was moved after the build.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let mut root = PathBuf::from(package);
    root.pop();
    root
}

/// Where Cargo puts what it builds, according to Cargo: it may be configured anywhere.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let folder = metadata()?.get("target_directory").and_then(Value::as_str).map(PathBuf::from);
    folder.ok_or_else(|| Failure::new("`cargo metadata` does not give the target directory"))
}

/// The file names of the method plugins in `methods/`.
pub(crate) fn method_libraries() -> Result<Vec<String>> {
    let library = |package: String| format!("{DLL_PREFIX}{}{DLL_SUFFIX}", package.replace('-', "_"));
    Ok(methods()?.into_iter().map(library).collect())
}

/// The packages in `methods/`.
pub(crate) fn methods() -> Result<Vec<String>> {
    let (metadata, folder) = (metadata()?, root().join("methods"));
    let packages = metadata.get("packages").and_then(Value::as_array).into_iter().flatten();
    let method = |package: &Value| {
        let manifest = Path::new(package.get("manifest_path")?.as_str()?);
        manifest.starts_with(&folder).then(|| package.get("name")?.as_str().map(str::to_owned))?
    };
    Ok(packages.filter_map(method).collect())
}

/// What Cargo says about the workspace.
fn metadata() -> Result<Value> {
    let mut command = cargo("metadata");
    command.args(["--format-version", "1", "--no-deps", "--offline"]);
    let output = command.output().map_err(|error| cannot_start(&command, &error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("`cargo metadata` failed: {}", said.trim())));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|e| Failure::new(format!("the output of `cargo metadata` is not JSON: {e}")))
}

/// A Cargo command in the root of the workspace.
pub(crate) fn cargo(command: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg(command).current_dir(root());
    cargo
}

/// Runs a command to its end, showing it and what it prints.
pub(crate) fn run(command: &mut Command) -> Result<ExitStatus> {
    eprintln!("$ {}", shown(command));
    command.status().map_err(|error| cannot_start(command, &error))
}

/// Builds `nemesis` and all method plugins in release mode, against this libtorch, and nothing that only tests need.
pub(crate) fn build_release(libtorch: &Path) -> Result<()> {
    build_release_and(libtorch, &[])
}

/// The same, and these packages.
pub(crate) fn build_release_and(libtorch: &Path, packages: &[&str]) -> Result<()> {
    let mut all = methods()?;
    all.extend(packages.iter().map(|package| (*package).to_owned()));
    build_release_of(libtorch, &all)
}

/// Builds `nemesis` and these packages alone.
pub(crate) fn build_release_of(libtorch: &Path, packages: &[String]) -> Result<()> {
    if !nemesis_program()?.exists() {
        eprintln!("building nemesis and {} plugins: {FIRST_BUILD}", packages.len());
    }
    let mut command = cargo("build");
    command.args(["--release", "--package", "nemesis-bench"]).env("LIBTORCH", libtorch);
    command.args(packages.iter().flat_map(|package| ["--package", package]));
    if run(&mut command)?.success() { Ok(()) } else { Err(failed_build()) }
}

/// Builds our side of the comparison with PyTorch, which users do not need.
pub(crate) fn build_peer(libtorch: &Path) -> Result<()> {
    let mut command = cargo("build");
    command.args(["--release", "--package", "nemesis-peer"]).env("LIBTORCH", libtorch);
    if run(&mut command)?.success() { Ok(()) } else { Err(failed_build()) }
}

pub(crate) fn failed_build() -> Failure {
    Failure::new("the build failed; its messages are above")
}

/// Builds everything as tests use it. For fewer packages Cargo would unify features differently, and build `tch` again.
pub(crate) fn build_debug(libtorch: &Path) -> Result<()> {
    let mut command = cargo("build");
    command.arg("--workspace").env("LIBTORCH", libtorch);
    if run(&mut command)?.success() { Ok(()) } else { Err(failed_build()) }
}

/// The release build of `nemesis`.
pub(crate) fn nemesis_program() -> Result<PathBuf> {
    program("nemesis")
}

/// The release build of a program.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    Ok(target_folder()?.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

/// Replaces this process with the release build of `nemesis`, in the user's folder: its exit code is that of the task,
/// and only it gets Ctrl-C.
pub(crate) fn nemesis(arguments: impl IntoIterator<Item = OsString>) -> Result<u8> {
    let mut command = Command::new(nemesis_program()?);
    eprintln!("$ {}", shown(command.args(arguments)));
    let error = command.exec();
    Err(cannot_start(&command, &error))
}

/// The command line as a user would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    let words = command.get_args().map(|argument| {
        let word = argument.to_string_lossy();
        if word.is_empty() || word.contains([' ', '"', '*', '$']) { format!("'{word}'") } else { word.into_owned() }
    });
    std::iter::once(name).chain(words).collect::<Vec<_>>().join(" ")
}

pub(crate) fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot start {}: {error}", command.get_program().display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every package of the workspace with its features, as it is built along these edges.
    fn packages(edges: &str) -> BTreeSet<String> {
        let mut command = cargo("tree");
        command.args(["--workspace", "--locked", "--no-dedupe", "--prefix", "none", "--format", "{p} {f}"]);
        let output = command.args(["--edges", edges]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_a_build_made_is_not_compiled_again_for_tests() {
        let (built, tested) = (packages("normal,build"), packages("normal,build,dev"));
        let twice: Vec<&String> = built.difference(&tested).collect();
        assert!(
            twice.is_empty(),
            "tests ask for more features of {twice:?}, so that they and all that use them are compiled twice; \
             ask for the same in benchmarks/fuzz/Cargo.toml"
        );
    }
}
