//! `nemesis plugin new`: the crate of a method in a repository of its own.

use crate::cli::{Ending, env, say};
use clap::Args;
use nemesis_core::{Error, Result};
use nemesis_scaffold::{Home, Name, Sdk, create};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Makes a crate with a working method (CoOp with an L1 penalty), its tests, a README and files for continuous
/// integration. It builds against the libtorch of this program.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct New {
    /// The method's name: words of lower-case letters and digits joined by hyphens
    name: String,
    /// Write the method in Python, in a folder with its test
    #[arg(long, conflicts_with = "sdk")]
    python: bool,
    /// The folder to make; without it, one of the method's name here
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The SDK: a folder of nemesis's sources, or a git address of its repository; without it, the sources that this
    /// program was built from
    #[arg(long, value_name = "DIR|URL")]
    sdk: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  nemesis plugin new my-idea && (cd my-idea && cargo build --release)
  nemesis run --plugin my-idea/target/release --methods coop,my-idea
  nemesis plugin new --python my-idea && nemesis run --plugin my-idea/my_idea.py --methods coop,my-idea";

/// What comes next for a method in Python.
fn tell_python(name: &Name, folder: &Path) -> Result<Ending> {
    let (id, module, folder) = (name.kebab(), name.snake(), folder.display());
    say!("made {folder}; the method is {folder}/{module}.py. Next:\n")?;
    say!("  (cd {folder} && python3 -m pytest)")?;
    say!("  nemesis run --plugin {folder}/{module}.py --methods coop,{id}")?;
    Ok(Ending::Done)
}

impl New {
    pub(in crate::cli) fn run(&self) -> Result<Ending> {
        let name = Name::parse(&self.name).map_err(Error::new)?;
        let name = if self.python { name.for_python().map_err(Error::new)? } else { name };
        let folder = self.folder.clone().unwrap_or_else(|| PathBuf::from(name.kebab()));
        let home =
            if self.python { Home::Python } else { Home::Alone { sdk: self.sdk()?, libtorch: env::libtorch_folder() } };
        create(&name, &folder, &home).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Error::new("the folder already exists")
                .at(&folder)
                .help("choose another name, or another folder with `--folder`"),
            _ => Error::io_write("write the crate", &folder, &error),
        })?;
        if self.python {
            return tell_python(&name, &folder);
        }
        let (name, folder) = (name.kebab(), folder.display());
        say!("made {folder}; the method is {folder}/src/lib.rs. Next:\n")?;
        say!("  (cd {folder} && cargo test --release && cargo build --release)")?;
        say!("  nemesis run --plugin {folder}/target/release --methods coop,{name}")?;
        Ok(Ending::Done)
    }

    fn sdk(&self) -> Result<Sdk> {
        match &self.sdk {
            Some(given) => Sdk::parse(given).map_err(Error::new),
            None => env::sdk_folder().map(Sdk::Folder).ok_or_else(|| {
                Error::new("the sources that this program was built from have moved")
                    .help("name nemesis's sources or its repository with `--sdk`")
            }),
        }
    }
}
