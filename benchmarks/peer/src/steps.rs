//! The reference's training steps by our methods, through their plugins.

use crate::{ImageSource, Inputs, choices, load, median};
use nemesis_core::Result;
use nemesis_core::backbone::clip::{Clip, TextPath};
use nemesis_core::backbone::{Assumption, Backbone};
use nemesis_core::method::Batch;
use nemesis_core::plugin::Registry;
use nemesis_core::pool::{PartKey, Pool, View};
use nemesis_core::train::{Optimiser, Recompute, Services, step};
use nemesis_parity::{Fixtures, task};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

/// How the steps are computed.
#[derive(Clone, Debug)]
pub(crate) struct How {
    /// Threads of libtorch.
    pub(crate) threads: usize,
    /// The way of prompts through the text tower.
    pub(crate) text_path: TextPath,
    /// Whether activations are computed again in the backward pass.
    pub(crate) recompute: Recompute,
    /// Where the batches' features come from, if they are not encoded in every step.
    pub(crate) pool: Option<PathBuf>,
    /// The number of steps, in place of the reference's.
    pub(crate) steps: Option<usize>,
}

/// What the steps cost and gave, mostly in the reference's words.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Steps {
    method: String,
    classes: usize,
    /// The median over steps.
    seconds_per_step: f64,
    /// All steps together.
    seconds: f64,
    /// Of the whole process; absent where the system does not tell.
    peak_rss_bytes: Option<u64>,
    losses: Vec<f64>,
    /// How many first losses can be compared with the reference's: then random choices part.
    comparable: usize,
}

/// Takes the steps whose inputs lie in `folder`, as the reference's `--dump` writes it.
///
/// # Errors
///
/// When a file is missing or malformed, or there is no plugin of the method.
pub(crate) fn steps(folder: &Path, how: &How, plugins: &Registry) -> Result<Steps> {
    tch::set_num_threads(how.threads as i32);
    let fixtures = Fixtures::open(folder)?;
    let mut inputs: Inputs = fixtures.json("inputs.json")?;
    inputs.steps = how.steps.unwrap_or(inputs.steps);
    let tensors = fixtures.tensors("inputs.safetensors")?;
    // The reference computes what OpenAI's code does.
    let clip =
        Clip::load_assuming(&fixtures.path("weights.safetensors"), Some(Assumption::OpenAi), Device::Cpu, Kind::Float)?
            .with_text_path(how.text_path);
    let pool = how.pool.as_ref().map(|folder| Pool::open(folder, u64::MAX)).transpose()?;

    let classes = clip.class_prompts(&inputs.class_names, inputs.n_ctx)?;
    let cancelled = AtomicBool::new(false);
    let (seed, comparable) = if inputs.method == "pan" { choices::seed(&inputs)? } else { (0, inputs.steps) };
    let services = Services::new(&clip, &classes, seed, how.recompute, &cancelled);
    let (id, options) = inputs.plugin()?;
    let mut method = load(plugins, id)?.create(&task(&clip, &inputs.class_names, 1), &options, &services)?;
    method.load_state(&vec![("ctx".to_owned(), tensors.get("ctx0")?)])?;
    let parameters = method.parameters()?;
    let mut optimiser = Optimiser::new(parameters, &inputs.protocol())?;

    let [labels, images, given] = ["labels", "images", "image_features"].map(|name| tensors.get(name));
    let (labels, images, given) = (labels?, images?, given?);
    let (mut seconds, mut losses) = (Vec::new(), Vec::new());
    for number in 0..inputs.steps as u64 {
        let started = Instant::now();
        let features = match (inputs.image, &pool) {
            (ImageSource::Features, _) => given.shallow_clone(),
            (ImageSource::Encode, None) => clip.encode_images(&images)?,
            (ImageSource::Encode, Some(pool)) => pooled(pool, number, &clip, &images)?,
        };
        let batch = Batch {
            items: (0..labels.size()[0] as u64).collect(),
            labels: labels.shallow_clone(),
            features: Some(features),
            dense: None,
            pixels: None,
            epoch: 0,
            epochs: 1,
            step: number,
            steps: inputs.steps as u64,
        };
        losses.push(step(&mut *method, &mut optimiser, inputs.lr, &batch, &services)?);
        services.end_step();
        seconds.push(started.elapsed().as_secs_f64());
    }
    Ok(Steps::new(inputs.method, inputs.class_names.len(), seconds, losses, comparable))
}

impl Steps {
    /// Steps that took so many seconds each.
    pub(crate) fn new(method: String, classes: usize, seconds: Vec<f64>, losses: Vec<f64>, comparable: usize) -> Self {
        Self {
            method,
            classes,
            seconds: seconds.iter().sum(),
            seconds_per_step: median(seconds),
            peak_rss_bytes: peak_memory(),
            losses,
            comparable,
        }
    }
}

/// The features of a step's batch. The reference has the same images in every step; a training has other ones, so each
/// step is a part of its own.
fn pooled(pool: &Pool, step: u64, clip: &Clip, images: &Tensor) -> Result<Tensor> {
    let key = PartKey {
        images: "the reference's batch".to_owned(),
        weights: clip.spec().weights_hash.clone(),
        assumed: None,
        preprocess: "none".to_owned(),
        precision: format!("{:?}", clip.spec().kind),
        code: String::new(),
        view: View::Train { seed: 0, epoch: step },
    };
    pool.get_or_compute(&key, || clip.encode_images(images))
}

/// The most memory that this process has had, in bytes, as Linux tells it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
