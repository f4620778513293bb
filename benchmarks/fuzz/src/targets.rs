//! What is fuzzed: every reader of what comes from elsewhere, or may be damaged.

mod data;
mod made;
mod ours;
mod raw;
mod weights;

use crate::chance::Chance;
use nemesis_core::Result;
use std::fs;
use std::path::{Path, PathBuf};

/// A reader with inputs to begin with.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is read.
    pub about: &'static str,
    /// Inputs that it reads, before [`Self::pack`].
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Makes a changed input one that gets past checksums and compression.
    pub(crate) pack: fn(Vec<u8>, &mut Chance) -> Vec<u8>,
    /// Reads an input, in a folder that is otherwise left as it was.
    pub(crate) read: fn(&Path, &[u8]) -> Result<()>,
    /// The memory, in megabytes, that any input may take.
    pub(crate) megabytes: usize,
    /// How many times its size an input may take beyond that.
    pub(crate) growth: usize,
    /// The seconds that any input may take.
    pub(crate) seconds: u64,
}

impl Target {
    const fn new(
        name: &'static str,
        about: &'static str,
        seeds: fn() -> Vec<Vec<u8>>,
        read: fn(&Path, &[u8]) -> Result<()>,
    ) -> Self {
        Self { name, about, seeds, pack: as_it_is, read, megabytes: 32, growth: 64, seconds: 20 }
    }

    const fn packed(self, pack: fn(Vec<u8>, &mut Chance) -> Vec<u8>) -> Self {
        Self { pack, ..self }
    }

    const fn megabytes(self, megabytes: usize) -> Self {
        Self { megabytes, ..self }
    }

    const fn seconds(self, seconds: u64) -> Self {
        Self { seconds, ..self }
    }

    /// The memory, in bytes, that an input of this size may take.
    pub(crate) fn allowed(&self, size: usize) -> usize {
        (self.megabytes << 20) + self.growth * size
    }
}

/// All of them.
pub static TARGETS: [Target; 26] = [
    Target::new("datasets", "`datasets.yaml`", data::registries, data::registry),
    Target::new("suites", "suites in YAML", data::suites, data::suite),
    Target::new("protocols", "protocols in YAML", data::protocols, data::protocol),
    Target::new("settings", "a user's settings in YAML", data::settings, data::setting),
    Target::new("splits", "split files in JSON", data::splits, data::split),
    Target::new("few-shot", "few-shot lists: pickled, JSON and JSON Lines", data::lists, data::list),
    Target::new("lists", "lists of official archives that are text", raw::texts, raw::read_texts),
    Target::new("matlab", "MATLAB files", raw::matlab, raw::read_matlab).packed(raw::pack_matlab).megabytes(600),
    Target::new("csv", "lists of pictures in CSV", data::csv, data::read_csv),
    Target::new("parquet", "lists and shards of pictures in Parquet", made::parquet, data::read_parquet).megabytes(64),
    Target::new("shards", "webdataset's tars", made::shards, data::read_shard).packed(data::pack_tar),
    Target::new("zip", "archives of data sets: zip", made::zip, data::unpack_zip),
    Target::new("tar", "archives of data sets: tar", made::tar, data::unpack_tar).packed(data::pack_tar),
    Target::new("tgz", "archives of data sets: tar within gzip", made::tar, data::unpack_tgz).packed(data::pack_tgz),
    Target::new("jpeg", "JPEG", made::jpeg, weights::image).megabytes(2600).seconds(120),
    Target::new("png", "PNG", made::png, weights::image).packed(weights::pack_png).megabytes(1400).seconds(120),
    Target::new("pickle", "checkpoints of `torch.save`", weights::pickles, weights::read_pt).packed(weights::pack_zip),
    Target::new("torch", "the same, as zip files", weights::torch, weights::read_pt),
    Target::new("safetensors", "safetensors", weights::safetensors, weights::read_safetensors)
        .packed(weights::pack_safetensors),
    Target::new("configs", "configurations and indexes beside weights", weights::configs, weights::read_config),
    Target::new("coop", "contexts of CoOp's code", weights::contexts, weights::context).packed(weights::pack_zip),
    Target::new("plugins", "the section of a plugin that is read before it is loaded", made::plugins, ours::plugin),
    Target::new("descriptors", "what a plugin says of itself", ours::descriptors, ours::descriptor),
    Target::new("records", "records", ours::records, ours::record),
    Target::new("leases", "leases, and the heartbeats of runs", ours::leases, ours::lease),
    Target::new("pool", "parts of the feature pool, learned states and interrupted trainings", ours::parts, ours::part)
        .packed(weights::pack_safetensors),
];

fn as_it_is(input: Vec<u8>, _: &mut Chance) -> Vec<u8> {
    input
}

/// A file of this repository.
fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The files of a folder of this repository with one of these endings that are not too large to be changed often.
fn all_of(folder: &str, endings: &[&str]) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(source(folder)).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.retain(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)));
    paths.sort();
    let all = paths.into_iter().filter_map(|path| fs::read(path).ok());
    all.filter(|content| content.len() <= 32 << 10).collect()
}
