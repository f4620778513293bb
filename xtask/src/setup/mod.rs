//! `cargo xtask setup`: puts libtorch, or a link to it, at `.libtorch` in the root of the workspace.
//!
//! It looks where `LIBTORCH` points, then at `.libtorch`, then in Python's torch package. If none has the right
//! version, pip downloads it. The folder appears by a single rename at the end, so an interrupted setup leaves nothing
//! that looks complete.

mod pip;
#[cfg(test)]
mod tests;
mod unpack;
mod wheels;

use crate::failure::{Failure, Result};
use crate::workspace;
use nemesis_build::{LIBTORCH_VERSION, check_libtorch};
use pip::OWN_LIBTORCH;
pub(crate) use pip::{Python, cpu_requirements};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
pub(crate) use wheels::Recipe;

/// The name of the folder or link in the root of the workspace, which `.cargo/config.toml` knows too.
pub(crate) const FOLDER: &str = ".libtorch";

/// How the names of a setup's working folders begin. The next setup removes what an interrupted one left.
const PARTIAL: &str = ".libtorch-partial-";

/// What the command line says about libtorch.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SetupOptions {
    /// Keep the CUDA libraries too, for `--device cuda:0` (Linux; 2.5 GB more to download, 3.8 GB on the disk)
    #[arg(long)]
    cuda: bool,
    /// The Python whose torch or pip to use
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
}

impl SetupOptions {
    /// Those of a setup with this Python.
    pub(crate) fn of_python(python: &Path) -> Self {
        Self { cuda: false, python: python.to_owned() }
    }
}

impl Default for SetupOptions {
    fn default() -> Self {
        Self { cuda: false, python: "python3".into() }
    }
}

/// Finds or obtains libtorch for this workspace; returns the folder to set `LIBTORCH` to.
pub(crate) fn run(options: SetupOptions) -> Result<PathBuf> {
    let root = workspace::root();
    let folder = root.join(FOLDER);
    let setup = Setup {
        // Cargo sets the variable too, from the workspace's configuration, to the folder that setup fills.
        given: std::env::var_os("LIBTORCH").map(PathBuf::from).filter(|given| *given != folder),
        recipe: Recipe::of_platform(std::env::consts::OS, std::env::consts::ARCH),
        root,
        options,
    };
    setup.run(&|line| eprintln!("libtorch {LIBTORCH_VERSION}: {line}"))
}

/// A setup of one workspace.
struct Setup {
    root: PathBuf,
    given: Option<PathBuf>,
    recipe: Option<Recipe>,
    options: SetupOptions,
}

impl Setup {
    fn run(&self, say: &dyn Fn(&str)) -> Result<PathBuf> {
        let _lock = self.lock(say)?;
        self.remove_leftovers()?;
        let folder = self.root.join(FOLDER);
        let mut here = self.usable(&folder).is_ok();

        if let Some(given) = &self.given {
            let absolute = given.is_absolute().then_some(()).ok_or_else(|| "its path is not absolute".to_owned());
            match absolute.and_then(|()| self.usable(given)) {
                Ok(()) => {
                    say(&format!("found in LIBTORCH ({})", given.display()));
                    if !here {
                        self.link(given)?;
                    }
                    return Ok(given.clone());
                }
                Err(problem) => say(&format!("LIBTORCH is not used: {problem}")),
            }
        }
        if here {
            let target = fs::read_link(&folder).map_or(String::new(), |target| format!(" -> {}", target.display()));
            say(&format!("already there ({FOLDER}{target})"));
            return Ok(folder);
        }
        let python = Python { program: &self.options.python };
        let name = self.options.python.display();
        if let Some(torch) = python.torch_folder() {
            match self.usable(&torch).and_then(|()| python.load(&library(&torch))) {
                Ok(()) => {
                    self.link(&torch)?;
                    say(&format!("found in {name}'s torch ({})", torch.display()));
                    here = true;
                }
                Err(problem) => say(&format!("{name}'s torch is not used: {problem}")),
            }
        }
        if !here {
            self.obtain(&python, say)?;
        }
        Ok(folder)
    }

    /// Waits until no other setup is running here. The lock ends with the process, however that ends.
    fn lock(&self, say: &dyn Fn(&str)) -> Result<Lock> {
        let failed = |error: io::Error| Failure::io("lock", &self.root, &error);
        let lock = File::open(&self.root).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                say("waiting for another setup to finish");
                lock.lock().map_err(failed)?;
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        Ok(Lock(lock))
    }

