//! The virtual environment of the Python package: torch, and what the package is checked and tested with.

use super::without_cuda;
use crate::failure::{Failure, Result};
use crate::setup::{Python, Recipe};
use crate::workspace;
use nemesis_build::LIBTORCH_VERSION;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the package is checked and tested with, as pip reads it.
const TOOLS: &str = "python/requirements-dev.txt";

/// The Python that an environment is made with: the one that the command line names, if it names one.
pub(super) fn chosen(named: Option<&Path>) -> &Path {
    named.unwrap_or(Path::new("python3"))
}

/// Refuses a Python that the package is not for, before anything is downloaded.
pub(super) fn check_version(python: &Path) -> Result<()> {
    let mut command = Command::new(python);
    command.args(["-c", "import sys; print(*sys.version_info[:2])"]);
    let output = command.output().map_err(|error| workspace::cannot_start(&command, &error))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let number = |word: Option<&str>| word.and_then(|word| word.parse::<u32>().ok());
    let mut words = said.split_whitespace();
    match (number(words.next()), number(words.next())) {
        (Some(major), Some(minor)) if (major, minor) >= (3, 10) => Ok(()),
        (Some(major), Some(minor)) => Err(Failure::new(format!(
            "{} is Python {major}.{minor}; the package needs 3.10 or later",
            python.display()
        ))
        .help("name another with `--python PROGRAM`")),
        _ => {
            Err(Failure::new(format!("{} is not a Python", python.display())).help("name one with `--python PROGRAM`"))
        }
    }
}

/// Makes the virtual environment unless it exists, with torch and the tools; returns its Python.
pub(super) fn make(folder: &Path, named: Option<&Path>, cuda: bool) -> Result<PathBuf> {
    let (python, with) = (folder.join("bin/python"), chosen(named));
    if !may_stay(&python, named) {
        // Without the Debian package python3-venv the folder is left without pip; nothing of it is of use.
        let made = succeed(Command::new(with).args(["-m", "venv", "--clear"]).arg(folder));
        made.map_err(|failure| failure.help("Debian and Ubuntu: `apt-get install python3-venv`"))?;
    }
    pip(&python, &["--requirement", &workspace::root().join(TOOLS).to_string_lossy()])?;
    give_torch(&python, with, cuda)?;
    Ok(python)
}

/// Whether the environment of this Python is of use and, if a Python is named, of the same installation.
fn may_stay(python: &Path, named: Option<&Path>) -> bool {
    has_pip(python) && named.is_none_or(|named| are_of_one_installation(python, named))
}

/// Whether what was compiled for one Python fits the other, either of which may be that of a virtual environment.
fn are_of_one_installation(one: &Path, other: &Path) -> bool {
    installation(one).is_some_and(|found| installation(other) == Some(found))
}

