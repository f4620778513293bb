//! Learned contexts as `CoOp`'s code keeps them: `prompt_learner/model.pth.tar-EPOCH`, written by Dassl's
//! `save_checkpoint` and read by `load_model` of `trainers/coop.py`.

use crate::backbone::clip::Checkpoint;
use crate::backbone::clip::checkpoint::torch_archive;
use crate::method::State;
use crate::{Error, Result, files};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

pub use crate::method::prompt::CONTEXT;

/// Token vectors around the context, which follow from the class names and the backbone. `CoOp` drops them when it
/// reads a checkpoint, and so do we.
const FIXED: [&str; 2] = ["token_prefix", "token_suffix"];

/// A learned context.
#[derive(Debug)]
pub struct Context {
    /// `[vectors, width]`, or `[classes, vectors, width]` where each class has its own, in the type it is stored in.
    pub vectors: Tensor,
    /// The epoch that it was saved after, if the file says so.
    pub epoch: Option<u64>,
}

impl Context {
    /// Reads a checkpoint of `CoOp`'s prompt learner, in the format of `torch.save` of today or before `PyTorch` 1.6.
    ///
    /// # Errors
    ///
    /// When the file is missing, damaged, or holds something else than a context.
    pub fn read(path: &Path) -> Result<Self> {
        let Checkpoint { mut tensors, epoch, .. } = Checkpoint::read(path)?;
        tensors.retain(|name, _| !FIXED.contains(&name.as_str()));
        let wanted = "a checkpoint of CoOp's prompt learner, whose state holds the tensor `ctx`";
        let vectors = tensors.remove(CONTEXT).ok_or_else(|| {
            Error::new("the checkpoint holds no context").at(path).expected(wanted).help(match tensors.keys().next() {
                Some(name) => format!("it holds `{name}`; CoOp writes prompt_learner/model.pth.tar-EPOCH"),
                None => "it holds no tensor at all; CoOp writes prompt_learner/model.pth.tar-EPOCH".to_owned(),
            })
        })?;
        // A method of another kind would be evaluated as if it were this one.
        if let Some(name) = tensors.keys().next() {
            return Err(Error::new(format!(
                "beside the context, the checkpoint holds `{name}`, which CoOp does not have"
            ))
            .at(path)
            .expected(wanted));
        }
        let shape = vectors.size();
        if !matches!(shape.len(), 2 | 3) || vectors.numel() == 0 || !vectors.is_floating_point() {
            return Err(Error::new(format!("the context is of the shape {shape:?} and type {:?}", vectors.kind()))
                .at(path)
                .expected("[vectors, width], or [classes, vectors, width] where each class has its own"));
        }
        if !vectors.to_kind(Kind::Double).isfinite().all().f_int64_value(&[]).is_ok_and(|all| all == 1) {
            return Err(Error::new("the context holds values that are not finite: its training diverged").at(path));
        }
        Ok(Self { vectors, epoch })
    }

    /// The number of context vectors.
    pub fn count(&self) -> i64 {
        self.vectors.size()[self.vectors.dim() - 2]
    }

    /// The number of classes, where each has a context of its own.
    pub fn classes(&self) -> Option<i64> {
        (self.vectors.dim() == 3).then(|| self.vectors.size()[0])
    }

    /// The width of the text tower that it belongs to.
    pub fn width(&self) -> i64 {
        self.vectors.size()[self.vectors.dim() - 1]
    }

    /// The context as a method's state.
    pub fn state(&self) -> State {
        vec![(CONTEXT.to_owned(), self.vectors.shallow_clone())]
    }
}

/// Writes a learned state to `folder/prompt_learner/model.pth.tar-EPOCH`, so that `CoOp`'s `load_model(folder, EPOCH)`
/// finds it, and returns the file's path. It can be read by `torch.load(weights_only=True)`.
///
/// # Errors
///
/// When the state holds no context, or the file cannot be written.
pub fn write(folder: &Path, state: &State, epoch: u64) -> Result<PathBuf> {
    if !state.iter().any(|(name, _)| name == CONTEXT) {
        return Err(Error::new("the method learns no tensor `ctx`, so CoOp's prompt learner cannot load it")
            .expected("a method with CoOp's context, as coop, nemesis-pen and nemesis-pan have it"));
    }
    let file = folder.join("prompt_learner").join(format!("model.pth.tar-{epoch}"));
    files::write_atomic(&file, &torch_archive(state, epoch)?)?;
    Ok(file)
}
