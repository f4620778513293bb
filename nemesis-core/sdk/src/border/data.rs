//! Task, batch and features, in both directions.

use super::tensor::{borrow, borrow_optional, copy, device, device_code, kind, kind_code};
use super::{borrowed, sized, slice, text};
use crate::{Batch, FeatureSet, Result, Task};
use nemesis_abi as abi;
use std::marker::PhantomData;

/// A task lent to the other side. It owns what its pointers lead to.
pub struct BorrowedTask<'a> {
    task: abi::Task,
    _class_names: Vec<abi::Str>,
    _task: PhantomData<&'a Task>,
}

impl<'a> BorrowedTask<'a> {
    /// Lends a task.
    ///
    /// # Errors
    ///
    /// When its tensor type has no code in the C interface.
    pub fn new(task: &'a Task) -> Result<Self> {
        let class_names: Vec<_> = task.class_names.iter().map(|name| borrowed(name)).collect();
        let (device, device_index) = device_code(task.device);
        let task = abi::Task {
            struct_size: size_of::<abi::Task>(),
            class_names: class_names.as_ptr(),
            class_count: class_names.len(),
            template: borrowed(&task.template),
            width: task.width,
            embed_dim: task.embed_dim,
            logit_scale: task.logit_scale,
            device,
            device_index,
            kind: kind_code(task.kind)?,
            reserved: 0,
            precision: borrowed(&task.precision),
            epochs: task.epochs,
        };
        Ok(Self { task, _class_names: class_names, _task: PhantomData })
    }

    /// The pointer to pass; it is valid as long as this value.
    pub fn as_ptr(&self) -> *const abi::Task {
        &raw const self.task
    }
}

/// Reads the task that the other side lends.
///
/// # Safety
///
/// `pointer` is null or leads to a task of the other side.
///
/// # Errors
///
/// When it is null, too small, or holds values that this side does not know.
pub unsafe fn task(pointer: *const abi::Task) -> Result<Task> {
    // SAFETY: the caller vouches for the struct and all that its fields lead to.
    unsafe {
        let task = sized(pointer, "task")?;
        let class_names = slice(task.class_names, task.class_count, "class names")?;
        Ok(Task {
            class_names: class_names.iter().map(|name| text(*name).map(str::to_owned)).collect::<Result<_>>()?,
            template: text(task.template)?.to_owned(),
            width: task.width,
            embed_dim: task.embed_dim,
            logit_scale: task.logit_scale,
            device: device(task.device, task.device_index)?,
            kind: kind(task.kind)?,
            precision: text(task.precision)?.to_owned(),
            epochs: task.epochs,
        })
    }
}

/// A batch lent to the other side.
pub struct BorrowedBatch<'a> {
    batch: abi::Batch,
    _batch: PhantomData<&'a Batch>,
}

impl<'a> BorrowedBatch<'a> {
    /// Lends a batch.
    pub fn new(batch: &'a Batch) -> Self {
        let batch = abi::Batch {
            struct_size: size_of::<abi::Batch>(),
            items: batch.items.as_ptr(),
            count: batch.items.len(),
            labels: borrow(&batch.labels),
            features: borrow_optional(batch.features.as_ref()),
            dense: borrow_optional(batch.dense.as_ref()),
            pixels: borrow_optional(batch.pixels.as_ref()),
            epoch: batch.epoch,
            epochs: batch.epochs,
            step: batch.step,
            steps: batch.steps,
        };
        Self { batch, _batch: PhantomData }
    }

    /// The pointer to pass; it is valid as long as this value.
    pub fn as_ptr(&self) -> *const abi::Batch {
        &raw const self.batch
    }
}

/// Reads the batch that the other side lends.
///
/// # Safety
///
/// `pointer` is null or leads to a batch of the other side.
///
/// # Errors
///
/// When it is null, too small, or lacks labels.
pub unsafe fn batch(pointer: *const abi::Batch) -> Result<Batch> {
    // SAFETY: the caller vouches for the struct and all that its fields lead to.
    unsafe {
        let batch = sized(pointer, "batch")?;
        let optional = |tensor: abi::Tensor| (!tensor.is_null()).then(|| copy(tensor, "input")).transpose();
        Ok(Batch {
            items: slice(batch.items, batch.count, "items")?.to_vec(),
            labels: copy(batch.labels, "labels")?,
            features: optional(batch.features)?,
            dense: optional(batch.dense)?,
            pixels: optional(batch.pixels)?,
            epoch: batch.epoch,
            epochs: batch.epochs,
            step: batch.step,
            steps: batch.steps,
        })
    }
}

/// Features lent to the other side.
pub struct BorrowedFeatures<'a> {
    features: abi::FeatureSet,
    _features: PhantomData<&'a FeatureSet>,
}

impl<'a> BorrowedFeatures<'a> {
    /// Lends the features of a split.
    pub fn new(features: &'a FeatureSet) -> Self {
        let features = abi::FeatureSet {
            struct_size: size_of::<abi::FeatureSet>(),
            features: borrow(&features.features),
            labels: borrow(&features.labels),
        };
        Self { features, _features: PhantomData }
    }

    /// The pointer to pass; it is valid as long as this value.
    pub fn as_ptr(&self) -> *const abi::FeatureSet {
        &raw const self.features
    }
}

/// Reads the features that the other side lends.
///
/// # Safety
///
/// `pointer` is null or leads to features of the other side.
///
/// # Errors
///
/// When it is null, too small, or lacks a tensor.
pub unsafe fn feature_set(pointer: *const abi::FeatureSet) -> Result<FeatureSet> {
    // SAFETY: the caller vouches for the struct and all that its fields lead to.
    unsafe {
        let set = sized(pointer, "features")?;
        Ok(FeatureSet { features: copy(set.features, "features")?, labels: copy(set.labels, "labels")? })
    }
}
