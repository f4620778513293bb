//! What the reference says of its steps.

use nemesis_core::train::ResolvedProtocol;
use nemesis_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What the reference's `--dump` says of its steps in `inputs.json`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Inputs {
    pub(super) method: String,
    pub(super) image: ImageSource,
    pub(super) seed: u64,
    pub(super) steps: usize,
    pub(super) n_ctx: usize,
    pub(super) alpha: f64,
    pub(super) tau: f64,
    pub(super) positions: usize,
    pub(super) class_names: Vec<String>,
    pub(super) lr: f64,
    pub(super) momentum: f64,
    pub(super) weight_decay: f64,
}

/// Whether the image tower is a part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ImageSource {
    /// The batch is encoded in every step.
    Encode,
    /// Features are given.
    Features,
}

impl Inputs {
    /// The plugin that computes what the reference calls its method, and its options.
    pub(super) fn plugin(&self) -> Result<(&'static str, Map<String, Value>)> {
        let Self { n_ctx, alpha, tau, positions, .. } = self;
        let (id, options) = match self.method.as_str() {
            "coop" => ("coop", json!({ "n_ctx": n_ctx })),
            "pen" => ("nemesis-pen", json!({ "n_ctx": n_ctx, "alpha": alpha, "omega": "none" })),
            "pan" => (
                "nemesis-pan",
                json!({ "n_ctx": n_ctx, "alpha": alpha, "tau": tau, "positions": positions, "omega": "none" }),
            ),
            other => return Err(Error::new(format!("the reference's method `{other}` is unknown"))),
        };
        let Value::Object(options) = options else { unreachable!("the options are written as a map") };
        Ok((id, options))
    }

    pub(super) fn protocol(&self) -> ResolvedProtocol {
        ResolvedProtocol {
            learning_rate: self.lr,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            ..ResolvedProtocol::default()
        }
    }
}
