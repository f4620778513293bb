//! The learning rate by step: a warm-up, then a cosine, steps, or a constant.

use super::protocol::ResolvedProtocol;
use crate::method::{ScheduleKind, ScheduleUnit, WarmupKind};
use std::f64::consts::PI;

/// `CosineAnnealingLR`.
fn cosine(count: u64, of: u64, base_rate: f64, minimum: f64) -> f64 {
    let progress = count as f64 / of as f64;
    // `libm`, since the platform's cosine may differ in the last digit.
    minimum + 0.5 * (base_rate - minimum) * (1.0 + libm::cos(PI * progress))
}

impl ResolvedProtocol {
    /// The length of the warm-up in steps, where an epoch has `steps_per_epoch`.
    fn warmup_length(&self, steps_per_epoch: u64) -> u64 {
        if self.warmup_steps > 0 { self.warmup_steps } else { self.warmup_epochs.saturating_mul(steps_per_epoch) }
    }

    /// Whether a training on `images` is no longer than its warm-up, so that it never reaches the learning rate.
    pub fn only_warms_up(&self, images: u64) -> bool {
        let warmup = self.warmup_length(self.steps_per_epoch(images));
        warmup > 0 && warmup >= self.total_steps(images)
    }

    /// The learning rate of a zero-based `step`, where an epoch has `steps_per_epoch`.
    ///
    /// The warm-up comes first. Then the schedule's own count starts at zero, although a cosine's length is that of the
    /// whole training, so that its last epochs are never reached (`dassl/optim/lr_scheduler.py`, `WARMUP_RECOUNT`).
    pub fn learning_rate(&self, step: u64, steps_per_epoch: u64) -> f64 {
        let steps_per_epoch = steps_per_epoch.max(1);
        let (count, length) = match self.warmup_steps {
            0 => (step / steps_per_epoch, self.warmup_epochs),
            steps => (step, steps),
        };
        if count < length {
            return match self.warmup {
                WarmupKind::Linear if count > 0 => self.learning_rate * count as f64 / length as f64,
                _ => self.warmup_learning_rate,
            };
        }
        let warmed_up = self.warmup_length(steps_per_epoch);
        let (count, length) = match self.schedule_unit {
            ScheduleUnit::Epoch => ((step - warmed_up) / steps_per_epoch, self.epochs),
            ScheduleUnit::Step => (step - warmed_up, self.steps.unwrap_or(self.epochs * steps_per_epoch)),
        };
        match self.schedule {
            ScheduleKind::Cosine => cosine(count, length, self.learning_rate, self.minimum_learning_rate),
            ScheduleKind::Constant => self.learning_rate,
            ScheduleKind::Step => {
                let reductions = match self.step_size {
                    Some(size) => count / size.max(1),
                    None => self.milestones.iter().filter(|milestone| **milestone <= count).count() as u64,
                };
                self.learning_rate * libm::pow(self.gamma.unwrap_or(1.0), reductions as f64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_may_be_no_longer_than_its_warmup() {
        let of = |epochs, warmup_epochs, warmup_steps| {
            let protocol = ResolvedProtocol { warmup_epochs, warmup_steps, epochs, ..ResolvedProtocol::default() };
            // In batches of 32, with the rest left out.
            protocol.only_warms_up(100)
        };
        assert_eq!([of(1, 1, 0), of(2, 1, 0), of(1, 0, 0)], [true, false, false]);
        assert_eq!([of(2, 0, 6), of(2, 0, 5)], [true, false]);
    }

    #[test]
    fn the_published_schedule_of_fifty_epochs() {
        let protocol = ResolvedProtocol {
            learning_rate: 0.002,
            epochs: 50,
            warmup_epochs: 1,
            warmup_learning_rate: 1e-5,
            ..ResolvedProtocol::default()
        };
        let rate = |epoch| protocol.learning_rate(epoch * 3, 3);
        // As logged by the authors of CoOp, with two more digits.
        assert!((rate(0) - 1e-5).abs() < 1e-15);
        assert!((rate(1) - 0.002).abs() < 1e-15);
        assert!((rate(2) - 0.001_998_026_7).abs() < 1e-9);
        assert!((rate(49) - 7.8853e-6).abs() < 1e-9);
        for step in 0..150 {
            assert_eq!(protocol.learning_rate(step, 3).to_bits(), rate(step / 3).to_bits(), "one rate an epoch");
        }
    }
}
