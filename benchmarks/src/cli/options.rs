//! The options that `run` and `plan` share.

use crate::bytes::ByteSize;
use crate::settings::numbers::Numbers;
use crate::settings::{Layer, Settings, by_name, parse_set};
use crate::weights::Weights;
use clap::Args;
use nemesis_core::backbone::Assumption;
use nemesis_core::train::Precision;
use nemesis_core::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is to be run. All of it can stand in `nemesis.yaml` or in `NEMESIS_…` variables, too.
#[derive(Clone, Debug, Args)]
pub(super) struct RunOptions {
    /// The suite: few-shot, base-to-new, domain-generalization, low-norm-effect, norm-curve, ablation, or a suite file
    #[arg(long, value_name = "NAME|FILE")]
    suite: Option<String>,
    /// The folder that holds the data sets' folders; without it, the mini suite's data are made
    #[arg(long, value_name = "ROOT")]
    data: Option<PathBuf>,
    /// A checkpoint of CLIP: OpenAI's .pt, a torch.save state dict or .safetensors; `mini` is the mini suite's
    #[arg(long, value_name = "[NAME=]FILE")]
    weights: Vec<Weights>,
    /// What to assume of a checkpoint that does not tell its activation, head width and preprocessing: openai
    #[arg(long, value_name = "NAME")]
    weights_config: Option<Assumption>,
    /// The backbone, one of the names given with --weights, or mini
    #[arg(long, value_name = "NAME")]
    backbone: Option<String>,
    /// Data sets, in place of the suite's
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    datasets: Option<Vec<String>>,
    /// Methods, in place of the suite's
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    methods: Option<Vec<String>>,
    /// A plugin, or a folder of plugins; its methods join the suite's. Their code is run
    #[arg(long, value_name = "FILE|DIR")]
    plugin: Option<Vec<PathBuf>>,
    /// An option of a method
    #[arg(long, value_name = "METHOD.OPTION=VALUE", value_parser = parse_set)]
    set: Vec<(String, Value)>,
    /// Training images per class, as in 1,2,4-8; or all
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    shots: Option<Vec<Numbers<u32>>>,
    /// Seeds, as in 1-3
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    seeds: Option<Vec<Numbers<u64>>>,
    /// Take few-shot samples from DIR/FOLDER/split_fewshot/shot_N-seed_M.pkl (or .json), as CoOp leaves them in the
    /// data root, or 2SFS's shot_N-seed_M_{train,val}.jsonl, instead of drawing them
    #[arg(long, value_name = "DIR")]
    few_shot_lists: Option<PathBuf>,
    /// The protocol: paper, bf16, mini, or a protocol file [default: paper with --data, else mini]
    #[arg(long, value_name = "NAME|FILE")]
    protocol: Option<String>,
    /// fp32, fp64, fp16, bf16 or amp [default: the protocol's]. On a processor fp16 saves no time, and bf16 does where the
    /// processor is made for it
    #[arg(long)]
    precision: Option<Precision>,
    /// Evaluate only the first N test images of each class, in the order of the split
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Workers at a time [default: as many as fit the cores]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// cpu, or cuda:N [default: cpu]
    #[arg(long)]
    device: Option<String>,
    /// Where records and tables go [default: out]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where image features are kept, which any number of runs may share [default: pool in the folder of --out]
    #[arg(long, value_name = "DIR")]
    pool: Option<PathBuf>,
    /// How many gigabytes of features are kept; 0 keeps them in memory alone [default: 20]
    #[arg(long, value_name = "GB")]
    pool_budget: Option<u64>,
    /// How much memory each worker may take, about: text features are computed in chunks of classes, and again for the
    /// gradient, where they would take more. Results stay the same up to rounding. A cell that wants twice as much
    /// all the same is given up (on Linux, without a GPU)
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// Give a plugin up that takes more than this many seconds to be loaded, or to create a method for the plan
    /// [default: 30]
    #[arg(long, value_name = "SECONDS")]
    plugin_timeout: Option<u64>,
    /// Give a cell up after this many seconds
    #[arg(long, value_name = "SECONDS")]
    cell_timeout: Option<u64>,
    /// A file with any of these options as keys [default: nemesis.yaml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl RunOptions {
    /// The settings of all sources, with these options on top.
    pub(super) fn settings(&self) -> Result<Settings> {
        let this = self.clone();
        let mut set: BTreeMap<String, Value> = BTreeMap::new();
        for (key, value) in this.set {
            if let Some(other) = set.get(&key).filter(|other| **other != value) {
                return Err(Error::new(format!("`--set {key}` is given twice, with {other} and with {value}"))
                    .help("leave out one of the two, or sweep the option in a suite file"));
            }
            set.insert(key, value);
        }
        let layer = Layer {
            suite: this.suite,
            data: this.data,
            weights: by_name(this.weights).map_err(Error::new)?,
            weights_config: this.weights_config,
            backbone: this.backbone,
            datasets: this.datasets,
            methods: this.methods,
            plugin: this.plugin,
            set,
            shots: this.shots.map(flat),
            seeds: this.seeds.map(flat),
            few_shot_lists: this.few_shot_lists,
            protocol: this.protocol,
            precision: this.precision,
            limit: this.limit,
            jobs: this.jobs,
            device: this.device,
            out: this.out,
            pool: this.pool,
            pool_budget: this.pool_budget,
            memory: this.memory,
            plugin_timeout: this.plugin_timeout,
            cell_timeout: this.cell_timeout,
        };
        Settings::gather(self.config.as_deref(), &layer)
    }
}

/// The numbers of an option that may be given several times.
pub(super) fn flat<T>(lists: Vec<Numbers<T>>) -> Vec<T> {
    lists.into_iter().flat_map(|numbers| numbers.0).collect()
}
