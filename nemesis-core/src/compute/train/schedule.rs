//! The learning rate by epoch: constant warm-up around a cosine.

use std::f64::consts::PI;

/// The learning rate of a zero-based `epoch`.
///
/// Constant `warmup_rate` for the first `warmup_epochs`, then cosine annealing over `epochs` whose own count starts at
/// zero when the warm-up ends, so that the last epochs of the cosine are never reached (`dassl/optim/lr_scheduler.py`,
/// `WARMUP_RECOUNT`).
pub fn learning_rate(epoch: u64, base_rate: f64, epochs: u64, warmup_epochs: u64, warmup_rate: f64) -> f64 {
    if epoch < warmup_epochs {
        return warmup_rate;
    }
    let progress = (epoch - warmup_epochs) as f64 / epochs as f64;
    // `libm`, since the platform's cosine may differ in the last digit.
    0.5 * base_rate * (1.0 + libm::cos(PI * progress))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schedule_of_fifty_epochs() {
        let rate = |epoch| learning_rate(epoch, 0.002, 50, 1, 1e-5);
        // As logged by the authors of CoOp, with two more digits.
        assert!((rate(0) - 1e-5).abs() < 1e-15);
        assert!((rate(1) - 0.002).abs() < 1e-15);
        assert!((rate(2) - 0.001_998_026_7).abs() < 1e-9);
        assert!((rate(49) - 7.8853e-6).abs() < 1e-9);
    }
}
