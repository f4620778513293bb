//! What a plugin's file says about itself, read without loading it.

use super::python::{self, Source};
use crate::error::Kind;
use crate::{Error, Result, files};
use nemesis_abi as abi;
use nemesis_sdk::versions;
use object::{Object, ObjectKind, ObjectSection};
use std::path::{Path, PathBuf};

/// What the [section](abi::SECTION) of a plugin's file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The version of the C interface, `MAJOR.MINOR`.
    pub abi: String,
    /// The version of libtorch.
    pub libtorch: String,
    /// The value of `_GLIBCXX_USE_CXX11_ABI`, `1` or `0`.
    pub cxx11_abi: String,
    /// What the plugin was made with.
    pub sdk: String,
    /// The method's id.
    pub id: String,
    /// The version of the plugin.
    pub version: String,
    /// A hash over the plugin's sources.
    pub source: String,
}

/// A plugin's file: where it is, its hash, and what it says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFile {
    path: PathBuf,
    hash: String,
    metadata: Metadata,
    source: Option<Source>,
}

impl PluginFile {
    /// Reads what the file says about itself. None of its code runs.
    ///
    /// # Errors
    ///
    /// When it is unreadable, or is not a shared library or not a plugin.
    pub fn inspect(path: &Path) -> Result<Self> {
        if python::is_python(path) {
            let source = Source::read(path)?;
            let metadata = source.metadata().map_err(|error| error.at(&source.file))?;
            return Ok(Self { path: path.to_owned(), hash: source.hash(), metadata, source: Some(source) });
        }
        let bytes = files::read(path)?;
        let metadata = Metadata::of_library(&bytes).map_err(|error| error.at(path))?;
        Ok(Self { path: path.to_owned(), hash: blake3::hash(&bytes).to_hex().to_string(), metadata, source: None })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// blake3 of the file, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What it says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Its source, if it is written in Python: only a process that Python started can load it.
    pub fn python(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// Whether this program can load it: the versions of the C interface and of libtorch must match.
    ///
    /// # Errors
    ///
    /// When they do not; the message names both.
    pub fn compatible(&self) -> Result<()> {
        self.metadata.compatible().map_err(|error| error.at(&self.path))
    }
}

impl Metadata {
    /// Reads the metadata from the bytes of a shared library.
    fn of_library(bytes: &[u8]) -> Result<Self> {
        let help = "give the path to a built plugin, such as target/release/libnemesis_method_coop.so";
        let no_library = |why: &str| Error::new(format!("this is not a shared library: {why}")).help(help);
        let library = object::File::parse(bytes).map_err(|e| no_library(&e.to_string()))?;
        if library.kind() != ObjectKind::Dynamic {
            return Err(no_library("it is a different kind of object file"));
        }
        let section = library.section_by_name(abi::SECTION).ok_or_else(|| {
            Error::new("this shared library is not a nemesis plugin")
                .expected(format!("a section `{}`, which `export_method!` makes", abi::SECTION))
        })?;
        let content = section.data().map_err(|e| no_library(&e.to_string()))?;
        let broken = |what: &str| Error::new(format!("the section `{}` {what}", abi::SECTION));
        let text = std::str::from_utf8(content).map_err(|_| broken("is not UTF-8"))?;
        Self::parse(text.trim_end_matches('\0')).map_err(|what| broken(&what))
    }

    /// Parses lines `key=value`. Unknown keys are ignored, because later versions may add some.
    fn parse(text: &str) -> Result<Self, String> {
        let value = |key: &str| {
            let lines = text.lines().filter_map(|line| line.split_once('='));
            let value = lines.filter(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).next();
            value.filter(|value| !value.is_empty()).ok_or_else(|| format!("lacks `{key}`"))
        };
        let metadata = Self {
            abi: value("abi")?,
            libtorch: value("libtorch")?,
            cxx11_abi: value("cxx11_abi")?,
            sdk: value("sdk")?,
            id: value("id")?,
            version: value("version")?,
            source: value("source")?,
        };
        if !is_kebab(&metadata.id) {
            return Err(format!("has the id `{}`, which is not in kebab case", metadata.id));
        }
        Ok(metadata)
    }

    /// Whether a host with this program's versions can load it.
    pub(super) fn compatible(&self) -> Result<()> {
        let refused = |theirs: &str, ours: &str, help: &str| {
            Error::new(format!("the plugin `{}` was made for {theirs}", self.id))
                .of_kind(Kind::Incompatible)
                .expected(ours)
                .help(help)
        };
        let numbers = self.abi.split_once('.');
        let numbers = numbers.and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
        let fits = |(major, minor)| major == abi::ABI_MAJOR && (0..=abi::ABI_MINOR).contains(&minor);
        if !numbers.is_some_and(fits) {
            return Err(refused(
                &format!("version {} of the plugin interface", self.abi),
                &format!("version {}, which this nemesis uses", abi::ABI_VERSION),
                "rebuild the plugin with the SDK of this nemesis, or use the nemesis it was built for",
            ));
        }
        let rebuild = format!("rebuild the plugin against libtorch {}: `nemesis env` prints how", versions::LIBTORCH);
        if self.libtorch != versions::LIBTORCH {
            return Err(refused(
                &format!("libtorch {}", self.libtorch),
                &format!("libtorch {}, which this nemesis uses", versions::LIBTORCH),
                &rebuild,
            ));
        }
        if self.cxx11_abi != versions::CXX11_ABI {
            return Err(refused(
                &format!("a libtorch with _GLIBCXX_USE_CXX11_ABI={}", self.cxx11_abi),
                &format!("_GLIBCXX_USE_CXX11_ABI={}, which this nemesis uses", versions::CXX11_ABI),
                &rebuild,
            ));
        }
        Ok(())
    }
}

/// Whether an id is in kebab case: ids are used in file names and on the command line.
pub(super) fn is_kebab(id: &str) -> bool {
    let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    id.chars().all(kebab) && id.starts_with(|c: char| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "abi=1.0\nlibtorch=2.11.0\ncxx11_abi=1\nsdk=s\nid=coop\nversion=0.1.0\nsource=ab\nnew=key\n";

    fn parse(from: &str, to: &str) -> Result<Metadata, String> {
        assert!(TEXT.contains(from));
        Metadata::parse(&TEXT.replace(from, to))
    }

    #[test]
    fn a_missing_key_and_a_bad_id_are_reported() {
        assert_eq!(parse("libtorch=2.11.0\n", "").unwrap_err(), "lacks `libtorch`");
        assert_eq!(parse("id=coop", "id=").unwrap_err(), "lacks `id`");
        assert_eq!(parse("id=coop", "id=../x").unwrap_err(), "has the id `../x`, which is not in kebab case");
    }

    #[test]
    fn both_versions_are_named_when_they_differ() {
        assert_eq!(parse("abi", "abi").unwrap().compatible(), Ok(()));
        let refused = |from, to| parse(from, to).unwrap().compatible().unwrap_err();
        insta::assert_snapshot!(refused("abi=1.0", "abi=2.0"), @r"
        the plugin `coop` was made for version 2.0 of the plugin interface
          expected: version 1.1, which this nemesis uses
          help: rebuild the plugin with the SDK of this nemesis, or use the nemesis it was built for
        ");
        insta::assert_snapshot!(refused("2.11.0", "2.13.0"), @r"
        the plugin `coop` was made for libtorch 2.13.0
          expected: libtorch 2.11.0, which this nemesis uses
          help: rebuild the plugin against libtorch 2.11.0: `nemesis env` prints how
        ");
        insta::assert_snapshot!(refused("abi=1\n", "abi=0\n"), @r"
        the plugin `coop` was made for a libtorch with _GLIBCXX_USE_CXX11_ABI=0
          expected: _GLIBCXX_USE_CXX11_ABI=1, which this nemesis uses
          help: rebuild the plugin against libtorch 2.11.0: `nemesis env` prints how
        ");
    }

    #[test]
    fn an_older_minor_version_fits_but_a_newer_one_and_nonsense_are_refused() {
        for minor in 0..=abi::ABI_MINOR {
            assert_eq!(parse("abi=1.0", &format!("abi=1.{minor}")).unwrap().compatible(), Ok(()));
        }
        for abi in ["1.2", "0.9", "1", "x.y", "1.0.0"] {
            assert!(parse("abi=1.0", &format!("abi={abi}")).unwrap().compatible().is_err(), "{abi}");
        }
    }

    #[test]
    fn a_file_that_is_not_a_library_is_refused() {
        assert!(
            Metadata::of_library(b"#!/bin/sh").unwrap_err().to_string().starts_with("this is not a shared library")
        );
    }
}
