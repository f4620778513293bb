//! Checks of the protocol that a method publishes.

use super::subject::{Finding, Stop, Subject};
use crate::Error;
use crate::shots::in_words;
use crate::train::Protocol;
use serde_json::json;

/// The shots of few-shot tables, each of which needs a length.
const SHOTS: [u32; 5] = [1, 2, 4, 8, 16];

/// Names are known where the descriptor is read. What the parts must be depends on others, so they are checked as a plan
/// does it: over the protocol of a run.
pub(super) fn published(subject: &Subject) -> Finding {
    let published = subject.plugin()?.descriptor().protocol.clone();
    let stopped = |error: Error| {
        let what = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Stop::Failed(format!("its protocol cannot be trained with: {what}"))
    };
    let whole = usual()?.patched(&published).map_err(stopped)?;
    for shots in SHOTS {
        let resolved = whole.resolve("mine", shots, 10 * u64::from(shots)).map_err(stopped)?;
        // A warm-up of the whole training never reaches the learning rate.
        let (warmup, length) = match (resolved.warmup_steps, resolved.steps) {
            (0, _) => (resolved.warmup_epochs, Some(resolved.epochs)),
            (steps, length) => (steps, length),
        };
        if let Some(length) = length.filter(|length| warmup >= *length) {
            return Err(Stop::Failed(format!(
                "its protocol never reaches its learning rate: with {} it ends after {length}, and warms up for \
                 {warmup}",
                in_words(shots)
            )));
        }
    }
    Ok(())
}

/// The protocol of CoOp, which most methods say how they differ from.
fn usual() -> Finding<Protocol> {
    let usual = json!({
        "name": "of the run",
        "optimiser": "sgd",
        "learning_rate": 0.002,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "warmup_epochs": 1,
        "warmup_learning_rate": 1e-5,
        "batch_size": 32,
        "epochs": 50,
        "precision": "fp32",
    });
    serde_json::from_value(usual).map_err(|e| Stop::Failed(format!("the kit's own protocol cannot be read: {e}")))
}
