//! OpenAI's checkpoints of CLIP: their addresses, from `clip/clip.py` of github.com/openai/CLIP.

use super::Listener;
use super::checksum::Checksum;
use super::origin::{Origin, Supply};
use nemesis_core::backbone::known::{OPENAI, Published};
use nemesis_core::dataset::{Hex, Source, Url};
use nemesis_core::error::suggest;
use nemesis_core::{Error, Result};
use std::path::{Path, PathBuf};

/// A checkpoint of OpenAI's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backbone(pub &'static Published);

impl Backbone {
    /// All that there are.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        OPENAI.iter().map(Self)
    }

    /// The one of this name; `ViT-B-16` means `ViT-B/16`.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn find(name: &str) -> Result<Self> {
        let plain = |name: &str| name.replace(['/', '@'], "-").to_lowercase();
        Self::all().find(|backbone| plain(backbone.0.name) == plain(name)).ok_or_else(|| {
            Error::new(format!("OpenAI has no checkpoint `{name}`"))
                .help(suggest(name, Self::all().map(|backbone| backbone.0.name)))
        })
    }

    fn source(self) -> Source {
        let url = format!("https://openaipublic.azureedge.net/clip/models/{}/{}", self.0.sha256, self.0.file);
        Source {
            url: Url::try_from(url).expect("the address is whole"),
            sha256: Some(Hex::try_from(self.0.sha256.to_owned()).expect("the sum has 64 digits")),
            md5: None,
            bytes: None,
            inner: None,
            called: None,
        }
    }
}

/// Fetches a checkpoint into a folder and returns its path. One that already exists is only checked.
///
/// # Errors
///
/// When it cannot be fetched, or a different file has its name in the folder.
pub fn fetch_backbone(backbone: &Backbone, out: &Path, origin: &Origin, listen: Listener<'_>) -> Result<PathBuf> {
    let (target, source) = (out.join(backbone.0.file), backbone.source());
    if target.exists() {
        let checksum = Checksum::Sha256(backbone.0.sha256.to_owned());
        checksum.check(&target).map_err(|e| e.help("move it away to fetch it again"))?;
        return Ok(target);
    }
    Supply::new(origin).place(&source, &target, listen)?;
    Ok(target)
}
