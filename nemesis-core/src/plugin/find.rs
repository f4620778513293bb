//! Finding plugins in the files and folders that the user named.

use super::{PluginFile, python};
use crate::error::suggest;
use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A file that may be a plugin.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Where it is.
    pub path: PathBuf,
    /// What it says about itself, or why it is not a plugin.
    pub inspected: Result<PluginFile>,
}

impl Candidate {
    /// The plugin's file if this program can load it, or why it cannot.
    ///
    /// # Errors
    ///
    /// When the file is not a plugin, or is one for another nemesis or libtorch.
    pub fn usable(&self) -> Result<&PluginFile> {
        let file = self.inspected.as_ref().map_err(Error::clone)?;
        file.compatible().map(|()| file)
    }
}

/// The plugins in the user's files and folders. None of their code runs until one is loaded.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    candidates: Vec<Candidate>,
}

impl Registry {
    /// Reads all files in `places`, and in each folder there the files named `libnemesis_method_*`
    /// and the Python files and packages that say `ABOUT`.
    ///
    /// # Errors
    ///
    /// When a place does not exist. A file that is not a plugin is a [`Candidate`] that says so.
    pub fn scan(places: &[PathBuf]) -> Result<Self> {
        let mut paths = Vec::new();
        for place in places {
            let failed = |e: std::io::Error| {
                Error::io("find plugins", place, &e).expected("a plugin file, or a folder with plugins")
            };
            if fs::metadata(place).map_err(failed)?.is_dir() && !python::is_python(place) {
                let entries = fs::read_dir(place).map_err(failed)?;
                let mut found = entries
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(failed)?;
                found.retain(|path| is_named_as_plugin(path) || python::is_plugin(path));
                found.sort();
                paths.append(&mut found);
            } else {
                paths.push(place.clone());
            }
        }
        // A file may be named twice, or lie in a folder that is also named.
        let mut seen = std::collections::BTreeSet::new();
        paths.retain(|path| seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())));
        let inspect = |path: PathBuf| Candidate { inspected: PluginFile::inspect(&path), path };
        Ok(Self { candidates: paths.into_iter().map(inspect).collect() })
    }

    /// Every file that was found, usable or not.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The plugin of the method `id`.
    ///
    /// # Errors
    ///
    /// When there is none (the message names the nearest known one, or why a file of that name is unusable), or two
    /// that differ (the message names both files).
    pub fn find(&self, id: &str) -> Result<&PluginFile> {
        let plugins = || self.candidates.iter().filter_map(|candidate| candidate.inspected.as_ref().ok());
        let mut matching = plugins().filter(|file| file.metadata().id == id);
        if let Some(file) = matching.next() {
            if let Some(other) = matching.find(|other| other.hash() != file.hash()) {
                let (one, two) = (file.path().display(), other.path().display());
                return Err(Error::new(format!("two plugins have the id `{id}`: {one} and {two}"))
                    .help("choose one of the files with `--plugin`, or give one of the plugins a different id"));
            }
            file.compatible()?;
            return Ok(file);
        }
        let named = |candidate: &&Candidate| is_named_after(&candidate.path, id);
        if let Some(Err(error)) = self.candidates.iter().find(named).map(|candidate| &candidate.inspected) {
            return Err(error.clone());
        }
        let known: Vec<&str> = plugins().map(|file| file.metadata().id.as_str()).collect();
        let help = if known.is_empty() {
            "no plugins were found: build the methods with `cargo build`, or name a file or folder with `--plugin`"
                .to_owned()
        } else {
            suggest(id, known)
        };
        Err(Error::new(format!("there is no method `{id}`")).help(help))
    }
}

/// Whether the file is named as cargo names the library of a method.
fn is_named_as_plugin(path: &Path) -> bool {
    let library = path.extension().is_some_and(|extension| extension == "so" || extension == "dylib");
    library && path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.starts_with(PREFIX))
}

/// Whether the file is named as cargo names the library of the method `id`.
fn is_named_after(path: &Path, id: &str) -> bool {
    path.file_stem().and_then(|stem| stem.to_str()) == Some(&format!("{PREFIX}{}", id.replace('-', "_")))
}

const PREFIX: &str = "libnemesis_method_";
