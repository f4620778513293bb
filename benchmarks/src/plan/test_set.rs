//! What a trained context is tested on, and in which states: as it is, corrupted, or as it was in an earlier epoch.

use super::seen::Seen;
use crate::suite::TableKind;
use nemesis_core::dataset::{ClassSubset, Dataset, limited_test, manifest_hash};
use nemesis_core::record::{Corruption, CorruptionKind, MethodKey, TrainingCell};
use nemesis_core::{Error, Result};

/// Test images with the classes that are told apart on them.
pub(super) struct TestSet<'a> {
    pub(super) dataset: &'a dyn Dataset,
    pub(super) manifest: String,
    pub(super) classes: ClassSubset,
    /// What the test images hold.
    pub(super) images: String,
    /// The number of test images.
    pub(super) count: u64,
}

impl<'a> TestSet<'a> {
    pub(super) fn new(
        dataset: &'a dyn Dataset,
        classes: ClassSubset,
        limit: Option<u32>,
        seen: &mut Seen<'_>,
    ) -> Result<Self> {
        let test = classes.samples(&limited_test(dataset, limit), dataset.class_names().len());
        let (images, count) = (seen.images(dataset, &test)?, test.len() as u64);
        Ok(Self { dataset, manifest: manifest_hash(dataset), classes, images, count })
    }
}

/// A state of a trained context: by default, as the training left it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Variant {
    pub(super) corruption: Option<Corruption>,
    pub(super) epoch: Option<u64>,
}

impl Variant {
    /// Whether the training leaves the context in this state: its protocol may have fewer epochs than the suite names.
    pub(super) fn is_kept(&self, training: &TrainingCell) -> bool {
        self.epoch.is_none_or(|epoch| training.kept_epochs.contains(&epoch))
    }
}

/// The states in which a table looks at a method's context, the final one first.
///
/// # Errors
///
/// When positions are to be corrupted and the method does not say how many it has.
pub(super) fn variants(table: &TableKind, method: &MethodKey) -> Result<Vec<Variant>> {
    let mut variants = vec![Variant::default()];
    match table {
        TableKind::LowNormEffect { replace, rescale } => {
            let values = |kind, values: &[f64]| values.iter().map(|value| (kind, *value)).collect::<Vec<_>>();
            let settings =
                [values(CorruptionKind::Replace, replace), values(CorruptionKind::Rescale, rescale)].concat();
            for position in 0..positions(method)? {
                variants.extend(settings.iter().map(|&(kind, value)| Variant {
                    corruption: Some(Corruption { kind, position, value }),
                    epoch: None,
                }));
            }
        }
        TableKind::NormCurve { epochs } => {
            variants.extend(epochs.iter().map(|epoch| Variant { corruption: None, epoch: Some(*epoch) }));
        }
        TableKind::FewShot | TableKind::BaseToNew | TableKind::DomainGeneralization { .. } | TableKind::Ablation => {}
    }
    Ok(variants)
}

/// The number of context vectors, which is CoOp's option `n_ctx`.
fn positions(method: &MethodKey) -> Result<u32> {
    let positions = method.options.get("n_ctx").and_then(serde_json::Value::as_u64);
    positions.map(|positions| positions as u32).ok_or_else(|| {
        Error::new(format!("the context of `{}` cannot be corrupted", method.id))
            .expected("an option `n_ctx`, the number of its context vectors")
            .help("leave the method out with `--methods`")
    })
}
