//! A backbone as ids and records name it.

use super::Assumption;
use serde::{Deserialize, Serialize};

/// A backbone as it enters an id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneKey {
    /// The hash of the weights.
    pub weights: String,
    /// What was assumed of the weights without a word of their file: two assumptions are two models. None where the file
    /// is known, or says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed: Option<Assumption>,
}

/// What is known of the backbone's weights beside their hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneFacts {
    /// The published backbone that the weights are, by the SHA-256 of their file: `RN50`, `ViT-B/16`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_as: Option<String>,
    /// All sizes in words, as in `backbone::known::OPENAI`.
    pub shape: String,
    /// Where it comes from what the tensors do not tell, in words.
    pub origin: String,
}
