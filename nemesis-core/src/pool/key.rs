//! What features depend on.

use serde::{Deserialize, Serialize};

/// All that the features of a list of images depend on: equal keys stand for equal features.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PartKey {
    /// What the images hold, in order, with the paths that their crops are drawn by.
    pub images: String,
    /// The backbone's weights: `BackboneSpec::weights_hash`.
    pub weights: String,
    /// What was said of the weights outside of their file, as `Origin::assumed` displays it: the same weights with
    /// another activation give other features. None where the file is known, or says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed: Option<String>,
    /// What is done to an image before it is encoded: `Preprocess::id`.
    pub preprocess: String,
    /// The type that features are computed in.
    pub precision: String,
    /// A fingerprint of the code that computes features, so that a corrected encoder does not meet old ones.
    pub code: String,
    /// Which pixels of the images are seen.
    pub view: View,
}

/// Which pixels of the images are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// The middle of each image, as in test.
    Test,
    /// The random crops of an epoch.
    Train {
        /// The seed of the crops.
        seed: u64,
        /// The epoch, or the number of the view where several epochs share one.
        epoch: u64,
    },
}

impl PartKey {
    /// The hash that names the part's file, in hexadecimal.
    pub fn id(&self) -> String {
        blake3::hash(self.to_json().as_bytes()).to_hex().to_string()
    }

    /// The same text for equal keys.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a struct of texts and numbers is JSON")
    }
}
