//! `cargo xtask new-method`: a crate with a working method in `methods/`, to be turned into your own.

use crate::failure::{Failure, Result};
use crate::workspace;
use nemesis_scaffold::{Home, Name, create};
use std::io::ErrorKind;

/// Makes the crate and says what to do next.
pub(crate) fn run(name: &str) -> Result<u8> {
    let name = Name::parse(name).map_err(Failure::new)?;
    let folder = workspace::root().join("methods").join(name.kebab());
    let files = create(&name, &folder, &Home::Workspace).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(format!("the method `{}` already exists", name.kebab()))
            .help("choose another name, or edit the sources in methods/"),
        _ => Failure::io("write", &folder, &error),
    })?;
    let name = name.kebab();
    println!("made methods/{name} of {} files; the method is methods/{name}/src/lib.rs. Next:\n", files.len());
    println!("  cargo test -p nemesis-method-{name}");
    println!("  cargo xtask reproduce --methods coop,{name}");
    Ok(0)
}
