//! `nemesis backbone`: checkpoints of CLIP: what can be fetched, and what a file is.

use super::fetch::metered;
use super::{Ending, print};
use crate::fetch::{Backbone as Known, Origin, fetch_backbone};
use crate::weights::MINI;
use clap::Subcommand;
use nemesis_core::backbone::{self, Assumption, BackboneSpec, Checkpoint, Request, known};
use nemesis_core::dataset::{Dataset, Registry, Split};
use nemesis_core::engine::clean_names;
use nemesis_core::train::{encode_images, zero_shot_predictions};
use nemesis_core::{Error, Result, device, threads};
use std::path::{Path, PathBuf};
use tch::Kind;

/// Lists and fetches checkpoints of CLIP, and tells what a checkpoint is.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum Backbone {
    /// List the checkpoints that can be fetched.
    List,
    /// Download a checkpoint, or resume a download. Its SHA-256 is checked if it is published.
    #[command(after_help = EXAMPLES)]
    Fetch {
        /// Its name, as `nemesis backbone list` prints it; ViT-B-16 is ViT-B/16
        #[arg(value_name = "NAME")]
        name: String,
        /// The folder that it goes to
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
        /// Take the files from a folder or a mirror instead, where they have the names that their publisher gave them
        #[arg(long, value_name = "URL|DIR")]
        from: Option<String>,
    },
    /// Tell what a checkpoint is, and where it comes from what its tensors do not tell.
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// A file of OpenAI, `open_clip` or transformers, or a folder of the latter two; `mini` is the mini suite's
        #[arg(value_name = "FILE|DIR|mini")]
        weights: PathBuf,
        /// What to assume of it where it does not say so: `openai`, or a JSON file of `open_clip` or transformers
        #[arg(long, value_name = "openai|FILE")]
        weights_config: Option<Assumption>,
        /// A data root, for zero-shot accuracy
        #[arg(long, value_name = "ROOT", requires = "dataset")]
        data: Option<PathBuf>,
        /// The data set whose test images are classified
        #[arg(long, value_name = "NAME", requires = "data")]
        dataset: Option<String>,
        /// cpu, or cuda:N
        #[arg(long, default_value = "cpu")]
        device: String,
    },
}

const CHECK_EXAMPLES: &str = "\
Examples:
  nemesis backbone check ViT-B-16.pt
  nemesis backbone check mini
  nemesis backbone check ~/models/CLIP-ViT-B-16-laion2B
  nemesis backbone check B16.safetensors --weights-config openai --data ROOT --dataset eurosat";

const EXAMPLES: &str = "\
Examples:
  nemesis backbone list
  nemesis backbone fetch RN50 --out weights
  nemesis backbone fetch ViT-B/16 --out weights --from ~/Downloads
  nemesis backbone fetch ViT-B-16/datacomp_xl_s13b_b90k --out weights
  nemesis run --data ROOT --weights RN50=weights/RN50.pt

Proxies are taken from HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.";

impl Backbone {
    pub(super) fn run(&self) -> Result<Ending> {
        match self {
            Self::List => {
                let line = |backbone: Known| {
                    let sum = if backbone.has_sum() { "" } else { "  no published hash" };
                    format!("{:31} {}{sum}\n", backbone.name(), backbone.place())
                };
                print(&Known::all().map(line).collect::<String>())?;
            }
            Self::Fetch { name, out, from } => {
                let (backbone, origin) = (Known::find(name)?, Origin::from_option(from.as_deref())?);
                let fetched = metered(|listen| fetch_backbone(backbone, out, &origin, listen))
                    .map_err(|e| e.context(format!("cannot fetch {}", backbone.name())))?;
                let said = fetched.said.join("\n  ");
                // A name of `--weights` is the user's own; a slash in it would only be in the way.
                let (short, weights) = (backbone.short_name(), fetched.weights.display());
                print(&format!("{weights}: {said}\nuse it with --weights {short}={weights}\n"))?;
            }
            Self::Check { weights, weights_config, data, dataset, device } => {
                let device = device::open(device)?;
                let folder = (weights.as_path() == Path::new(MINI)).then(temporary).transpose()?;
                let written = folder.as_ref().map(|folder| nemesis_mini::ensure_weights(folder.path())).transpose()?;
                let (title, weights) = (weights, written.as_ref().unwrap_or(weights));
                let request = Request::new(weights, *weights_config, device, Kind::Float);
                if let (Some(root), Some(name)) = (data, dataset) {
                    let backbone = backbone::open(&request)?;
                    print(&described(title, weights, backbone.spec())?)?;
                    let dataset = Registry::load(root)?.get(name)?.open(root)?;
                    print(&zero_shot(&*backbone, &*dataset)?)?;
                } else {
                    print(&described(title, weights, &backbone::inspect(&request)?)?)?;
                }
            }
        }
        Ok(Ending::Done)
    }
}

/// What a checkpoint is, a line for each thing.
fn described(title: &Path, weights: &Path, spec: &BackboneSpec) -> Result<String> {
    let published = spec.known_as().or(known::by_shape(&spec.shape).map(|published| published.name));
    let sizes = match (published, spec.known_as()) {
        (Some(name), None) => format!("{} (those of {name})", spec.shape),
        _ => spec.shape.clone(),
    };
    let text_tower = match spec.width {
        0 => "none: the checkpoint holds an image tower alone".to_owned(),
        width => format!("context vectors of {width} numbers, prompts of {} tokens", spec.context_length),
    };
    let lines = [
        ("weights", format!("{} bytes, blake3 {}", Checkpoint::bytes_of(weights)?, spec.weights_hash)),
        ("sizes", sizes),
        ("computes", spec.origin.config().to_string()),
        ("known by", spec.origin.source()),
        ("text", text_tower),
        ("logit scale", format!("{:.4}", spec.logit_scale)),
    ];
    let lines = lines.map(|(name, value)| format!("  {name:12} {value}\n")).concat();
    Ok(format!("{}\n{lines}", title.display()))
}

/// A folder for the mini suite's checkpoint, which is gone with the command.
pub(super) fn temporary() -> Result<tempfile::TempDir> {
    tempfile::tempdir().map_err(|e| Error::io_write("create a folder in", std::env::temp_dir(), &e))
}

/// Zero-shot accuracy on the test images of a data set.
fn zero_shot(backbone: &dyn backbone::Backbone, dataset: &dyn Dataset) -> Result<String> {
    let samples = dataset.samples(Split::Test);
    let paths: Vec<PathBuf> = samples.iter().map(|sample| dataset.folder().join(&sample.path)).collect();
    let labels: Vec<u32> = samples.iter().map(|sample| sample.label).collect();
    threads::ready()?;
    let features = encode_images(backbone, &paths)?;
    let names = clean_names(dataset.class_names());
    let predictions = zero_shot_predictions(backbone, &features, &labels, &names, &[dataset.template()])?;
    Ok(format!(
        "  zero-shot    {:.1} % of {} test images of {} (`{}`)\n",
        predictions.accuracy(),
        labels.len(),
        dataset.name(),
        dataset.template()
    ))
}
