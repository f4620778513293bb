//! `nemesis predict`: labels images with a learned context.

use super::only::{Keys, Only, Records};
use super::sources::Sources;
use super::trainings::{Wanted, find, open_store};
use super::{Ending, images, say, warn};
use crate::weights::WeightsOptions;
use clap::{Arg, Args};
use nemesis_core::backbone::{self, Request};
use nemesis_core::device;
use nemesis_core::engine::{Classifier, clean_names};
use nemesis_core::plugin::Plugin;
use nemesis_core::train::{Classified, Precision, Recompute, encode_images};
use nemesis_core::{Error, Result, threads};
use std::path::PathBuf;
use tch::Kind;

/// Labels images with a context that a run learned: one line per image, with the file, the class and its probability,
/// separated by tabs.
///
/// The training is given by its id, or by options that fit only one. Its data and weights are taken from where the run
/// had them, and checked.
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
        let device = device::open(settings.device())?;
        let backbone = backbone::open(&Request::new(&weights, assume, device, precision.kind()))?;
        let names = cell.classes.class_names(dataset.class_names());
        // Another process tries the plugin first, in case it crashes. After that it is no longer needed.
        let file = settings.plugins()?.get(&cell.method.id)?.file.clone();
        if file.metadata().source != cell.method.source {
            let what = format!("the training was done with another version of `{}`", cell.method.id);
            warn(
                &Error::new(what)
                    .at(file.path())
                    .expected(format!("sources with the fingerprint {}", cell.method.source))
                    .help("give the plugin of then with `--plugin FILE`; this one may classify in another way"),
            );
        }
        let plugin = file.path().to_owned();
        let classifier = Classifier {
            method: &cell.method,
            state: store.learned(&record, None)?,
            learned_for: store.classes_of_state(store.hash_of_learned(&record, None)?)?,
            class_names: clean_names(names),
            template: dataset.template(),
            seed: cell.seeds().initialisation,
            precision,
            recompute: Recompute::Never,
        };
        let mut rows = paths.iter();
        let mut print = |batch: Classified| {
            let odds = batch.logits.softmax(-1, Kind::Double).amax([-1i64].as_slice(), false);
            for ((odds, class), path) in Vec::<f64>::try_from(&odds)?.into_iter().zip(batch.classes).zip(&mut rows) {
                say!("{}\t{}\t{odds:.3}", path.display(), names[class as usize])?;
            }
            Ok(())
        };
        threads::ready()?;
        let (plugin, features) = (Plugin::load(&plugin)?, || encode_images(&*backbone, &paths));
        classifier.classify(&*backbone, &plugin, || paths.clone(), paths.len(), features, &mut print)?;
        Ok(Ending::Done)
    }
}
