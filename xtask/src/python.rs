//! `cargo xtask python`: builds the Python package `nemesis`, installs it into a virtual environment of the project's with
//! the command `nemesis` beside it, and tests it.

use crate::failure::{Failure, Result};
use crate::setup::{self, Python};
use crate::workspace;
use nemesis_build::LIBTORCH_VERSION;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the command line says about the package.
#[derive(Debug, clap::Args)]
pub(crate) struct PythonOptions {
    /// The Python to make the environment with, 3.10 or later. If it has torch 2.11.0, that is used; otherwise pip
    /// downloads it
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// Build as for tests, which is slower to run and quicker to make
    #[arg(long)]
    debug: bool,
    /// Build the wheel too, into target/wheels
    #[arg(long)]
    wheel: bool,
    /// Do not run the tests
    #[arg(long)]
    no_tests: bool,
}

/// What the package is checked and tested with.
const TOOLS: [&str; 7] = ["pytest", "pytest-xdist", "ruff", "mypy", "numpy", "pillow", "pandas"];

/// Builds, installs and tests; returns the exit code.
pub(crate) fn run(options: &PythonOptions) -> Result<u8> {
    check_version(&options.python)?;
    let libtorch = setup::run(setup::SetupOptions::of_python(&options.python))?;
    let environment = workspace::target_folder()?.join("python");
    let python = make_environment(&environment, &options.python)?;
    if options.debug {
        workspace::build_debug(&libtorch)?;
    } else {
        workspace::build_release_and(&libtorch, &["nemesis-python"])?;
    }
    let built = workspace::target_folder()?.join(if options.debug { "debug" } else { "release" });
    install(&built, &environment, &python)?;
    if options.wheel {
        build_wheel(&environment, &libtorch)?;
    }
    let failed = if options.no_tests { Vec::new() } else { test(&environment)? };
    let bin = environment.join("bin");
    println!("\nnemesis and its Python package are in {}", environment.display());
    println!("use them with `. {}/activate`", shown(&bin));
    for name in &failed {
        println!("FAILED: {name}");
    }
    Ok(u8::from(!failed.is_empty()))
}

/// Refuses a Python that the package is not for, before anything is downloaded.
fn check_version(python: &Path) -> Result<()> {
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
fn make_environment(folder: &Path, with: &Path) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    if !has_pip(&python) {
        // Without the Debian package python3-venv the folder is left without pip; nothing of it is of use.
        let made = succeed(Command::new(with).args(["-m", "venv", "--clear"]).arg(folder));
        made.map_err(|failure| failure.help("Debian and Ubuntu: `apt-get install python3-venv`"))?;
    }
    let found = Python { program: &python };
    if found.torch_folder().is_none() {
        match (Python { program: with }).torch_folder() {
            // Half a gigabyte or more that need not be downloaded and kept twice.
            Some(torch) if has_version(&torch) => {
                let link = site_packages(&python)?.join("torch-of-another-python.pth");
                let packages = torch.parent().unwrap_or(&torch).display();
                fs::write(&link, format!("{packages}\n")).map_err(|e| Failure::io("write", &link, &e))?;
            }
            _ => pip(&python, &[&format!("torch=={LIBTORCH_VERSION}")])?,
        }
    }
    pip(&python, &TOOLS)?;
    Ok(python)
}

fn has_pip(python: &Path) -> bool {
    let mut command = Command::new(python);
    let output = command.args(["-c", "import pip"]).stderr(Stdio::null()).status();
    output.is_ok_and(|status| status.success())
}

fn has_version(torch: &Path) -> bool {
    let version = fs::read_to_string(torch.join("version.py")).unwrap_or_default();
    version.lines().any(|line| {
        let value = line.split_once('=').filter(|(name, _)| name.trim_start().starts_with("__version__"));
        value.is_some_and(|(_, value)| value.trim().trim_matches('\'').split('+').next() == Some(LIBTORCH_VERSION))
    })
}

fn pip(python: &Path, requirements: &[&str]) -> Result<()> {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(requirements);
    succeed(&mut command)
}

/// The folder that this Python's packages are in.
fn site_packages(python: &Path) -> Result<PathBuf> {
    let mut command = Command::new(python);
    command.args(["-c", "import sysconfig; print(sysconfig.get_path('platlib'))"]);
    let output = command.output().map_err(|error| workspace::cannot_start(&command, &error))?;
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// Copies the package with its native module, and links to the command, whose plugins lie beside it.
fn install(built: &Path, environment: &Path, python: &Path) -> Result<()> {
    let from = workspace::root().join("python/nemesis");
    let to = site_packages(python)?.join("nemesis");
    if to.exists() {
        fs::remove_dir_all(&to).map_err(|e| Failure::io("replace", &to, &e))?;
    }
    copy_sources(&from, &to)?;
    let library = built.join(format!("{DLL_PREFIX}_native{DLL_SUFFIX}"));
    let module = to.join("_native.abi3.so");
    fs::copy(&library, &module).map_err(|e| Failure::io("copy", &library, &e))?;
    let (program, link) =
        (built.join(format!("nemesis{EXE_SUFFIX}")), environment.join(format!("bin/nemesis{EXE_SUFFIX}")));
    let _ = fs::remove_file(&link);
    symlink(&program, &link).map_err(|e| Failure::io("create the link", &link, &e))
}

fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(|e| Failure::io("create the folder", to, &e))?;
    for entry in fs::read_dir(from).map_err(|e| Failure::io("read the folder", from, &e))? {
        let file = entry.map_err(|e| Failure::io("read the folder", from, &e))?.path();
        let name = file.file_name().unwrap_or_default();
        if file.is_dir() && name != "__pycache__" {
            copy_sources(&file, &to.join(name))?;
        } else if file.is_file() && file.extension().is_none_or(|extension| extension != "so") {
            fs::copy(&file, to.join(name)).map_err(|e| Failure::io("copy", &file, &e))?;
        }
    }
    Ok(())
}

/// Builds the wheel that any Python from 3.10 can install.
fn build_wheel(environment: &Path, libtorch: &Path) -> Result<()> {
    pip(&environment.join("bin/python"), &["maturin>=1.9,<2"])?;
    let mut command = Command::new(environment.join("bin/maturin"));
    command.args(["build", "--release", "--manifest-path", "python/Cargo.toml", "--out"]);
    command.arg(workspace::target_folder()?.join("wheels")).current_dir(workspace::root()).env("LIBTORCH", libtorch);
    succeed(&mut command)
}

/// Runs every check, and returns those that failed.
fn test(environment: &Path) -> Result<Vec<&'static str>> {
    let checks: [(&str, &[&str]); 4] = [
        ("ruff check", &["ruff", "check"]),
        ("ruff format", &["ruff", "format", "--check"]),
        ("mypy", &["mypy"]),
        ("pytest", &["pytest", "--quiet", "--numprocesses", "auto"]),
    ];
    let mut failed = Vec::new();
    for (name, arguments) in checks {
        let mut command = Command::new(environment.join("bin/python"));
        command.arg("-m").args(arguments).current_dir(workspace::root().join("python"));
        if !workspace::run(&mut command)?.success() {
            failed.push(name);
        }
    }
    Ok(failed)
}

fn succeed(command: &mut Command) -> Result<()> {
    if workspace::run(command)?.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{}` failed; its messages are above", workspace::shown(command))))
}

/// A path from here, if it is below.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}
