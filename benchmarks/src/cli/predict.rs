//! `nemesis predict`: labels images with a context that was learned.

use super::only::{Keys, Only, Records};
use super::sources::Sources;
use super::trainings::{Wanted, find, open_store};
use super::{Ending, images, say};
use crate::weights::WeightsOptions;
use clap::{Arg, Args};
use nemesis_core::backbone::{Backbone, clip::Clip};
use nemesis_core::device;
use nemesis_core::engine::{clean_names, refuse_other_classes, task};
use nemesis_core::method::Task;
use nemesis_core::train::{Pictures, Precision, Recompute, Services, TestInputs, encode_images};
use nemesis_core::{Error, Result};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use tch::{Kind, no_grad};

/// Labels images with a context that a run has learned: one line an image, with the file, the class and its
/// probability, separated by tabs.
///
/// The training is given by its id, or by enough of what it is. Its data and weights are found where the run had them, and
/// checked.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Predict {
    /// Images, or folders of images
    #[arg(value_name = "IMAGES", required = true)]
    images: Vec<PathBuf>,
    /// The training's id, or its first digits, as `nemesis plan --json` prints it
    #[arg(long, value_name = "ID")]
    training: Option<String>,
    #[command(flatten)]
    wanted: Wanted,
    /// The data root that the classes' names come from [default: that of the run]
    #[arg(long, value_name = "ROOT")]
    data: Option<PathBuf>,
    #[command(flatten)]
    weights: WeightsOptions,
    #[command(flatten)]
    options: Only<OfPredict>,
}

#[derive(Debug)]
struct OfPredict;

impl Keys for OfPredict {
    const KEYS: &'static [&'static str] = &["out", "plugin", "device"];

    fn adapted(argument: Arg) -> Arg {
        match argument.get_id().as_str() {
            "out" => Records::adapted(argument),
            "plugin" => argument.help("A plugin, or a folder of plugins"),
            _ => argument,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  nemesis predict photos/ --dataset eurosat --method coop --shots 16 --seed 1
  nemesis predict photos/ --training 3f9a0c --out out
  nemesis predict photo.jpg --training 3f9a0c --data ROOT --weights RN50.pt    where they have moved";

impl Predict {
    pub(super) fn run(&self) -> Result<Ending> {
        let paths = images::collect(&self.images)?;
        let settings = self.options.settings()?;
        let out = settings.out();
        let store = open_store(&out)?;
        let record = find(&store, self.training.as_deref(), &self.wanted)?;
        let cell = &record.cell;
        let sources = Sources::of(&store);
        let given = self.weights.weights.as_ref().map(|weights| weights.locate(&out)).transpose()?;
        let weights = sources.weights(cell, given.as_deref())?;
        let dataset = sources.dataset(cell, self.data.as_deref())?;
        let precision: Precision = cell.precision.parse().map_err(Error::new)?;
        let assume = self.weights.weights_config.or(cell.backbone.assumed);
        let clip = Clip::load_assuming(&weights, assume, device::open(settings.device())?, precision.kind())?;
        let names = cell.classes.class_names(dataset.class_names());
        let prompts = clip.class_prompts(names, 0)?;
        let cancelled = AtomicBool::new(false);
        let services = Services::new(&clip, &prompts, cell.seed, Recompute::Never, &cancelled);
        let mut plugins = settings.plugins()?;
        let task = task(clip.spec(), clean_names(names), dataset.template(), 0, precision);
        let needs = plugins.get(&cell.method.id)?.descriptor.needs;
        let mut method = plugins.load(&cell.method.id)?.create(&task, &cell.method.options, &services)?;
        let state = store.learned(&record, None)?;
        let learned_for = store.classes_of_state(store.hash_of_learned(&record, None)?)?;
        if let Some(learned_for) = learned_for.filter(|learned_for| *learned_for != task.class_names) {
            refuse_other_classes(&state, &learned_for, &task.class_names, |names| {
                let prompts = clip.class_prompts(names, 0)?;
                let services = Services::new(&clip, &prompts, cell.seed, Recompute::Never, &cancelled);
                let task = Task { class_names: names.to_vec(), ..task.clone() };
                Ok(plugins.load(&cell.method.id)?.create(&task, &cell.method.options, &services)?.state()?)
            })?;
        }
        method.load_state(&state)?;
        // The process that has tried the plugin need not wait for more.
        drop(plugins);

        let features = needs.features_alone().then(|| encode_images(&clip, &paths)).transpose()?;
        let pictures = Pictures::of_files(&clip, paths.clone());
        let seen = |places: &[usize]| pictures.see(&clip, needs, 0, places);
        let inputs = TestInputs::new(paths.len(), needs, features.as_ref(), &seen);
        let mut rows = paths.iter();
        for batch in inputs.batches() {
            let odds = no_grad(|| method.logits(&batch?, &services).map_err(Error::from))?.softmax(-1, Kind::Double);
            let (best, classes) = odds.max_dim(-1, false);
            let (best, classes) = (Vec::<f64>::try_from(&best)?, Vec::<i64>::try_from(&classes)?);
            for ((odds, class), path) in best.into_iter().zip(classes).zip(&mut rows) {
                say!("{}\t{}\t{odds:.3}", path.display(), names[class as usize])?;
            }
        }
        Ok(Ending::Done)
    }
}
