//! The work that `cargo xtask bench --peer` times, done by this program: the training steps of the PyTorch reference
//! with the same weights, inputs and random choices, so that its losses can be compared and its time is a fair measure.

mod choices;
pub mod crossing;
pub mod images;
mod limit;
mod steps;

pub use limit::Limit;
pub use steps::{How, Steps, steps};

use nemesis_core::train::{OptimiserKind, ResolvedProtocol};
use nemesis_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What the reference's `--dump` says of its steps in `inputs.json`.
#[derive(Clone, Debug, Deserialize)]
struct Inputs {
    method: String,
    image: ImageSource,
    seed: u64,
    steps: usize,
    n_ctx: usize,
    alpha: f64,
    tau: f64,
    positions: usize,
    class_names: Vec<String>,
    lr: f64,
    momentum: f64,
    weight_decay: f64,
}

/// Whether the image tower is a part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ImageSource {
    /// The batch is encoded in every step.
    Encode,
    /// Features are given.
    Features,
}

impl Inputs {
    /// The plugin that computes what the reference calls its method, and its options.
    fn plugin(&self) -> Result<(&'static str, Map<String, Value>)> {
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

    fn protocol(&self) -> ResolvedProtocol {
        ResolvedProtocol {
            name: "reference".to_owned(),
            optimiser: OptimiserKind::Sgd,
            learning_rate: self.lr,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            warmup_epochs: 0,
            warmup_learning_rate: self.lr,
            batch_size: 1,
            epochs: 1,
            views: 1,
        }
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
