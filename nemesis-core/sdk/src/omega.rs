//! The weight of the norm loss by epoch.

use crate::OptionValue;
use serde::{Deserialize, Serialize};

/// How the weight ω of the norm loss changes during training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Omega {
    /// From one to zero along a logistic curve, the authors' default.
    #[default]
    Logistic,
    /// One throughout, which the authors hard-code for Food101 and OxfordPets.
    None,
}

impl Omega {
    /// The weight in a zero-based `epoch` of `epochs`: `1 - 1/(1 + exp(-k(e - E/2)))` with `k = 0.2` for the logistic
    /// curve (`omega_schedule` in the authors' `trainers/coop_nemesis.py`).
    pub fn weight(self, epoch: u64, epochs: u64) -> f64 {
        match self {
            // `libm`, because the platform's exponential may differ in the last digit.
            Self::Logistic => 1.0 - 1.0 / (1.0 + libm::exp(-0.2 * (epoch as f64 - 0.5 * epochs as f64))),
            Self::None => 1.0,
        }
    }
}

impl OptionValue for Omega {
    fn kind() -> String {
        "`logistic` or `none`".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_of_fifty_epochs() {
        for (epoch, weight) in [(0, 0.99331), (12, 0.93086), (25, 0.5), (37, 0.08317), (49, 0.00816)] {
            assert!((Omega::Logistic.weight(epoch, 50) - weight).abs() < 1e-5, "epoch {epoch}");
        }
        assert!((0..50).all(|epoch| (Omega::None.weight(epoch, 50) - 1.0).abs() < f64::EPSILON));
    }
}
