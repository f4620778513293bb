//! Learned contexts as `CoOp`'s code stores them: `prompt_learner/model.pth.tar-EPOCH`, written by Dassl's
//! `save_checkpoint` and read by `load_model` of `trainers/coop.py`.

use super::locate::{Found, WANTED, locate};
use crate::backbone::Checkpoint;
use crate::backbone::checkpoint::torch_archive;
use crate::method::State;
use crate::{Error, Result, files};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

pub use crate::method::prompt::CONTEXT;

/// A learned context.
#[derive(Debug)]
pub struct Context {
    /// `[vectors, width]`, or `[classes, vectors, width]` if each class has its own, in the type it is stored in.
    pub vectors: Tensor,
    /// The epoch that it was saved after, if the file says so.
    pub epoch: Option<u64>,
    /// The class names, by label, that it was learned for, if we wrote the file and each class has its own context.
    pub classes: Option<Vec<String>>,
    /// What was assumed about a file that is not a checkpoint of `CoOp`'s prompt learner, one sentence each.
    pub assumed: Vec<String>,
    /// The embedding of the start token, `[classes, 1, width]`, as `CoOp` saves it with the context.
    pub(super) prefix: Option<Tensor>,
    /// The embeddings of what follows the context in each prompt, `[classes, tokens, width]`, as `CoOp` saves them.
    pub(super) suffix: Option<Tensor>,
}

impl Context {
    /// Reads a checkpoint of `CoOp`'s prompt learner, in the current format of `torch.save` or that before `PyTorch`
    /// 1.6; a checkpoint of its whole model; or a file with a single tensor, which may be safetensors.
    /// [`Context::assumed`] says what was assumed about files of the latter kinds.
    ///
    /// # Errors
    ///
    /// When the file is missing, damaged, or holds something other than a context.
    pub fn read(path: &Path) -> Result<Self> {
        let read = Checkpoint::read(path).map_err(|e| if path.is_file() { e.expected(WANTED) } else { e });
        let Checkpoint { tensors, epoch, classes, .. } = read?;
        let Found { vectors, prefix, suffix, assumed } = locate(tensors).map_err(|e| e.at(path).expected(WANTED))?;
        let shape = vectors.size();
        if !matches!(shape.len(), 2 | 3) || vectors.numel() == 0 || !vectors.is_floating_point() {
            return Err(Error::new(format!("the context has the shape {shape:?} and the type {:?}", vectors.kind()))
                .at(path)
                .expected(
                    "floating-point numbers of shape [vectors, width], or [classes, vectors, width] if each class has \
                     its own",
                ));
        }
        if !vectors.to_kind(Kind::Double).isfinite().all().f_int64_value(&[]).is_ok_and(|all| all == 1) {
            return Err(Error::new("the context contains values that are not finite")
                .at(path)
                .help("it cannot be evaluated: use the checkpoint of an earlier epoch, or train again"));
        }
        Ok(Self { vectors, epoch, classes, assumed, prefix, suffix })
    }

    /// The number of context vectors.
    pub fn count(&self) -> i64 {
        self.vectors.size()[self.vectors.dim() - 2]
    }

    /// The number of classes, if each has a context of its own.
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

/// Where `CoOp`'s `load_model(folder, EPOCH)` looks for a context.
pub fn path(folder: &Path, epoch: u64) -> PathBuf {
    folder.join("prompt_learner").join(format!("model.pth.tar-{epoch}"))
}

/// Writes a learned state to `folder/prompt_learner/model.pth.tar-EPOCH`, so that `CoOp`'s `load_model(folder, EPOCH)`
/// finds it, and returns the file's path. It can be read by `torch.load(weights_only=True)`.
///
/// `classes` are the names of the classes that a class-specific context was learned for, by label, as far as they are
/// known. [`Context::read`] returns them; `CoOp` ignores them.
///
/// # Errors
///
/// When the state holds no context, or the file cannot be written.
pub fn write(folder: &Path, state: &State, epoch: u64, classes: &[String]) -> Result<PathBuf> {
    let Some((_, context)) = state.iter().find(|(name, _)| name == CONTEXT) else {
        return Err(Error::new("CoOp's prompt learner cannot load this method: it learns no tensor `ctx`")
            .expected("a method with CoOp's context, such as coop, nemesis-pen or nemesis-pan"));
    };
    let classes = if context.dim() == 3 { classes } else { &[] };
    let file = path(folder, epoch);
    files::write_atomic(&file, &torch_archive(state, epoch, classes)?)?;
    Ok(file)
}
