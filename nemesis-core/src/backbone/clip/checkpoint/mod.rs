//! Reading the weights of a checkpoint file, whatever format it has.

mod legacy;
pub(crate) mod pickle;
mod safetensors;
mod torch;
mod write;

pub(crate) use write::torch_archive;

use crate::{Error, Result, files};
use std::collections::BTreeMap;
use std::path::Path;
use tch::Tensor;
use torch::Content;

/// The key of the class names in what we write, beside `epoch`.
const CLASSES: &str = "classes";

/// The content of a checkpoint file.
#[derive(Debug)]
pub struct Checkpoint {
    /// All its tensors by name, buffers such as running statistics included, on the CPU in the types they are stored in.
    pub tensors: BTreeMap<String, Tensor>,
    /// The epoch that the file says it was written after.
    pub epoch: Option<u64>,
    /// The class names, by label, that a file of ours says its context was learned for.
    pub classes: Option<Vec<String>>,
    /// blake3 of the file's bytes, in hexadecimal.
    pub hash: String,
}

impl Checkpoint {
    /// Reads safetensors, a TorchScript archive, or a file of `torch.save` in its format of today or in the one before
    /// `PyTorch` 1.6, told apart by their first bytes.
    ///
    /// # Errors
    ///
    /// When the file is missing, cut short, damaged, or in another format.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = files::read(path)?;
        let read = match &bytes[..] {
            [] => Err(Error::new("the checkpoint is empty").help("download it again")),
            [b'<', ..] => Err(Error::new("the file is a web page and no checkpoint")
                .help("download it again: a server may have sent a message in its place")),
            [b'P', b'K', 3, 4, ..] => torch::read(&bytes),
            // A pickle that begins with a long integer, the magic number of the old format.
            [0x80, _, 0x8a, ..] => torch::read_legacy(&bytes),
            _ => safetensors::read(&bytes).map(|tensors| Content { tensors, epoch: None, classes: None }),
        };
        let Content { tensors, epoch, classes } = read.map_err(|e| e.at(path))?;
        Ok(Self { tensors, epoch, classes, hash: blake3::hash(&bytes).to_hex().to_string() })
    }
}
