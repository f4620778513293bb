//! The ways of prompts through the text tower, by name.

use clap::ValueEnum;
use nemesis_core::backbone::clip::TextPath;

/// The ways through the text tower, as the command line names them.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TextPathName {
    /// Padded to the context length, as the published code does
    Plain,
    /// Cut at the end tokens
    Cut,
    /// With the common prefix computed once
    Shared,
}

impl From<TextPathName> for TextPath {
    fn from(name: TextPathName) -> Self {
        match name {
            TextPathName::Plain => Self::Plain,
            TextPathName::Cut => Self::Cut,
            TextPathName::Shared => Self::Shared,
        }
    }
}
