//! `--weights`, which has one form for all commands: a checkpoint, with a name for its backbone or without one.

use clap::Args;
use nemesis_core::backbone::{Assumption, known};
use nemesis_core::{Error, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The name of the mini suite's small CLIP, which is no file of the user's.
pub const MINI: &str = "mini";

/// The options of commands that use one backbone.
#[derive(Clone, Debug, Args)]
pub(crate) struct WeightsOptions {
    /// The checkpoint of CLIP: a file of OpenAI, `open_clip` or transformers, or a folder of the latter two; `mini` is the mini
    /// suite's
    #[arg(long, value_name = "[NAME=]FILE")]
    pub(crate) weights: Option<Weights>,
    /// What to assume of a checkpoint that does not tell its activation, head width and preprocessing: `openai`, or a JSON
    /// file of `open_clip` or transformers that does
    #[arg(long, value_name = "openai|FILE")]
    pub(crate) weights_config: Option<Assumption>,
}

impl WeightsOptions {
    /// The checkpoint, where one has to be named; that of the mini suite is written to `folder`.
    ///
    /// # Errors
    ///
    /// When none is named, or there is no such file.
    pub(crate) fn required(&self, folder: &Path) -> Result<PathBuf> {
        self.weights.as_ref().ok_or_else(unnamed)?.locate(folder)
    }
}

/// The error of what would run on data of the user's and names no checkpoint: a table of the small CLIP looks like one
/// of CLIP.
pub(crate) fn unnamed() -> Error {
    Error::new("no checkpoint of CLIP is given")
        .expected("--weights NAME=FILE, as in --weights RN50=RN50.pt; `nemesis backbone fetch` gets OpenAI's")
        .help("the mini suite's small CLIP has to be asked for by its name: `--weights mini`")
}

/// A checkpoint as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    name: Option<String>,
    file: PathBuf,
}

impl Weights {
    /// A checkpoint with a name for its backbone.
    pub fn named(name: String, file: PathBuf) -> Self {
        Self { name: Some(name), file: from_home(file) }
    }

    /// The backbone's name: the one given, else that of the published model whose file it is, else the file's stem.
    pub fn name(&self) -> String {
        let stem = || self.file.file_stem().unwrap_or(OsStr::new("clip")).to_string_lossy().into_owned();
        let published = || known::of_file(&self.file).map(|published| published.name.to_owned());
        self.name.clone().or_else(published).unwrap_or_else(stem)
    }

    /// The file as it was given.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Where the checkpoint lies; that of the mini suite is written to `folder` if it is not there.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn locate(&self, folder: &Path) -> Result<PathBuf> {
        locate(self.name.as_deref().unwrap_or(MINI), &self.file, folder)
    }
}

/// A path in the user's home folder, if it begins with `~/`. Shells replace that, but not all of them behind an
/// equals sign, and none in files of settings or quotes.
pub(crate) fn from_home(path: PathBuf) -> PathBuf {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path,
    }
}

/// Where the checkpoint of a backbone lies.
///
/// # Errors
///
/// When there is no such file.
pub(crate) fn locate(name: &str, file: &Path, folder: &Path) -> Result<PathBuf> {
    if name == MINI && file == Path::new(MINI) {
        return nemesis_mini::ensure_weights(folder);
    }
    if file.exists() {
        return Ok(file.to_owned());
    }
    let what = if name == MINI {
        "there is no such checkpoint".to_owned()
    } else {
        format!("there is no checkpoint for the backbone `{name}`")
    };
    Err(Error::new(what).at(file).expected("a checkpoint of CLIP, or a folder with one"))
}

impl FromStr for Weights {
    type Err = String;

    /// `NAME=FILE` or `FILE`. What stands before `=` is no name if it is part of a path.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let bare = || Self { name: None, file: from_home(PathBuf::from(text)) };
        match text.split_once('=') {
            _ if text.is_empty() => Err("expected NAME=FILE or FILE, as in RN50=weights/RN50.pt".to_owned()),
            Some((name, file)) if name.is_empty() || file.is_empty() => {
                Err(format!("`{text}` lacks a part: expected NAME=FILE, as in RN50=weights/RN50.pt"))
            }
            Some((name, file)) if !name.contains(['/', '\\']) && !Path::new(text).exists() => {
                Ok(Self::named(name.to_owned(), PathBuf::from(file)))
            }
            None if text == MINI => Ok(Self { name: Some(MINI.to_owned()), file: PathBuf::from(MINI) }),
            _ => Ok(bare()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Option<String>, PathBuf) {
        let Weights { name, file } = text.parse().unwrap();
        (name, file)
    }

    #[test]
    fn a_name_is_what_stands_before_the_first_equals_sign_and_is_no_path() {
        let named = |name: &str, file: &str| (Some(name.to_owned()), PathBuf::from(file));
        assert_eq!(parsed("RN50=a/RN50.pt"), named("RN50", "a/RN50.pt"));
        assert_eq!(parsed("ViT-B-16=x=y.pt"), named("ViT-B-16", "x=y.pt"));
        assert_eq!(parsed("mini"), named("mini", "mini"));
        assert_eq!(parsed("./mini"), (None, PathBuf::from("./mini")));
        assert_eq!(parsed("runs/lr=1/model.pt"), (None, PathBuf::from("runs/lr=1/model.pt")));
        for wrong in ["", "=a.pt", "RN50="] {
            assert!(wrong.parse::<Weights>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_without_a_name_is_called_by_its_stem() {
        assert_eq!("weights/my-clip.pt".parse::<Weights>().unwrap().name(), "my-clip");
        assert_eq!("B16=weights/my-clip.pt".parse::<Weights>().unwrap().name(), "B16");
    }
}
