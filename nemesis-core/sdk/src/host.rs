//! The services that the host offers to a method during a call.

use crate::Result;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Where the class name stands among the context vectors (CoOp's `CLASS_TOKEN_POSITION`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassPosition {
    /// After all context vectors.
    #[default]
    End,
    /// After the first half of the context vectors, rounded down.
    Middle,
    /// Before all context vectors.
    Front,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something the user should know about the result.
    Warn,
    /// Something worth seeing in a normal run.
    Info,
    /// Something for whoever looks for a fault.
    Debug,
}

/// What the host does for a method. All calls come back on the thread that made them.
pub trait Host {
    /// Features `[prompts, embed_dim]`, not normalised and without gradient, of whole prompts.
    ///
    /// # Errors
    ///
    /// When a prompt is too long.
    fn encode_strings(&self, prompts: &[String]) -> Result<Tensor>;

    /// Features `[copies, classes, embed_dim]`, not normalised, of the task's class names behind `contexts`
    /// `[copies, 1 or classes, context vectors, width]`.
    ///
    /// They are differentiable in `contexts` where grad mode is on, through [`Host::backward`] and
    /// [`Host::gradients`] alone: the graph may be cut here to save memory.
    ///
    /// # Errors
    ///
    /// When the shape of `contexts` does not fit, or a prompt is longer than the backbone's context length.
    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition) -> Result<Tensor>;

    /// Token embeddings `[tokens, width]` of a text, to start contexts from.
    ///
    /// # Errors
    ///
    /// When the text is too long.
    fn embed_text(&self, text: &str) -> Result<Tensor>;

    /// Adds the gradient of a scalar `loss` to the `grad` of every leaf it depends on.
    ///
    /// # Errors
    ///
    /// When `loss` is not a scalar with a graph.
    fn backward(&self, loss: &Tensor) -> Result<()>;

    /// The gradients of a scalar `loss` in `inputs`, one tensor of the same shape each. No `grad` is touched, and
    /// the graph is kept, so that a second loss of the same step can be differentiated. What is to be learned by must
    /// be put into `grad` afterwards: [`gradients::fill`](crate::gradients::fill).
    ///
    /// # Errors
    ///
    /// When `loss` is not a scalar with a graph.
    fn gradients(&self, loss: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Tensor>>;

    /// `count` random 64-bit numbers, a pure function of the cell's seed, `purpose` and `index`. See
    /// [`crate::random`] for what is made of them.
    fn random(&self, purpose: &str, index: u64, count: usize) -> Vec<u64>;

    /// Records a value of this step (a scalar or a small vector) under a name, for the training record.
    fn report(&self, name: &str, value: &Tensor);

    /// Whether the run was cancelled, so that a long call should return an error soon.
    fn cancelled(&self) -> bool;

    /// Writes a line to the host's log.
    fn log(&self, level: LogLevel, message: &str);
}
