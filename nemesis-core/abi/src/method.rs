//! The functions of a method.

use crate::{Batch, FeatureSet, Host, ParameterSink, Status, Tensor, TensorList, TensorSink};
use core::ffi::c_void;

/// The table of a method's functions, static in the plugin and shared by all its methods.
///
/// The first argument of every function is what [`create`](crate::Entry::create) wrote. All calls to one method come on
/// the thread that created it, one at a time. A function that is marked optional may be null.
#[repr(C)]
#[derive(Debug)]
pub struct MethodTable {
    /// The size of this struct in bytes.
    pub struct_size: usize,

    /// Frees the method. It is called once, last. Grad mode is off.
    pub destroy: Option<unsafe extern "C" fn(method: *mut c_void)>,

    /// Pushes the tensors that are trained into `sink`: the same ones, in the same order, in every call. Grad mode is
    /// off.
    pub parameters: Option<unsafe extern "C" fn(method: *mut c_void, sink: *const ParameterSink) -> Status>,

    /// Writes the loss of a batch, a scalar with a graph, to `out`. Grad mode is on.
    pub loss: Option<
        unsafe extern "C" fn(method: *mut c_void, batch: *const Batch, host: *const Host, out: *mut Tensor) -> Status,
    >,

    /// Writes the logits `[images, classes]` of a batch to `out`. Grad mode is off.
    pub logits: Option<
        unsafe extern "C" fn(method: *mut c_void, batch: *const Batch, host: *const Host, out: *mut Tensor) -> Status,
    >,

    /// Pushes what was learned into `sink`, for storage. Grad mode is off.
    pub save: Option<unsafe extern "C" fn(method: *mut c_void, sink: *const TensorSink) -> Status>,

    /// Replaces what was learned by a stored state, in the storage of the parameters. Fails when a tensor is missing
    /// or has a different shape. Grad mode is off.
    pub load: Option<unsafe extern "C" fn(method: *mut c_void, state: *const TensorList) -> Status>,

    /// Optional: called once before training with features of the training sample, for methods that use the data in
    /// advance. `val` holds those of the few-shot validation sample if the descriptor asks for `validation` and the
    /// data set has one; otherwise it is null. Called only if the descriptor asks for `features`, and then also if it
    /// says `none`, for methods that learn without gradients. Grad mode is off.
    pub prepare: Option<
        unsafe extern "C" fn(
            method: *mut c_void,
            train: *const FeatureSet,
            val: *const FeatureSet,
            host: *const Host,
        ) -> Status,
    >,

    /// Optional: trains the method in a single call, if the descriptor says `fit`. Grad mode is on.
    ///
    /// The host does not see where a step ends. So no gradient can be taken of features once one was taken of features that
    /// were encoded later, and not of the former as well: these must be encoded again.
    pub fit: Option<unsafe extern "C" fn(method: *mut c_void, train: *const FeatureSet, host: *const Host) -> Status>,

    /// Optional: fills the gradients of the parameters itself and writes the loss to record to `out`, or writes null
    /// to let the host take `loss` and its gradient. Grad mode is on, and every `grad` is undefined or zero.
    ///
    /// The host updates the parameters with whatever is in their `grad` when the call returns. To put it there, call
    /// the host's `backward` once or several times (gradients add up), or write gradients computed from the results of
    /// the host's `gradients`, which does not touch any `grad`: in C++, `parameter.mutable_grad() = gradient`. In the
    /// first step, every parameter whose `lr_scale` is not zero must have a gradient, and at least one must be nonzero,
    /// whether the gradients come from here or from `loss`. Otherwise training fails.
    pub compute_gradients: Option<
        unsafe extern "C" fn(method: *mut c_void, batch: *const Batch, host: *const Host, out: *mut Tensor) -> Status,
    >,
}
