//! What the host passes to a method: the task at creation, and the batch of every step.

use crate::{Status, Str, Tensor};
use core::ffi::c_void;

/// What a method is created for. Made by the host; borrowed for the call of [`create`](crate::Entry::create).
#[repr(C)]
#[derive(Debug)]
pub struct Task {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// Class names by label, underscores already replaced by spaces.
    pub class_names: *const Str,
    /// The number of classes, at least one.
    pub class_count: usize,
    /// The data set's zero-shot template, with `{}` in place of the class name.
    pub template: Str,
    /// Width of the text transformer, which is that of a context vector.
    pub width: i64,
    /// Width of the shared embedding space.
    pub embed_dim: i64,
    /// The factor on cosine similarities.
    pub logit_scale: f64,
    /// The device of all tensors, one of the `DEVICE_` constants.
    pub device: u32,
    /// The index among several devices of this kind, counted from zero.
    pub device_index: u32,
    /// The type of parameters and features, one of the `KIND_` constants.
    pub kind: u32,
    /// Always zero.
    pub reserved: u32,
    /// The name of the protocol's precision, such as `fp32`.
    pub precision: Str,
    /// The number of training epochs.
    pub epochs: u64,
}

/// The inputs of one step, or of one evaluation. Made by the host; borrowed for one call.
#[repr(C)]
#[derive(Debug)]
pub struct Batch {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// For each row the image's index in the few-shot sample or the test split.
    pub items: *const u64,
    /// The number of rows, at least one.
    pub count: usize,
    /// Labels `[images]`, 64-bit integers; empty in an evaluation. Never null.
    pub labels: Tensor,
    /// Global features `[images, embed_dim]` as they leave the image tower, or null if the descriptor does not ask for
    /// them.
    pub features: Tensor,
    /// Dense features `[images, places, embed_dim]`, not normalised, or null if the descriptor does not ask for them:
    /// one for each patch of a vision transformer, or for each pixel of the last layer of a residual network, row by
    /// row.
    pub dense: Tensor,
    /// Pixels `[images, 3, side, side]` of the images as they are encoded, augmented in training and normalised, or
    /// null if the descriptor does not ask for them.
    pub pixels: Tensor,
    /// The epoch, counted from zero.
    pub epoch: u64,
    /// How many epochs there are.
    pub epochs: u64,
    /// The step, counted from zero over the whole training.
    pub step: u64,
    /// How many steps there are in the whole training.
    pub steps: u64,
}

/// Features with labels of a whole split. Made by the host; borrowed for one call.
#[repr(C)]
#[derive(Debug)]
pub struct FeatureSet {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// Features `[views * images, embed_dim]`, not normalised, one view of all images after the other. Never null. There
    /// is one view, unless the descriptor asks for more `views` of the training sample; how many there are, the number of
    /// labels tells.
    pub features: Tensor,
    /// Labels `[images]`, 64-bit integers. Never null.
    pub labels: Tensor,
}

/// A tensor that is trained. Made by the plugin; borrowed for one call of [`ParameterSink::push`].
#[repr(C)]
#[derive(Debug)]
pub struct Parameter {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// The name, unique within the method.
    pub name: Str,
    /// A leaf with `requires_grad`. The host keeps a copy of the `at::Tensor` and changes the storage in place.
    pub tensor: Tensor,
    /// The group whose options it shares.
    pub group: Str,
    /// The optimiser by name; empty for the protocol's.
    pub optimiser: Str,
    /// Names of factors and replacements for the protocol's optimiser options: `lr_scale`, `weight_decay`, and those of
    /// the optimiser: `momentum` and `dampening` of SGD, `beta1`, `beta2` and `eps` of Adam and `AdamW`. Null if there
    /// are none.
    pub option_names: *const Str,
    /// Their values. Null if there are none.
    pub option_values: *const f64,
    /// How many there are.
    pub option_count: usize,
}

/// Where a method puts its parameters, one by one. Made by the host; valid during one call, on its thread.
#[repr(C)]
#[derive(Debug)]
pub struct ParameterSink {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// The first argument of `push`.
    pub context: *mut c_void,
    /// Takes one parameter. A status that is not OK must be returned unchanged. Never null.
    pub push: Option<unsafe extern "C" fn(context: *mut c_void, parameter: *const Parameter) -> Status>,
}

/// Where a method puts the tensors of its state, one by one. Made by the host; valid during one call, on its thread.
#[repr(C)]
#[derive(Debug)]
pub struct TensorSink {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// The first argument of `push`.
    pub context: *mut c_void,
    /// Takes one tensor, borrowed, by a name that is unique within the state. A status that is not OK must be
    /// returned unchanged. Never null.
    pub push: Option<unsafe extern "C" fn(context: *mut c_void, name: Str, tensor: Tensor) -> Status>,
}

/// Tensors by name. Made by the host; borrowed for one call.
#[repr(C)]
#[derive(Debug)]
pub struct TensorList {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// The names.
    pub names: *const Str,
    /// The tensors, none of them null.
    pub tensors: *const Tensor,
    /// How many there are.
    pub count: usize,
}
