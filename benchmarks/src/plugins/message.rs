//! The messages between a command and the process that tries plugins for it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// From the command. The answer is a `Result` of what was asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Question {
    /// The [`Descriptor`](nemesis_core::method::Descriptor) of the plugin in this file.
    Describe(PathBuf),
    /// Nothing, once the plugin in this file has created a method with these options.
    Create(PathBuf, Map<String, Value>),
}

/// The first line to the command: questions can be answered from now on.
pub(super) const READY: &str = "ready";
