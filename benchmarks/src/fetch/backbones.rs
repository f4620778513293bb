//! OpenAI's checkpoints of CLIP: their addresses and SHA-256 sums, from `clip/clip.py` of github.com/openai/CLIP.

use super::Listener;
use super::checksum::Checksum;
use super::origin::{Origin, Supply};
use nemesis_core::dataset::{Hex, Source, Url};
use nemesis_core::error::suggest;
use nemesis_core::{Error, Result};
use std::path::{Path, PathBuf};

/// A checkpoint of OpenAI's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backbone {
    /// OpenAI's name for it.
    pub name: &'static str,
    /// The file's name.
    pub file: &'static str,
    sha256: &'static str,
}

impl Backbone {
    /// All that there are.
    pub const ALL: [Self; 9] = [
        Self::new("RN50", "RN50.pt", "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"),
        Self::new("RN101", "RN101.pt", "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599"),
        Self::new("RN50x4", "RN50x4.pt", "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd"),
        Self::new("RN50x16", "RN50x16.pt", "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa"),
        Self::new("RN50x64", "RN50x64.pt", "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c"),
        Self::new("ViT-B/32", "ViT-B-32.pt", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"),
        Self::new("ViT-B/16", "ViT-B-16.pt", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"),
        Self::new("ViT-L/14", "ViT-L-14.pt", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"),
        Self::new(
            "ViT-L/14@336px",
            "ViT-L-14-336px.pt",
            "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
        ),
    ];

    const fn new(name: &'static str, file: &'static str, sha256: &'static str) -> Self {
        Self { name, file, sha256 }
    }

    /// The one of this name; `ViT-B-16` is taken for `ViT-B/16`.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn find(name: &str) -> Result<Self> {
        let plain = |name: &str| name.replace(['/', '@'], "-").to_lowercase();
        Self::ALL.into_iter().find(|backbone| plain(backbone.name) == plain(name)).ok_or_else(|| {
            Error::new(format!("OpenAI has no checkpoint `{name}`"))
                .help(suggest(name, Self::ALL.iter().map(|backbone| backbone.name)))
        })
    }

    /// The one that a file is, byte by byte. Only archives are read, which all of them are; a file that cannot be read is
    /// none.
    pub fn of_file(file: &Path) -> Option<Self> {
        let mut start = [0; 4];
        std::fs::File::open(file).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start)).ok()?;
        let sum = (start == *b"PK\x03\x04").then(|| Checksum::sha256(file).ok()).flatten()?;
        Self::ALL.into_iter().find(|backbone| backbone.sha256 == sum)
    }

    fn source(&self) -> Source {
        let url = format!("https://openaipublic.azureedge.net/clip/models/{}/{}", self.sha256, self.file);
        Source {
            url: Url::try_from(url).expect("the address is whole"),
            sha256: Some(Hex::try_from(self.sha256.to_owned()).expect("the sum has 64 digits")),
            md5: None,
            bytes: None,
            inner: None,
            called: None,
        }
    }
}

/// Fetches a checkpoint into a folder and returns where it lies; one that is there is only checked.
///
/// # Errors
///
/// When it cannot be had, or another file of its name is in the folder.
pub fn fetch_backbone(backbone: &Backbone, out: &Path, origin: &Origin, listen: Listener<'_>) -> Result<PathBuf> {
    let (target, source) = (out.join(backbone.file), backbone.source());
    if target.exists() {
        let checksum = Checksum::Sha256(backbone.sha256.to_owned());
        checksum.check(&target).map_err(|e| e.help("move it away, then it is fetched"))?;
        return Ok(target);
    }
    Supply::new(origin).place(&source, &target, listen)?;
    Ok(target)
}
