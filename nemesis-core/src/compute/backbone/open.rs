//! The door: from a checkpoint to the family of backbones that it belongs to.

use super::{Assumption, Backbone, BackboneSpec, Checkpoint, clip};
use crate::{Error, Result};
use std::path::Path;
use tch::{Device, Kind};

/// All families. The first that knows a checkpoint reads it; the last one takes every checkpoint, to say what it is.
const FAMILIES: [Family; 1] = [clip::FAMILY];

/// A checkpoint, and how it is to be opened.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The file of the weights.
    pub weights: &'a Path,
    /// What is assumed of it where it does not say so itself.
    pub assume: Option<Assumption>,
    /// Where the weights are to lie.
    pub device: Device,
    /// The type that features are computed in.
    pub kind: Kind,
    /// The type that products with weights are rounded to: another than `kind` in mixed precision alone.
    pub rounds_to: Kind,
}

impl<'a> Request<'a> {
    /// A backbone that computes in one type.
    pub fn new(weights: &'a Path, assume: Option<Assumption>, device: Device, kind: Kind) -> Self {
        Self { weights, assume, device, kind, rounds_to: kind }
    }

    /// What trains in mixed precision, beside a backbone in single precision that evaluates: what `torch.autocast` makes
    /// of it, with products rounded to fp16.
    #[must_use]
    pub fn mixed(self) -> Self {
        Self { kind: Kind::Float, rounds_to: Kind::Half, ..self }
    }
}

/// A family of backbones: how its checkpoints are known and read.
pub(super) struct Family {
    /// Whether a checkpoint is one of the family.
    pub(super) knows: fn(&Checkpoint) -> bool,
    /// The sizes and constants of a checkpoint, with every error that opening it may have.
    pub(super) inspect: fn(Checkpoint, &Request<'_>) -> Result<BackboneSpec>,
    /// The backbone itself.
    pub(super) open: fn(Checkpoint, &Request<'_>) -> Result<Box<dyn Backbone>>,
}

/// Opens a checkpoint, whichever family it is of.
///
/// # Errors
///
/// When the file is missing, damaged, or of no family that is read; when it holds a weight that is not read, or one that is
/// no finite number of the requested type; and when neither the file nor the request tells what it computes.
pub fn open(request: &Request<'_>) -> Result<Box<dyn Backbone>> {
    let checkpoint = Checkpoint::read(request.weights)?;
    (family(&checkpoint).open)(checkpoint, request).map_err(|e| about(e, request.weights))
}

/// What [`open`] would make of a checkpoint, with all of its errors, without converting anything.
///
/// # Errors
///
/// As those of [`open`].
pub fn inspect(request: &Request<'_>) -> Result<BackboneSpec> {
    let checkpoint = Checkpoint::read(request.weights)?;
    (family(&checkpoint).inspect)(checkpoint, request).map_err(|e| about(e, request.weights))
}

/// An error about a file beside the weights names that file, and every other one the weights.
pub(super) fn about(error: Error, weights: &Path) -> Error {
    if error.file().is_some() { error } else { error.at(weights) }
}

fn family(checkpoint: &Checkpoint) -> &'static Family {
    let last = FAMILIES.last().expect("there is a family");
    FAMILIES.iter().find(|family| (family.knows)(checkpoint)).unwrap_or(last)
}
