//! `schedule.json`: the learning rate of every epoch.

use super::check::{Check, largest, number_error};
use super::fixtures::Fixtures;
use nemesis_core::Result;
use nemesis_core::train::ResolvedProtocol;
use serde::Deserialize;

/// Relative, and all that double precision is asked for.
pub(super) const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Case {
    epochs: u64,
    base_lr: f64,
    warmup_epochs: u64,
    warmup_lr: f64,
    lr: Vec<f64>,
}

pub(super) fn checks(fixtures: &Fixtures) -> Result<Vec<Check>> {
    let cases: Vec<Case> = fixtures.json("schedule.json")?;
    let check = |case: &Case| {
        let Case { epochs, base_lr, warmup_epochs, warmup_lr, lr } = case;
        let protocol = ResolvedProtocol {
            learning_rate: *base_lr,
            epochs: *epochs,
            warmup_epochs: *warmup_epochs,
            warmup_learning_rate: *warmup_lr,
            ..ResolvedProtocol::default()
        };
        let rate = |epoch| protocol.learning_rate(epoch, 1);
        let error = largest(lr.iter().zip(0..).map(|(golden, epoch)| number_error(rate(epoch), *golden)));
        Check::relative(format!("schedule, {epochs} epochs, {warmup_epochs} of warm-up"), Ok(error), TOLERANCE)
    };
    Ok(cases.iter().map(check).collect())
}
