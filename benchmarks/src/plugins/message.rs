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
    /// [`Created`], once the plugin in this file has created a method with these options.
    Create(PathBuf, Map<String, Value>),
    /// No question: to be a worker from now on. There is no answer.
    Work,
}

/// What is known of a method that was created for a toy task.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Created {
    /// The tensor of its state that grows with the number of classes.
    pub by_class: Option<String>,
}

/// The first line to the command: questions can be answered from now on.
pub(super) const READY: &str = "ready";