    fn remove_leftovers(&self) -> Result<()> {
        let entries = fs::read_dir(&self.root).map_err(|error| Failure::io("read", &self.root, &error))?;
        for entry in entries.filter_map(io::Result::ok) {
            if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Whether a folder holds what this setup needs; otherwise what is wrong with it.
    fn usable(&self, folder: &Path) -> Result<(), String> {
        check_libtorch(folder)?;
        if self.options.cuda && !folder.join("lib/libtorch_cuda.so").is_file() {
            return Err(format!("{} has no CUDA libraries", folder.display()));
        }
        Ok(())
    }

    /// Makes `.libtorch` a link to the user's libtorch.
    fn link(&self, target: &Path) -> Result<()> {
        let target = fs::canonicalize(target).map_err(|error| Failure::io("resolve", target, &error))?;
        let partial = self.partial()?;
        let link = partial.path().join("link");
        symlink(&target, &link)?;
        self.publish(&link)
    }

    /// Downloads libtorch with pip and puts it at `.libtorch`.
    fn obtain(&self, python: &Python<'_>, say: &dyn Fn(&str)) -> Result<()> {
        let cuda = self.options.cuda;
        let Some(recipe) = &self.recipe else {
            return Err(Failure::new(format!("there is no libtorch {LIBTORCH_VERSION} to download for this platform"))
                .help(OWN_LIBTORCH));
        };
        say("found neither in LIBTORCH nor in Python; downloading it with pip (0.5 GB)");
        let partial = self.partial()?;
        let [downloads, libtorch] = ["downloads", "libtorch"].map(|name| partial.path().join(name));
        for folder in [&downloads, &libtorch] {
            fs::create_dir(folder).map_err(|error| Failure::io("create", folder, &error))?;
        }
        python.download_recipe(recipe, &downloads)?;

        say("checking hashes and unpacking");
        let mut bytes = 0;
        let mut requirements = Vec::new();
        for wheel in &recipe.wheels {
            let file = unpack::downloaded(wheel, &downloads)?;
            unpack::verify(wheel, &file)?;
            bytes += unpack::unpack(&file, &libtorch, cuda)?;
            if cuda {
                requirements.extend(pip::cuda_requirements(&unpack::metadata(&file)?));
            }
            // Makes room on the disk for the next download.
            remove(&file)?;
        }
        if cuda {
            say("downloading the CUDA libraries with pip (2 GB); no hash is pinned for them");
            python.download_requirements(&requirements, &downloads)?;
            for file in unpack::all_wheels(&downloads)? {
                bytes += unpack::unpack(&file, &libtorch, cuda)?;
                remove(&file)?;
            }
        } else if cfg!(target_os = "linux") {
            symlink(Path::new("libtorch_cpu.so"), &libtorch.join("lib/libtorch.so"))?;
        }
        check_libtorch(&libtorch).map_err(Failure::new)?;
        python.load(&library(&libtorch)).map_err(|problem| {
            Failure::new(format!("the downloaded libtorch does not load here: {problem}")).help(OWN_LIBTORCH)
        })?;
        self.publish(&libtorch)?;
        let kind = if cuda { "with CUDA" } else { "CPU only; `--cuda` adds the CUDA libraries" };
        say(&format!("ready in {FOLDER} ({} MB, {kind})", bytes / 1_000_000));
        Ok(())
    }

    fn partial(&self) -> Result<tempfile::TempDir> {
        let folder = tempfile::Builder::new().prefix(PARTIAL).tempdir_in(&self.root);
        folder.map_err(|error| Failure::io("create a folder in", &self.root, &error))
    }

    /// Replaces what was there before, if anything, with what was made in a folder of this setup's. What was there goes there
    /// as a whole, to be removed with it: half of it under its old name would pass for all.
    fn publish(&self, made: &Path) -> Result<()> {
        let (folder, old) = (self.root.join(FOLDER), made.with_file_name("old"));
        if let Err(error) = fs::rename(&folder, &old)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(Failure::io("replace", &folder, &error));
        }
        fs::rename(made, &folder).map_err(|error| {
            let _ = fs::rename(&old, &folder);
            Failure::io("create", &folder, &error)
        })
    }
}

/// The lock of a workspace. It is released explicitly: a child that is just being started may still hold a copy of the
/// file, which would keep the lock for a moment longer.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // If it cannot be unlocked now, it is when the process ends.
        let _ = self.0.unlock();
    }
}

/// The library that all others depend on.
fn library(libtorch: &Path) -> PathBuf {
    libtorch.join("lib").join(format!("{}torch_cpu{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

/// Removes a file, a link (not what it points to) or a folder, if it is there.
fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|error| Failure::io("remove", path, &error))
}

fn symlink(target: &Path, link: &Path) -> Result<()> {
    std::os::unix::fs::symlink(target, link).map_err(|error| Failure::io("create", link, &error))
}
