//! The services that the host offers to a method during a call.

use crate::Result;
use crate::towers::Towers;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Where the class name goes among the context vectors (CoOp's `CLASS_TOKEN_POSITION`).
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

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something the user should know about the result.
    Warn,
    /// Something worth seeing by those who look for it: a run shows warnings alone.
    Info,
    /// Something that helps with debugging.
    Debug,
}

/// What the host does for a method. All calls return on the thread that made them.
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
    /// They are differentiable in `contexts` if grad mode is on, but only through [`Host::backward`] and
    /// [`Host::gradients`]: the graph may be cut here to save memory.
    ///
    /// # Errors
    ///
    /// When the shape of `contexts` does not fit, or a prompt is longer than the backbone's context length.
    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition) -> Result<Tensor>;

    /// Token embeddings `[tokens, width]` of text, to initialise contexts with.
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
    /// the graph is kept, so that a second loss of the same step can be differentiated. Afterwards, put the gradient
    /// to learn from into `grad` with [`gradients::fill`](crate::gradients::fill).
    ///
    /// # Errors
    ///
    /// When `loss` is not a scalar with a graph.
    fn gradients(&self, loss: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Tensor>>;

    /// `count` random 64-bit numbers, a pure function of the cell's seed, `purpose` and `index`. See
    /// [`crate::random`] for how to use them.
    fn random(&self, purpose: &str, index: u64, count: usize) -> Vec<u64>;

    /// Records a value of this step (a scalar, or a small vector of the same length in every step) under a name, for the
    /// training record. Outside of steps, as in [`prepare`](crate::Method::prepare) or an evaluation, there is no record for
    /// it, and it is dropped. The names `loss` and `learning_rate` are the host's own: a training that reports them fails.
    fn report(&self, name: &str, value: &Tensor);

    /// Whether the run was cancelled, so that a long call should return an error soon.
    fn cancelled(&self) -> bool;

    /// Writes a line to the host's log.
    fn log(&self, level: LogLevel, message: &str);

    /// The frozen towers with changes of the method's own, if the host has them and the method's descriptor asks for
    /// them with [`Needs::towers`](crate::Needs::towers).
    fn towers(&self) -> Option<&dyn Towers> {
        None
    }
}
