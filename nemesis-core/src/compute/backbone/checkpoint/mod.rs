//! Reading the weights of a checkpoint file, whatever format it has.

mod folder;
mod legacy;
mod other;
pub(crate) mod pickle;
mod safetensors;
mod torch;
mod write;

pub(crate) use write::torch_archive;

use crate::backbone::known;
use crate::{Error, Result, files};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// The key of the class names in what we write, beside `epoch`.
const CLASSES: &str = "classes";

/// The content of a checkpoint file.
#[derive(Debug)]
pub struct Checkpoint {
    /// The file itself, where a folder was given; of shards, their index.
    pub file: PathBuf,
    /// All its tensors by name, buffers such as running statistics included, on the CPU in the types they are stored in.
    pub tensors: BTreeMap<String, Tensor>,
    /// The epoch that the file says it was written after.
    pub epoch: Option<u64>,
    /// The class names, by label, that a file of ours says its context was learned for.
    pub classes: Option<Vec<String>>,
    /// blake3 of the file's bytes, in hexadecimal.
    pub hash: String,
    /// SHA-256 of the file's bytes, in hexadecimal, of TorchScript archives alone: published checkpoints are such.
    pub sha256: Option<String>,
    /// Of a TorchScript archive the classes of its module and of the module `visual` in it, without `__torch__.`.
    pub modules: Vec<String>,
    /// What a safetensors file says beside its tensors.
    pub metadata: BTreeMap<String, String>,
    /// Names of what holds numbers and is not among the tensors: what lies beside a state dict, leftovers of a training
    /// excepted, and objects that are no tensors.
    pub beside: Vec<String>,
}

/// What a reader of one format gives.
#[derive(Debug, Default)]
struct Content {
    tensors: BTreeMap<String, Tensor>,
    epoch: Option<u64>,
    classes: Option<Vec<String>>,
    modules: Vec<String>,
    metadata: BTreeMap<String, String>,
    beside: Vec<String>,
}

impl Checkpoint {
    /// The hash that [`Self::read`] finds, without reading weights.
    ///
    /// # Errors
    ///
    /// When a file is missing, or a folder holds no checkpoint.
    pub fn hash_of(path: &Path) -> Result<String> {
        let hashes = folder::parts(path)?.iter().map(|file| files::hash(file)).collect::<Result<Vec<_>>>()?;
        Ok(folder::joined(&hashes))
    }

    /// How many bytes its files have.
    ///
    /// # Errors
    ///
    /// When a file is missing, or a folder holds no checkpoint.
    pub fn bytes_of(path: &Path) -> Result<u64> {
        let bytes = |file: &PathBuf| file.metadata().map_err(|e| Error::io("read the file", file, &e));
        folder::parts(path)?.iter().map(|file| Ok(bytes(file)?.len())).sum()
    }

    /// Reads a file, the shards that an index names, or what a folder of `open_clip` or transformers holds. A file is
    /// safetensors, a TorchScript archive, or a file of `torch.save` in its format of today or in the one before
    /// `PyTorch` 1.6, told apart by their first bytes.
    ///
    /// # Errors
    ///
    /// When the file is missing, cut short, damaged, or in another format.
    pub fn read(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return folder::weights_in(path).map_or_else(|| Err(other::folder(path)), |file| Self::read(&file));
        }
        if folder::is_index(path) {
            return folder::read_shards(path);
        }
        let bytes = files::read(path)?;
        let read = match &bytes[..] {
            _ if let Some(error) = other::refused(&bytes) => Err(error),
            [b'P', b'K', 3, 4, ..] => torch::read(&bytes),
            // A pickle that begins with a long integer, the magic number of the old format, in a frame since protocol 4.
            [0x80, _, 0x8a, ..] | [0x80, _, 0x95, _, _, _, _, _, _, _, _, 0x8a, ..] => torch::read_legacy(&bytes),
            _ => safetensors::read(&bytes),
        };
        let Content { tensors, epoch, classes, modules, metadata, beside } = read.map_err(|e| e.at(path))?;
        let sha256 = (!modules.is_empty()).then(|| known::sha256(&bytes));
        let hash = blake3::hash(&bytes).to_hex().to_string();
        Ok(Self { file: path.to_owned(), tensors, epoch, classes, hash, sha256, modules, metadata, beside })
    }
}
