//! The options of a run, each declared once: for the command line, for files and for the environment.

use super::maps;
use super::split_seeds::SplitSeeds;
use crate::bytes::ByteSize;
use crate::lists;
use crate::numbers::{self, Numbers};
use crate::weights::{Weights, from_home};
use clap::Args;
use nemesis_core::backbone::Assumption;
use nemesis_core::train::Precision;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// What one source says of a run. All of it can be given on the command line, as keys of `nemesis.yaml`, or in `NEMESIS_…`
/// variables, and what a comment says here is what `--help` says.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layer {
    /// The suite: few-shot, few-shot-all, base-to-new, base-to-new-all, plot, cocoop, cross-dataset, domain-generalization,
    /// low-norm-effect, norm-curve, ablation, or a suite file
    #[arg(long, value_name = "NAME|FILE")]
    pub suite: Option<String>,
    /// The folder that holds the data sets' folders; without it, the mini suite's data are made
    #[arg(long, value_name = "ROOT")]
    pub data: Option<PathBuf>,
    /// A checkpoint of CLIP: a file of OpenAI, `open_clip` or transformers (TorchScript, torch.save or .safetensors),
    /// or a folder of the latter two; `mini` is the mini suite's
    #[arg(long, value_name = "[NAME=]FILE")]
    #[serde(with = "maps::weights")]
    pub weights: Vec<Weights>,
    /// What to assume of a checkpoint that does not tell its activation, head width and preprocessing: openai, or a JSON
    /// file of `open_clip` or transformers that does
    #[arg(long, value_name = "openai|FILE")]
    pub weights_config: Option<Assumption>,
    /// The backbone, one of the names given with --weights, or mini
    #[arg(long, value_name = "NAME")]
    pub backbone: Option<String>,
    /// Data sets, in place of the suite's
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    #[serde(deserialize_with = "lists::some_names")]
    pub datasets: Option<Vec<String>>,
    /// Methods, in place of the suite's
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    #[serde(deserialize_with = "lists::some_names")]
    pub methods: Option<Vec<String>>,
    /// A plugin, a folder of plugins, or a Python module; its methods join the suite's. Their code is run
    #[arg(long, value_name = "FILE|DIR|MODULE")]
    #[serde(deserialize_with = "lists::some_names")]
    pub plugin: Option<Vec<PathBuf>>,
    /// The Python that runs plugins written in Python: one with the package `nemesis` [default: python3]
    #[arg(long, value_name = "PROGRAM")]
    pub python: Option<PathBuf>,
    /// An option of a method
    #[arg(long, value_name = "METHOD.OPTION=VALUE", value_parser = maps::parse_set)]
    #[serde(with = "maps::set")]
    pub set: Vec<(String, Value)>,
    /// Training images per class, as in 1,2,4-8; or all
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    #[serde(deserialize_with = "numbers::some")]
    pub shots: Option<Vec<Numbers<u32>>>,
    /// Seeds, as in 1-3
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    #[serde(deserialize_with = "numbers::some")]
    pub seeds: Option<Vec<Numbers<u64>>>,
    /// Train each few-shot sample from each initialisation, so that `nemesis stats` tells how much of the spread comes
    /// from either: samples, their crops and flips have the seeds of --seeds; the initial context, the order of batches and
    /// all other draws have these [default: those of --seeds]
    #[arg(long, value_name = "SEEDS", num_args = 0..=1, default_missing_value = "true")]
    pub split_seeds: Option<SplitSeeds>,
    /// Take few-shot samples from DIR/FOLDER/split_fewshot/shot_N-seed_M.pkl (or .json), as CoOp leaves them in the
    /// data root, or 2SFS's shot_N-seed_M_{train,val}.jsonl, instead of drawing them
    #[arg(long, value_name = "DIR")]
    pub few_shot_lists: Option<PathBuf>,
    /// The protocol: paper, bf16, mini, or a protocol file [default: paper with --data, else mini]
    #[arg(long, value_name = "NAME|FILE")]
    pub protocol: Option<String>,
    /// fp32, fp64, fp16, bf16 or amp [default: the protocol's]. On a CPU fp16 saves no time, and bf16 does only if the
    /// CPU supports it
    #[arg(long)]
    pub precision: Option<Precision>,
    /// Evaluate only the first N test images of each class, in the order of the split
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// Workers at a time [default: as many as fit the cores; on GPUs, one for each, or as many as fit --memory]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// cpu, cuda:N, several GPUs as in cuda:0,1,2, or cuda:all [default: cpu]. Only a run takes several
    #[arg(long)]
    pub device: Option<String>,
    /// Where records and tables go [default: out]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where image features are kept, which any number of runs may share [default: pool in the folder of --out]
    #[arg(long, value_name = "DIR")]
    pub pool: Option<PathBuf>,
    /// How many gigabytes of features are kept; 0 keeps them in memory alone [default: 20]
    #[arg(long, value_name = "GB")]
    pub pool_budget: Option<u64>,
    /// How much memory each worker may take, about: text features are computed in chunks of classes, and again for the
    /// gradient, where they would take more. Results stay the same up to rounding. A cell that wants twice as much
    /// all the same is given up (on Linux, without a GPU)
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// Give a plugin up that takes more than this many seconds to be loaded, or to create a method for the plan
    /// [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub plugin_timeout: Option<u64>,
    /// Give a cell up after this many seconds
    #[arg(long, value_name = "SECONDS")]
    pub cell_timeout: Option<u64>,
    /// Take over the jobs of another run on the same folder once it has been silent for this many seconds [default: 120]
    #[arg(long, value_name = "SECONDS")]
    pub lease_timeout: Option<u64>,
    /// Save a long training between two epochs every so many seconds, so that it can be resumed [default: 300]
    #[arg(long, value_name = "SECONDS")]
    pub checkpoint_every: Option<u64>,
    /// When a signal ends the run, give trainings so many seconds to reach the end of their epoch and be saved
    /// [default: 20]
    #[arg(long, value_name = "SECONDS")]
    pub stop_within: Option<u64>,
    /// A file with any of these options as keys [default: nemesis.yaml, if there is one]
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

impl Layer {
    /// Replaces `~/` at the beginning of paths, as a shell does; checkpoints have theirs replaced when they are named.
    pub(super) fn find_home(&mut self) {
        let paths = [&mut self.data, &mut self.python, &mut self.few_shot_lists, &mut self.out, &mut self.pool];
        let plugins = self.plugin.iter_mut().flatten();
        for path in paths.into_iter().flatten().chain(plugins) {
            *path = from_home(std::mem::take(path));
        }
        for file in [&mut self.suite, &mut self.protocol].into_iter().flatten() {
            if file.starts_with("~/") {
                *file = from_home(PathBuf::from(std::mem::take(file))).to_string_lossy().into_owned();
            }
        }
    }

    /// What this source says, by key, and nothing of what it leaves open.
    pub(super) fn said(&self) -> serde_json::Result<Map<String, Value>> {
        let Value::Object(mut keys) = serde_json::to_value(self)? else { return Ok(Map::new()) };
        keys.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty()));
        Ok(keys)
    }
}
