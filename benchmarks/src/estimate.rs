//! How long a plan takes and what it needs, from a short measurement on this machine.

use crate::plan::{Plan, PlannedCell};
use crate::progress::duration;
use crate::run::RunOptions;
use nemesis_core::Result;
use nemesis_core::backbone::{self, Backbone, Checkpoint, Request};
use nemesis_core::dataset::Registry;
use nemesis_core::device;
use nemesis_core::method::ClassPosition;
use nemesis_core::record::Store;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::time::{Duration, Instant};
use tch::{Kind, Tensor, no_grad};

/// Images encoded for the measurement.
const IMAGES: i64 = 8;

/// The most classes encoded for the measurement; the time for more is in proportion.
const CLASSES: usize = 50;

/// What the cells without a record will need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Time with all workers at work.
    pub time: Duration,
    /// Memory of all workers, in bytes: the backbone, and the features of the largest few-shot sample and test set.
    pub memory: u64,
    /// Disk for records, states and predictions, in bytes.
    pub disk: u64,
}

impl Estimate {
    /// Measures how fast this machine encodes images and prompts, and counts what the plan still has to do.
    ///
    /// # Errors
    ///
    /// When the checkpoint or a data set cannot be read.
    pub fn measure(plan: &Plan, store: &Store, options: &RunOptions) -> Result<Self> {
        let kind = plan.protocol.precision.kind();
        tch::set_num_threads(options.threads as i32);
        let assumed = plan.checkpoint.origin.assumed();
        let backbone = backbone::open(&Request::new(
            &plan.backbone.1,
            assumed,
            device::open(options.devices.first().map_or("cpu", String::as_str))?,
            kind,
        ))?;
        let image = seconds_per_image(&*backbone)?;
        let class = seconds_per_class(&*backbone)?;
        let registry = Registry::load(&plan.data)?;
        let used: HashSet<&str> = plan.cells.iter().map(PlannedCell::dataset).collect();
        let classes: BTreeMap<&str, usize> = used
            .into_iter()
            .map(|name| Ok((name, registry.get(name)?.open(&plan.data)?.class_names().len())))
            .collect::<Result<_>>()?;

        let complete = store.complete()?;
        let (mut seconds, mut disk, mut largest) = (0.0, 0, 0);
        // Features are encoded once for all cells that share them; those with more epochs add views.
        let mut encoded: HashMap<_, u64> = HashMap::new();
        for cell in plan.distinct_cells().filter(|cell| !complete.contains(&cell.id)) {
            let sample = cell.sample().filter(|_| cell.is_training());
            let known = encoded.entry((cell.dataset(), sample)).or_default();
            seconds += cell.images.saturating_sub(*known) as f64 * image;
            *known = cell.images.max(*known);
            seconds += cell.steps as f64 * class * classes[cell.dataset()] as f64;
            largest = largest.max(cell.images);
            // A record takes some kilobytes, a packed prediction two bytes.
            disk += 4096 + 2 * cell.images * u64::from(cell.steps == 0);
        }
        let workers = options.jobs as u64;
        // Workers that share a GPU take turns.
        let at_a_time =
            if backbone.spec().device.is_cuda() { options.devices.len().min(options.jobs) } else { options.jobs };
        let bytes = if kind == Kind::Double { 8 } else { 4 };
        let features = 2 * largest * backbone.spec().embed_dim as u64 * bytes;
        let weights = Checkpoint::bytes_of(&plan.backbone.1).unwrap_or(0) * bytes / 2;
        Ok(Self {
            time: Duration::from_secs_f64(seconds / at_a_time.max(1) as f64),
            memory: workers * (features + weights + LIBTORCH),
            disk,
        })
    }
}

/// The memory of a process with libtorch before it does anything, in bytes.
const LIBTORCH: u64 = 400 << 20;

fn seconds_per_image(backbone: &dyn Backbone) -> Result<f64> {
    let spec = backbone.spec();
    let pixels = Tensor::zeros([IMAGES, 3, spec.image_size(), spec.image_size()], (spec.kind, spec.device));
    // The first call allocates; the second counts.
    let mut seconds = 0.0;
    for _ in 0..2 {
        let started = Instant::now();
        drop(no_grad(|| backbone.encode_images(&pixels))?);
        seconds = started.elapsed().as_secs_f64();
    }
    Ok(seconds / IMAGES as f64)
}

/// The time of a step per class: the text tower forward and backward.
fn seconds_per_class(backbone: &dyn Backbone) -> Result<f64> {
    let spec = backbone.spec();
    let names: Vec<String> = (0..CLASSES).map(|i| format!("class number {i}")).collect();
    let prompts = backbone.class_prompts(&names, 16)?;
    let contexts = (Tensor::ones([1, 1, 16, spec.width], (spec.kind, spec.device)) * 0.02).set_requires_grad(true);
    let mut seconds = 0.0;
    for _ in 0..2 {
        let started = Instant::now();
        backbone.encode_contexts(&prompts, &contexts, ClassPosition::End)?.sum(None::<Kind>).backward();
        seconds = started.elapsed().as_secs_f64();
    }
    Ok(seconds / CLASSES as f64)
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
        write!(
            f,
            "the rest     about {} (encoding and steps; decoding images comes on top), {} MB of memory, {} MB of disk",
            duration(self.time),
            megabytes(self.memory),
            megabytes(self.disk)
        )
    }
}
