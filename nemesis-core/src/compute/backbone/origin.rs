//! Where it comes from what tensors do not tell of a model: its activation, the width of its attention heads, and what
//! is done to an image before it is encoded.

use super::config::Config;
use super::described;
use super::known::Published;
use crate::error::suggest;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The key of a safetensors file's metadata under which it says what its tensors do not tell.
pub const METADATA_KEY: &str = "weights_config";

/// What a user says of a checkpoint that does not say it itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Assumption {
    /// That of OpenAI's models: QuickGELU, heads 64 wide, images resized to the shorter side, cut out in the middle and
    /// normalised by CLIP's means and deviations.
    OpenAi,
    /// Another configuration, from a file.
    Config(Config),
}

/// The name of OpenAI's configuration.
const OPENAI: &str = "openai";

impl Assumption {
    /// What is assumed, in full.
    pub fn config(self) -> Config {
        match self {
            Self::OpenAi => Config::OPENAI,
            Self::Config(config) => config,
        }
    }

    /// The assumption of a configuration, which has a name if it is OpenAI's and says nothing of sizes.
    pub fn of(config: Config) -> Self {
        if config == Config::OPENAI && config.sizes.is_empty() { Self::OpenAi } else { Self::Config(config) }
    }

    /// What is assumed alone, without sizes that were said, too.
    pub(super) fn alone(self) -> Self {
        Self::of(self.config().alone())
    }

    /// What a text says: the name of a configuration, or all of one as JSON, as [`Self`] is displayed.
    ///
    /// # Errors
    ///
    /// When it is neither.
    pub(super) fn said(text: &str) -> Result<Self> {
        if text == OPENAI {
            return Ok(Self::OpenAi);
        }
        if text.trim_start().starts_with('{') {
            return described::in_json(text).map(|found| Self::of(found.whole()));
        }
        Err(Error::new(format!("`{text}` is not a configuration of weights")).help(suggest(text, [OPENAI])))
    }

    /// A sentence for under a table that was made of a checkpoint of which this was assumed.
    pub fn note(self, file: &str) -> String {
        match self {
            Self::OpenAi => format!(
                "the activation (QuickGELU), head width 64 and preprocessing of `{file}` were assumed to be OpenAI's \
                 (--weights-config openai)"
            ),
            Self::Config(config) => format!("of `{file}` was assumed (--weights-config): {config}"),
        }
    }
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenAi => f.write_str(OPENAI),
            Self::Config(config) => f.write_str(&config.to_json()),
        }
    }
}

impl FromStr for Assumption {
    type Err = Error;

    /// `openai`, a configuration as it is displayed, or the path of a JSON file that holds one.
    fn from_str(text: &str) -> Result<Self> {
        let path = Path::new(text);
        if text != OPENAI && !text.trim_start().starts_with('{') && path.is_file() {
            return described::file(path).map(|found| Self::of(found.whole()));
        }
        Self::said(text).map_err(|e| {
            if path.extension().is_some_and(|extension| extension == "json") {
                Error::new("there is no such configuration of weights").at(path)
            } else {
                e.expected("`openai`, or the JSON file of a configuration")
            }
        })
    }
}

impl From<Assumption> for String {
    fn from(assumption: Assumption) -> Self {
        assumption.to_string()
    }
}

impl TryFrom<String> for Assumption {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// How it is known of a checkpoint what its tensors do not tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Origin {
    /// The file is one that was published, byte by byte.
    Published(&'static Published),
    /// It is a TorchScript archive, whose modules are those of OpenAI's code.
    Script,
    /// Its own metadata say it.
    Metadata(Assumption),
    /// A file of this name beside it says it.
    Beside(&'static str, Config),
    /// The user says it, and nothing else does.
    Assumed(Assumption),
}

impl Origin {
    /// What was said of the file outside of it, by the user or by a file beside it: a part of every cell's id.
    pub fn assumed(self) -> Option<Assumption> {
        match self {
            Self::Assumed(assumption) => Some(assumption),
            Self::Beside(_, config) => Some(Assumption::of(config)),
            Self::Published(_) | Self::Script | Self::Metadata(_) => None,
        }
    }

    /// Who says what the model computes, in words.
    pub fn source(self) -> String {
        match self {
            Self::Published(_) | Self::Script => self.to_string(),
            Self::Metadata(_) => "its own metadata".to_owned(),
            Self::Beside(file, _) => format!("`{file}` beside it"),
            Self::Assumed(_) => "--weights-config alone".to_owned(),
        }
    }

    /// What the model computes.
    pub fn config(self) -> Config {
        match self {
            Self::Published(_) | Self::Script => Config::OPENAI,
            Self::Metadata(said) | Self::Assumed(said) => said.config(),
            Self::Beside(_, config) => config,
        }
    }

    /// The published backbone that the checkpoint is known to be: `RN50`, `ViT-B/16`, ….
    pub fn known_as(self) -> Option<&'static str> {
        match self {
            Self::Published(published) => Some(published.name),
            Self::Script | Self::Metadata(_) | Self::Beside(..) | Self::Assumed(_) => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published(published) => write!(f, "{} as OpenAI published it", published.name),
            Self::Script => f.write_str("TorchScript of OpenAI's code"),
            Self::Metadata(Assumption::OpenAi) => write!(f, "`{OPENAI}` by its own metadata"),
            Self::Metadata(Assumption::Config(config)) => write!(f, "{config}, by its own metadata"),
            Self::Beside(file, config) => write!(f, "{config}, by `{file}` beside it"),
            Self::Assumed(Assumption::OpenAi) => write!(f, "`{OPENAI}` was assumed"),
            Self::Assumed(Assumption::Config(config)) => write!(f, "{config}, as was assumed"),
        }
    }
}
