//! How fast a step could be at most: the operations of its text tower over the machine's rate of matrix products.

use crate::Inputs;
use nemesis_core::Result;
use nemesis_core::backbone::clip::Clip;
use nemesis_core::backbone::{Assumption, Backbone};
use nemesis_parity::Fixtures;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

/// The machine's rate, and the least time of the text tower's forward and backward pass by it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Limit {
    /// Multiplications and additions a second in single precision.
    pub(crate) operations_per_second: f64,
    /// The operations of one step.
    pub(crate) operations: f64,
    /// Their quotient.
    pub(crate) seconds: f64,
}

impl Limit {
    /// Measures the rate, and counts the operations of the steps whose inputs lie in `folder`.
    ///
    /// # Errors
    ///
    /// When a file is missing or malformed.
    pub(crate) fn measure(folder: &Path, threads: usize) -> Result<Self> {
        tch::set_num_threads(threads as i32);
        let fixtures = Fixtures::open(folder)?;
        let inputs: Inputs = fixtures.json("inputs.json")?;
        let weights = fixtures.path("weights.safetensors");
        let layers = layers(&fixtures)?;
        let clip = Clip::load_assuming(&weights, Some(Assumption::OpenAi), Device::Cpu, Kind::Float)?;
        let prompts = clip.class_prompts(&inputs.class_names, inputs.n_ctx)?;
        let prefix = 1 + inputs.n_ctx;
        let own: Vec<usize> = prompts.tokens.iter().map(Vec::len).collect();
        let spec = clip.spec();
        let forward = forward_operations(layers, spec.width as f64, spec.embed_dim as f64, prefix, &own);
        // Weights are frozen, so the backward pass computes gradients of activations alone: as much again.
        let operations = 2.0 * forward;
        let operations_per_second = rate();
        Ok(Self { operations_per_second, operations, seconds: operations / operations_per_second })
    }
}

/// The operations of a forward pass over one prefix that all classes share and each class's own tokens. In the last
/// layer every token has a key and a value, and the end token of each class alone goes on.
fn forward_operations(layers: usize, width: f64, embed_dim: f64, prefix: usize, own: &[usize]) -> f64 {
    let classes = own.len() as f64;
    let tokens = (prefix + own.iter().sum::<usize>()) as f64;
    // For each token how many it attends to, itself included.
    let attended = |from: usize, count: usize| (from + 1..=from + count).sum::<usize>() as f64;
    let pairs = attended(0, prefix) + own.iter().map(|count| attended(prefix, *count)).sum::<f64>();
    let end_pairs = own.iter().map(|count| (prefix + count) as f64).sum::<f64>();
    // Query, key, value and output take 4 w² products for each token, the feed-forward layers 8 w².
    let layer = 12.0 * width * width * tokens + 2.0 * width * pairs;
    let last = 2.0 * width * width * tokens + 10.0 * width * width * classes + 2.0 * width * end_pairs;
    2.0 * (layers.saturating_sub(1) as f64 * layer + last + width * embed_dim * classes)
}

/// The number of the text tower's layers, by the names of the weights.
fn layers(fixtures: &Fixtures) -> Result<usize> {
    let weights = fixtures.tensors("weights.safetensors")?;
    let count = |name: &str| name.strip_prefix("transformer.resblocks.")?.split('.').next()?.parse::<usize>().ok();
    Ok(weights.iter().filter_map(|(name, _)| count(name)).max().map_or(0, |last| last + 1))
}

/// The best rate over some products of square matrices that no cache holds.
fn rate() -> f64 {
    const SIDE: i64 = 2048;
    const TRIES: usize = 8;
    let [left, right] = [(); 2].map(|()| Tensor::randn([SIDE, SIDE], (Kind::Float, Device::Cpu)));
    let operations = 2.0 * (SIDE as f64).powi(3);
    let times = (0..TRIES).map(|_| {
        let started = Instant::now();
        let _ = left.matmul(&right);
        started.elapsed().as_secs_f64()
    });
    operations / times.fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_of_one_layer_by_hand() {
        // Width 1, one shared token, one class of one token: two tokens with keys and values, one goes on with ten
        // products, it attends to two tokens twice, and is projected once.
        let operations = forward_operations(1, 1.0, 1.0, 1, &[1]);
        assert!((operations - 2.0 * (2.0 * 2.0 + 10.0 + 2.0 * 2.0 + 1.0)).abs() < 1e-12);
        // A second layer: 12 products for each of two tokens, and one and two tokens attended to, twice.
        let further = forward_operations(2, 1.0, 1.0, 1, &[1]) - operations;
        assert!((further - 2.0 * (12.0 * 2.0 + 2.0 * 3.0)).abs() < 1e-12);
    }
}
