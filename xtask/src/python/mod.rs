//! `cargo xtask python`: builds the Python package `nemesis`, installs it into a virtual environment of the project's with
//! the command `nemesis` beside it, and tests it.

mod environment;
mod without_cuda;

use crate::failure::{Failure, Result};
use crate::{setup, workspace};
use environment::{pip, site_packages, succeed};
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// What the command line says about the package.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct PythonOptions {
    /// The Python to make the environment with, 3.10 or later [default: python3]. If it has torch 2.11.0, that is used;
    /// otherwise pip downloads it, for the CPU only. An environment that another Python made is replaced
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    /// If pip downloads torch, download the CUDA libraries too, for a GPU (Linux; 2 GB more to download)
    #[arg(long)]
    cuda: bool,
    /// Build as for tests, which is slower to run and quicker to make
    #[arg(long)]
    debug: bool,
    /// Build the wheel too, into target/wheels
    #[arg(long)]
    wheel: bool,
    /// Do not run the tests
    #[arg(long)]
    no_tests: bool,
    /// Leave out the tests that take long, as CI does
    #[arg(long, conflicts_with = "no_tests")]
    quick: bool,
}

/// Builds, installs and tests; returns the exit code.
pub(crate) fn run(options: &PythonOptions) -> Result<u8> {
    let named = options.python.as_deref();
    environment::check_version(environment::chosen(named))?;
    let mut times = Times(Vec::new());
    let libtorch = setup::run(setup::SetupOptions::of_python(environment::chosen(named)))?;
    let environment = workspace::target_folder()?.join("python");
    let python = times.of("environment", || environment::make(&environment, named, options.cuda))?;
    times.of("build", || {
        if options.debug {
            workspace::build_debug(&libtorch)
        } else {
            workspace::build_release_and(&libtorch, &["nemesis-python"])
        }
    })?;
    let built = workspace::target_folder()?.join(if options.debug { "debug" } else { "release" });
    install(&built, &environment, &python)?;
    if options.wheel {
        times.of("wheel", || build_wheel(&environment, &libtorch))?;
    }
    let mut failed = Vec::new();
    for (name, arguments) in CHECKS.iter().filter(|_| !options.no_tests) {
        // Not as `python -m`, which would look for modules in the working directory first, and find the sources there.
        let mut command = Command::new(environment.join("bin").join(arguments[0]));
        command.args(&arguments[1..]).current_dir(workspace::root().join("python"));
        if options.quick && *name == "pytest" {
            command.args(["-m", "not long"]);
        }
        if !times.of(name, || workspace::run(&mut command))?.success() {
            failed.push(*name);
        }
    }
    let bin = environment.join("bin");
    println!("\nnemesis and its Python package are in {}", environment.display());
    println!("use them with `. {}/activate`", shown(&bin));
    for (name, seconds) in times.0 {
        let outcome = if failed.contains(&name) { "  FAILED" } else { "" };
        println!("{name:<14}{seconds:>5} s{outcome}");
    }
    Ok(u8::from(!failed.is_empty()))
}

/// What the package has to pass.
const CHECKS: [(&str, &[&str]); 4] = [
    ("ruff check", &["ruff", "check"]),
    ("ruff format", &["ruff", "format", "--check"]),
    ("mypy", &["mypy"]),
    ("pytest", &["pytest", "--quiet", "--numprocesses", "auto"]),
];

/// How many seconds each part took.
struct Times(Vec<(&'static str, u64)>);

impl Times {
    fn of<T>(&mut self, name: &'static str, part: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let done = part();
        self.0.push((name, start.elapsed().as_secs()));
        done
    }
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

/// A path from here, if it is below.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}
