//! Checks of logits.

use super::stage::without_labels;
use super::subject::{Finding, Subject, close, ensure, finite, skipped};
use crate::method::{Batch, Method};
use crate::train::Recompute;
use tch::{Tensor, no_grad};

pub(super) fn logits(subject: &Subject) -> Finding {
    let (stage, mut method, batch) = subject.scene()?;
    let logits = method.logits(&without_labels(&batch), &stage.services(1, Recompute::Never))?;
    let (found, wanted) = (logits.size(), [batch.items.len() as i64, stage.task().class_names.len() as i64]);
    ensure(found == wanted, || format!("they have the shape {found:?} instead of {wanted:?}"))?;
    ensure(finite(&logits)?, || "they are not finite".to_owned())?;
    ensure(!logits.requires_grad(), || "they carry a graph".to_owned())
}

pub(super) fn pure(subject: &Subject) -> Finding {
    let (stage, mut method, batch) = subject.scene()?;
    let services = stage.services(1, Recompute::Never);
    let batch = without_labels(&batch);
    let before: Vec<_> = method.state()?.into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
    let together = method.logits(&batch, &services)?;
    let again = method.logits(&batch, &services)?;
    ensure(together == again, || "they differ when computed again".to_owned())?;
    for row in 0..batch.items.len() {
        let alone = method.logits(&rows(&batch, row, 1), &services)?;
        ensure(close(&alone, &together.narrow(0, row as i64, 1), 1e-9), || {
            format!("those of image {row} differ when it is the only one in the batch")
        })?;
    }
    ensure(before == method.state()?, || "evaluating changes the state".to_owned())
}

/// A part of a batch.
fn rows(batch: &Batch, start: usize, len: usize) -> Batch {
    let part = |tensor: &Option<Tensor>| tensor.as_ref().map(|t| t.narrow(0, start as i64, len as i64));
    Batch {
        items: batch.items[start..start + len].to_vec(),
        features: part(&batch.features),
        dense: part(&batch.dense),
        pixels: part(&batch.pixels),
        ..without_labels(batch)
    }
}

pub(super) fn stale_logits(subject: &Subject) -> Finding {
    let (stage, mut method, batch) = subject.scene()?;
    let services = stage.services(1, Recompute::Never);
    let batch = without_labels(&batch);
    let mut parameters = method.parameters()?;
    if parameters.is_empty() {
        return skipped("the method has no parameters");
    }
    let before = method.logits(&batch, &services)?;
    // In place, as an optimiser does: the method may have cached something in the last evaluation.
    for parameter in &mut parameters {
        let tensor = &mut parameter.tensor;
        let moved = &*tensor + tensor.ones_like().cumsum(-1, tensor.kind()) * 0.1;
        no_grad(|| tensor.copy_(&moved));
    }
    let after = method.logits(&batch, &services)?;
    ensure(!close(&before, &after, 1e-9), || "they are still those of the old parameters".to_owned())
}
