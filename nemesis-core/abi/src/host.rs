//! The services that the host offers to a method during a call.

use crate::{Status, Str, Tensor};
use core::ffi::{c_char, c_void};

/// The table of the host's services.
///
/// It is made by the host for one call into the plugin, and valid on that call's thread until it returns. The first
/// argument of every function is `context`. No function is null. None of them changes grad mode.
#[repr(C)]
#[derive(Debug)]
pub struct Host {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// The first argument of every function.
    pub context: *mut c_void,

    /// Writes a line to the host's log; `level` is one of the `LOG_` constants.
    pub log: Option<unsafe extern "C" fn(context: *mut c_void, level: u32, message: Str)>,

    /// Whether the run was cancelled (1) or not (0). A long call should then return
    /// [`STATUS_CANCELLED`](crate::STATUS_CANCELLED) soon.
    pub cancelled: Option<unsafe extern "C" fn(context: *mut c_void) -> u32>,

    /// Writes features `[prompts, embed_dim]`, not normalised and without gradient, of `count` whole prompts to
    /// `out`. Fails when a prompt is too long.
    pub encode_strings: Option<
        unsafe extern "C" fn(context: *mut c_void, prompts: *const Str, count: usize, out: *mut Tensor) -> Status,
    >,

    /// Writes features `[copies, classes, embed_dim]`, not normalised, of the task's class names behind `contexts`
    /// `[copies, 1 or classes, context vectors, width]` to `out`.
    ///
    /// `position` is one of the `CLASS_POSITION_` constants. The features are differentiable in `contexts` if grad
    /// mode is on, but only through `backward` and `gradients`: the graph may be cut here, so a plugin that calls
    /// libtorch's own `backward` loses gradients. Fails when the shape does not fit, or a prompt is too long.
    pub encode_contexts:
        Option<unsafe extern "C" fn(context: *mut c_void, contexts: Tensor, position: u32, out: *mut Tensor) -> Status>,

    /// Writes token embeddings `[tokens, width]` of text to `out`, to initialise contexts with. Fails when it is too
    /// long.
    pub embed_text: Option<unsafe extern "C" fn(context: *mut c_void, text: Str, out: *mut Tensor) -> Status>,

    /// Adds the gradient of a scalar `loss` to the `grad` of every leaf it depends on. Fails when it is not a scalar
    /// with a graph.
    pub backward: Option<unsafe extern "C" fn(context: *mut c_void, loss: Tensor) -> Status>,

    /// Writes the gradients of a scalar `loss` in `count` tensors to `out`, an array of `count`, each with the shape
    /// of its input, and zero if the loss does not depend on it. No `grad` is touched, and the graph is kept, so that
    /// a second loss of the same step can be differentiated. Fails when `loss` is not a scalar with a graph.
    pub gradients: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            loss: Tensor,
            inputs: *const Tensor,
            count: usize,
            out: *mut Tensor,
        ) -> Status,
    >,

    /// Writes `count` random 64-bit numbers to `out`, a pure function of the cell's seed, `purpose` and `index`. A
    /// longer stream begins with the shorter one.
    pub random: Option<
        unsafe extern "C" fn(context: *mut c_void, purpose: Str, index: u64, count: usize, out: *mut u64) -> Status,
    >,

    /// Records a value of this step (a scalar or a small vector) under a name, for the training record. Outside of
    /// steps, as in `create`, `prepare`, `fit` or an evaluation, it does nothing.
    pub report: Option<unsafe extern "C" fn(context: *mut c_void, name: Str, value: Tensor) -> Status>,

    /// A table of an optional service by its name, a string that ends with a zero byte, or null if this host has
    /// none, or not for this method. Names end with the version of their table. Since version 1.1 there is
    /// `nemesis.towers/1`, a [`Towers`](crate::Towers).
    pub get_extension: Option<unsafe extern "C" fn(context: *mut c_void, name: *const c_char) -> *const c_void>,
}