/// Where the Python is installed that this one is, or that its environment was made with, and its version.
fn installation(python: &Path) -> Option<String> {
    let mut command = Command::new(python);
    command.args(["-c", "import os, sys; print(os.path.realpath(sys.base_prefix), *sys.version_info[:2])"]);
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Makes `import torch` work: with the torch of the Python `with`, if it fits the environment, or with one that pip
/// downloads.
fn give_torch(python: &Path, with: &Path, cuda: bool) -> Result<()> {
    let packages = site_packages(python)?;
    if cuda {
        without_cuda::undo(&packages)?;
    }
    if imports_torch(python) {
        return Ok(());
    }
    match (Python { program: with }).torch_folder() {
        // Half a gigabyte or more that need not be downloaded and kept twice.
        Some(torch) if has_version(&torch) && are_of_one_installation(python, with) => {
            let link = packages.join("torch-of-another-python.pth");
            let found = torch.parent().unwrap_or(&torch).display();
            fs::write(&link, format!("{found}\n")).map_err(|e| Failure::io("write", &link, &e))?;
        }
        _ => match Recipe::of_platform(std::env::consts::OS, std::env::consts::ARCH) {
            Some(recipe) if cfg!(target_os = "linux") && !cuda => without_cuda::install(python, &packages, &recipe)?,
            _ => pip(python, &[&format!("torch=={LIBTORCH_VERSION}")])?,
        },
    }
    if imports_torch(python) {
        return Ok(());
    }
    let environment = python.ancestors().nth(2).unwrap_or(python).display();
    let help = format!(
        "its message is above; choose a Python that has torch {LIBTORCH_VERSION} with `--python PROGRAM`, or remove \
         {environment} to have it made anew"
    );
    Err(Failure::new(format!("`import torch` fails in {}", python.display())).help(help))
}

fn has_pip(python: &Path) -> bool {
    let mut command = Command::new(python);
    let output = command.args(["-c", "import pip"]).stderr(Stdio::null()).status();
    output.is_ok_and(|status| status.success())
}

/// Whether this Python imports torch of the right version. An installation that was interrupted may lack a part of it.
fn imports_torch(python: &Path) -> bool {
    if (Python { program: python }).torch_folder().is_none() {
        return false;
    }
    let mut command = Command::new(python);
    let right = format!("import sys, torch; sys.exit(torch.__version__.split('+')[0] != '{LIBTORCH_VERSION}')");
    command.args(["-c", &right]).status().is_ok_and(|status| status.success())
}

fn has_version(torch: &Path) -> bool {
    let version = fs::read_to_string(torch.join("version.py")).unwrap_or_default();
    version.lines().any(|line| {
        let value = line.split_once('=').filter(|(name, _)| name.trim_start().starts_with("__version__"));
        value.is_some_and(|(_, value)| value.trim().trim_matches('\'').split('+').next() == Some(LIBTORCH_VERSION))
    })
}

/// Installs what these requirements and options of pip name.
pub(super) fn pip(python: &Path, requirements: &[&str]) -> Result<()> {
    let mut command = Command::new(python);
    // Modules are compiled when they are first imported; most of torch never is.
    command.args(["-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]);
    // Downloads go where there must be room anyway, rather than to a small /tmp.
    let room = python.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    command.args(requirements).env("TMPDIR", room);
    eprintln!("$ {}", workspace::shown(&command));
    // It complains of what torch lacks on purpose.
    let output = command.output().map_err(|error| workspace::cannot_start(&command, &error))?;
    if output.status.success() {
        return Ok(());
    }
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    Err(failed(&command))
}

/// The folder that this Python's packages are in.
pub(super) fn site_packages(python: &Path) -> Result<PathBuf> {
    let mut command = Command::new(python);
    command.args(["-c", "import sysconfig; print(sysconfig.get_path('platlib'))"]);
    let output = command.output().map_err(|error| workspace::cannot_start(&command, &error))?;
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

pub(super) fn succeed(command: &mut Command) -> Result<()> {
    if workspace::run(command)?.success() {
        return Ok(());
    }
    Err(failed(command))
}

fn failed(command: &Command) -> Failure {
    Failure::new(format!("`{}` failed; its messages are above", workspace::shown(command)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A Python that has pip, and that says this of where it is installed.
    fn python(folder: &Path, installation: &str) -> PathBuf {
        fs::create_dir(folder).unwrap();
        let answers = format!("case $2 in *base_prefix*) echo '{installation}' ;; esac\n");
        fs::write(folder.join("behaviour"), answers).unwrap();
        let (script, program) = ("src/setup/fake-python.sh", folder.join("python"));
        symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join(script), &program).unwrap();
        program
    }

    #[test]
    fn an_environment_of_another_python_than_the_one_that_is_named_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let python = |name: &str, installation: &str| python(&folder.path().join(name), installation);
        let environment = python("environment", "/usr 3 11");
        assert!(may_stay(&environment, None));
        assert!(may_stay(&environment, Some(&python("its-own", "/usr 3 11"))));
        assert!(!may_stay(&environment, Some(&python("another", "/usr 3 12"))));
        assert!(!may_stay(&folder.path().join("none"), None));
    }

    #[test]
    fn every_tool_has_a_version() {
        let tools = fs::read_to_string(workspace::root().join(TOOLS)).unwrap();
        let lines: Vec<&str> = tools.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.len() >= 7, "{tools}");
        for line in lines {
            assert!(line.contains("==") || line.ends_with("; python_version < \"3.11\""), "{line}");
        }
    }
}
