//! Checkpoints of CLIP that can be fetched: OpenAI's, whose addresses are from `clip/clip.py` of github.com/openai/CLIP, and
//! those of the hub.

use super::Listener;
use super::checksum::Checksum;
use super::hub::Hosted;
use super::origin::{Origin, Supply};
use nemesis_core::backbone::known::{OPENAI, Published};
use nemesis_core::dataset::{Hex, Source, Url};
use nemesis_core::error::suggest;
use nemesis_core::{Error, Result};
use std::path::{Path, PathBuf};

/// A checkpoint that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Backbone {
    /// One of OpenAI's: a file.
    OpenAi(&'static Published),
    /// One of the hub's: a folder of weights and their configuration.
    Hosted(&'static Hosted),
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The file or folder to give to `--weights`.
    pub weights: PathBuf,
    /// What is to be said of it, a line each.
    pub said: Vec<String>,
}

impl Backbone {
    /// All that there are.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        OPENAI.iter().map(Self::OpenAi).chain(Hosted::all().iter().map(Self::Hosted))
    }

    /// The one of this name; `ViT-B-16` means `ViT-B/16`.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn find(name: &str) -> Result<Self> {
        let plain = |name: &str| name.replace(['/', '@'], "-").to_lowercase();
        Self::all().find(|backbone| plain(backbone.name()) == plain(name)).ok_or_else(|| {
            Error::new(format!("there is no checkpoint `{name}` to be fetched"))
                .expected("a name of `nemesis backbone list`")
                .help(suggest(name, Self::all().map(Self::name)))
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi(published) => published.name,
            Self::Hosted(hosted) => &hosted.name,
        }
    }

    /// Its name without slashes, for files, folders and `--weights`.
    pub fn short_name(self) -> String {
        self.name().replace(['/', '@'], "-")
    }

    /// Where it is: the file's name, or the repository's.
    pub fn place(self) -> &'static str {
        match self {
            Self::OpenAi(published) => published.file,
            Self::Hosted(hosted) => &hosted.repository,
        }
    }

    /// Whether its publisher says what its SHA-256 is.
    pub fn has_sum(self) -> bool {
        match self {
            Self::OpenAi(_) => true,
            Self::Hosted(hosted) => !hosted.sha256.is_empty(),
        }
    }
}

fn source(published: &Published) -> Source {
    let url = format!("https://openaipublic.azureedge.net/clip/models/{}/{}", published.sha256, published.file);
    Source {
        url: Url::try_from(url).expect("the address is whole"),
        sha256: Some(Hex::try_from(published.sha256.to_owned()).expect("the sum has 64 digits")),
        md5: None,
        bytes: None,
        inner: None,
        called: None,
    }
}

/// Fetches a checkpoint into a folder. One that already exists is only checked.
///
/// # Errors
///
/// When it cannot be fetched, or a different file has its name in the folder.
pub fn fetch_backbone(backbone: Backbone, out: &Path, origin: &Origin, listen: Listener<'_>) -> Result<Fetched> {
    let published = match backbone {
        Backbone::OpenAi(published) => published,
        Backbone::Hosted(hosted) => return hosted.fetch(&out.join(backbone.short_name()), origin, listen),
    };
    let (target, source) = (out.join(published.file), source(published));
    if target.exists() {
        let checksum = Checksum::Sha256(published.sha256.to_owned());
        checksum.check(&target).map_err(|e| e.help("move it away to fetch it again"))?;
    } else {
        Supply::new(origin).place(&source, &target, listen)?;
    }
    Ok(Fetched { weights: target, said: vec!["as OpenAI published it".to_owned()] })
}
