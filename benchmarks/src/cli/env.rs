//! `nemesis env`: what a crate outside the workspace needs to build against the same libtorch.

use super::{Ending, say};
use crate::cluster::quoted;
use crate::process::again;
use clap::Args;
use nemesis_core::Result;
use nemesis_core::method::border::abi::ABI_VERSION;
use nemesis_core::method::versions;
use std::path::{Path, PathBuf};

/// Prints what it takes to build a plugin outside this repository for this program, as lines for a shell.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Env {
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  eval \"$(nemesis env)\" && cargo build --release
  eval \"$(nemesis env)\" && c++ -shared -fPIC -std=c++17 \\
      -D_GLIBCXX_USE_CXX11_ABI=$NEMESIS_CXX11_ABI \\
      -DSOURCE_HASH=\"\\\"$(sha256sum < method.cpp | cut -c1-32)\\\"\" \\
      -fvisibility=hidden -Wl,--version-script=$NEMESIS_SDK/../abi/example/export.map \\
      -I$LIBTORCH/include -I$LIBTORCH/include/torch/csrc/api/include -I$NEMESIS_SDK/../abi/include \\
      method.cpp -o libnemesis_method_mine.so -L$LIBTORCH/lib -ltorch_cpu -lc10";

impl Env {
    pub(super) fn run(&self) -> Result<Ending> {
        let variables = variables(&program()?);
        if self.json {
            let object: serde_json::Map<_, _> =
                variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            say!("{:#}", serde_json::Value::Object(object))?;
        } else {
            say!(
                "# nemesis {} with plugin interface {ABI_VERSION} and libtorch {}",
                env!("CARGO_PKG_VERSION"),
                versions::LIBTORCH
            )?;
            for (name, value) in variables {
                say!("export {name}={}", quoted(&value))?;
            }
        }
        Ok(Ending::Done)
    }
}

/// The program, as one word if that is possible: of a Python's process, the command that its package has installed beside
/// the interpreter.
fn program() -> Result<String> {
    let words = again()?;
    let installed = words.first().map(|python| python.with_file_name("nemesis-python"));
    if let Some(installed) = installed.filter(|installed| words.len() > 1 && installed.is_file()) {
        return Ok(installed.display().to_string());
    }
    Ok(words.iter().map(|word| word.display().to_string()).collect::<Vec<_>>().join(" "))
}

/// The variables by name. `LIBTORCH` is what `tch` reads, the others are ours.
fn variables(program: &str) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("LIBTORCH", libtorch_folder().display().to_string()),
        ("NEMESIS", program.to_owned()),
        ("NEMESIS_ABI", ABI_VERSION.to_owned()),
        ("NEMESIS_CXX11_ABI", versions::CXX11_ABI.to_owned()),
    ];
    if let Some(sdk) = sdk_folder() {
        variables.push(("NEMESIS_SDK", sdk.display().to_string()));
    }
    variables
}

/// The libtorch that this program was built with, and finds by its rpath.
pub(super) fn libtorch_folder() -> PathBuf {
    PathBuf::from(env!("NEMESIS_LIBTORCH_FOLDER"))
}

/// The SDK in the sources that this program was built from, if they are still where they were.
pub(super) fn sdk_folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.join("nemesis-core/sdk");
    folder.join("Cargo.toml").is_file().then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_name_folders_that_are_there() {
        let variables = variables("/bin/nemesis");
        let value = |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value).unwrap();
        assert!(Path::new(value("LIBTORCH")).join("include/torch").is_dir());
        assert!(Path::new(value("NEMESIS_SDK")).join("src/lib.rs").is_file());
        assert_eq!(value("NEMESIS"), "/bin/nemesis");
    }
}
