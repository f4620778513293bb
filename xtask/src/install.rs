//! `cargo xtask install`: puts `nemesis` and its method plugins where a shell finds them.

use crate::failure::{Failure, Result};
use crate::{setup, workspace};
use std::env::consts::{DLL_EXTENSION, DLL_SUFFIX, EXE_SUFFIX};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the command line says about the installation.
#[derive(Debug, clap::Args)]
pub(crate) struct InstallOptions {
    /// The folder to install to: `bin/nemesis` is a link to `lib/nemesis/nemesis`, which has its plugins next to it
    /// [default: Cargo's own, ~/.cargo]
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
    /// Install the build that tests use, which runs more slowly and builds faster
    #[arg(long)]
    debug: bool,
}

/// Builds, copies, and says where everything is.
pub(crate) fn run(options: &InstallOptions) -> Result<u8> {
    let libtorch = setup::run(setup::SetupOptions::default())?;
    if options.debug {
        workspace::build_debug(&libtorch)?;
    } else {
        workspace::build_release(&libtorch)?;
    }
    let prefix = match &options.prefix {
        Some(prefix) => std::path::absolute(prefix).map_err(|e| Failure::io("find", prefix, &e))?,
        None => cargo_home()?,
    };
    let built = workspace::target_folder()?.join(if options.debug { "debug" } else { "release" });
    let (library, bin) = (prefix.join("lib/nemesis"), prefix.join("bin"));
    let name = format!("nemesis{EXE_SUFFIX}");
    make(&library)?;
    make(&bin)?;
    remove_plugins(&library)?;
    let methods = workspace::method_libraries()?;
    for file in std::iter::once(&name).chain(&methods) {
        copy(&built.join(file), &library.join(file))?;
    }
    let elsewhere = bring_libtorch(&libtorch, &library.join("libtorch"))?;
    link(&library.join(&name), &bin.join(&name))?;
    require_start(&bin.join(&name))?;
    println!("{} and {} methods are in {}", name, methods.len(), library.display());
    if let Some(elsewhere) = &elsewhere {
        println!("they use libtorch in {}, which must stay there", elsewhere.display());
    }
    if !is_on_path(&bin) {
        println!("add {} to PATH, so that a shell finds `nemesis`", bin.display());
    }
    Ok(0)
}

fn cargo_home() -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
        .ok_or_else(|| Failure::new("your home folder is unknown").help("say where to install with --prefix DIR"))
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Failure::io("create the folder", folder, &e))
}

/// Removes the plugins of an earlier installation, so that methods that no longer exist are not found.
fn remove_plugins(folder: &Path) -> Result<()> {
    let failed = |e| Failure::io("read the folder", folder, &e);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension() == Some(OsStr::new(DLL_EXTENSION)) {
            fs::remove_file(&path).map_err(|e| Failure::io("remove", &path, &e))?;
        }
    }
    Ok(())
}

/// Copies a file in such a way that a running program keeps the old one.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let temporary = to.with_extension("part");
    fs::copy(from, &temporary).map_err(|e| Failure::io("copy", from, &e))?;
    fs::rename(&temporary, to).map_err(|e| Failure::io("write", to, &e))
}

/// Puts libtorch where the installed program looks first, and returns where it is if it is not copied.
///
/// One that was downloaded into the workspace may be deleted with it, so its libraries are copied. That of a Python, or
/// the user's own, is linked to, wherever it is: it may need libraries that lie beside it.
fn bring_libtorch(libtorch: &Path, to: &Path) -> Result<Option<PathBuf>> {
    let libtorch = libtorch.canonicalize().map_err(|e| Failure::io("find", libtorch, &e))?;
    match fs::symlink_metadata(to) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(to).map_err(|e| Failure::io("replace", to, &e))?,
        Ok(_) => fs::remove_file(to).map_err(|e| Failure::io("replace", to, &e))?,
        Err(_) => {}
    }
    if !is_ours(&libtorch, &workspace::root().join(setup::FOLDER)) {
        symlink(&libtorch, to).map_err(|e| Failure::io("create the link", to, &e))?;
        return Ok(Some(libtorch));
    }
    let (from, to) = (libtorch.join("lib"), to.join("lib"));
    make(&to)?;
    let failed = |e| Failure::io("read the folder", &from, &e);
    for entry in fs::read_dir(&from).map_err(failed)? {
        let file = entry.map_err(failed)?;
        let is_library = file.file_name().to_string_lossy().contains(DLL_SUFFIX);
        if is_library {
            bring_library(&file.path(), &to.join(file.file_name()))?;
        }
    }
    Ok(None)
}

/// Whether libtorch, by its real path, is what setup has downloaded to `folder`, and not what a link there leads to.
fn is_ours(libtorch: &Path, folder: &Path) -> bool {
    let is_folder = fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir());
    is_folder && folder.canonicalize().is_ok_and(|folder| folder == libtorch)
}

/// Links or copies half a gigabyte: a hard link takes no room, but both must be on one disk.
fn bring_library(from: &Path, to: &Path) -> Result<()> {
    match fs::read_link(from) {
        Ok(other) => symlink(other, to).map_err(|e| Failure::io("create the link", to, &e)),
        Err(_) if fs::hard_link(from, to).is_ok() => Ok(()),
        Err(_) => copy(from, to),
    }
}

/// Refuses an installed program that does not start, for want of a library of libtorch's, say.
fn require_start(program: &Path) -> Result<()> {
    let mut command = Command::new(program);
    let output = command.arg("--version").output().map_err(|error| workspace::cannot_start(&command, &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("{} is installed and does not start: {}", program.display(), said.trim()))
        .help("let setup use another libtorch: set LIBTORCH to it, or remove .libtorch, and install again"))
}

fn link(program: &Path, place: &Path) -> Result<()> {
    match fs::symlink_metadata(place) {
        Ok(found) if !found.is_symlink() => {
            return Err(Failure::new(format!("{} exists and was not installed by this command", place.display()))
                .help("remove it, or install elsewhere with --prefix DIR"));
        }
        Ok(_) => fs::remove_file(place).map_err(|e| Failure::io("replace", place, &e))?,
        Err(_) => {}
    }
    symlink(program, place).map_err(|e| Failure::io("create the link", place, &e))
}

fn is_on_path(folder: &Path) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|entry| entry == folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_libtorch_within_the_workspace_is_ours_only_if_it_was_downloaded() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (ours, python) = (root.join(setup::FOLDER), root.join("venv/torch"));
        make(&python).unwrap();
        symlink(&python, &ours).unwrap();
        assert!(!is_ours(&python, &ours), "it is the Python's, to which setup has made a link");
        fs::remove_file(&ours).unwrap();
        assert!(!is_ours(&python, &ours));
        make(&ours).unwrap();
        assert!(is_ours(&ours, &ours));
        assert!(!is_ours(&python, &ours), "LIBTORCH names another");
    }

    #[test]
    fn a_program_that_does_not_start_is_an_error() {
        assert!(require_start(Path::new("true")).is_ok());
        let failure = require_start(Path::new("false")).unwrap_err();
        assert!(failure.to_string().starts_with("error: false is installed and does not start"), "{failure}");
        assert!(require_start(Path::new("./no-such-program")).is_err());
    }
}
