//! Where it comes from what tensors do not tell of a model: its activation, the width of its attention heads, and what
//! is done to an image before it is encoded.

use super::known::Published;
use crate::error::suggest;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The key of a safetensors file's metadata under which it says what its tensors do not tell.
pub const METADATA_KEY: &str = "weights_config";

/// What a user says of a checkpoint that does not say it itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Assumption {
    /// That of OpenAI's models: QuickGELU, heads 64 wide, images resized to the shorter side, cut out in the middle and
    /// normalised by CLIP's means and deviations.
    OpenAi,
}

impl Assumption {
    /// All that there are.
    pub const ALL: [Self; 1] = [Self::OpenAi];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
        }
    }

    /// A sentence for under a table that was made of a checkpoint of which this was assumed.
    pub fn note(self, file: &str) -> String {
        match self {
            Self::OpenAi => format!(
                "the activation (QuickGELU), head width 64 and preprocessing of `{file}` were assumed to be OpenAI's \
                 (--weights-config openai)"
            ),
        }
    }
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Assumption {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let names = Self::ALL.map(Self::name);
        Self::ALL.into_iter().find(|assumption| assumption.name() == text).ok_or_else(|| {
            Error::new(format!("`{text}` is no configuration of weights")).help(suggest(text, names.iter().copied()))
        })
    }
}

impl From<Assumption> for String {
    fn from(assumption: Assumption) -> Self {
        assumption.name().to_owned()
    }
}

impl TryFrom<String> for Assumption {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// How it is known of a checkpoint what its tensors do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The file is one that was published, byte by byte.
    Published(&'static Published),
    /// It is a TorchScript archive, whose modules are those of OpenAI's code.
    Script,
    /// Its own metadata say it.
    Metadata(Assumption),
    /// The user says it, and nothing else does.
    Assumed(Assumption),
}

impl Origin {
    /// What was assumed without a word of the file, if something was: a part of every cell's id.
    pub fn assumed(self) -> Option<Assumption> {
        match self {
            Self::Assumed(assumption) => Some(assumption),
            Self::Published(_) | Self::Script | Self::Metadata(_) => None,
        }
    }

    /// The published backbone that the checkpoint is known to be: `RN50`, `ViT-B/16`, ….
    pub fn known_as(self) -> Option<&'static str> {
        match self {
            Self::Published(published) => Some(published.name),
            Self::Script | Self::Metadata(_) | Self::Assumed(_) => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published(published) => write!(f, "{} as OpenAI published it", published.name),
            Self::Script => f.write_str("TorchScript of OpenAI's code"),
            Self::Metadata(assumption) => write!(f, "`{assumption}` by its own metadata"),
            Self::Assumed(assumption) => write!(f, "`{assumption}` was assumed"),
        }
    }
}
