//! Norms of context vectors, and the normalisation loss that Nemesis is named after.
//!
//! A method with context vectors takes the loss as an option: it declares its options with
//! [`with_norm_loss!`](crate::with_norm_loss), makes a [`NormLoss`] of them, and adds what that gives to
//! its own loss. `coop` shows how.

mod composed;
mod options;
mod positions;

pub use composed::NormLoss;
pub use options::{NormLossKind, NormLossOptions};
pub use positions::Positions;

use crate::{Error, Host, OptionValue, Result};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, no_grad};

/// Which norm of a context vector to use (`NT` in the authors' code).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormKind {
    /// The sum of absolute values.
    One,
    /// The Euclidean norm, the authors' default.
    #[default]
    Two,
    /// The largest absolute value.
    Inf,
}

impl NormKind {
    fn order(self) -> f64 {
        match self {
            Self::One => 1.0,
            Self::Two => 2.0,
            Self::Inf => f64::INFINITY,
        }
    }
}

impl OptionValue for NormKind {
    fn kind() -> String {
        "`one`, `two` or `inf`".to_owned()
    }
}

/// The norm of each context vector: `[vectors]` of a context `[vectors, width]`, `[classes, vectors]` of
/// class-specific ones `[classes, vectors, width]`. The derivative at a vector of zeros is zero.
pub fn position_norms(context: &Tensor, kind: NormKind) -> Tensor {
    context.norm_scalaropt_dim(kind.order(), [-1i64].as_slice(), false)
}

/// The norm loss, a scalar: `(Σ aᵢ‖vᵢ‖) / max(1, number of aᵢ ≠ 0)`, from the coefficients `alpha` `[vectors]` and the
/// [norms](position_norms) `[vectors]` or `[classes, vectors]`.
///
/// This is `normalize` of the authors' `trainers/coop_nemesis.py`: with all `aᵢ` equal the loss of position-uniform
/// normalisation (the paper's PUN, named PEN when it was submitted), with some of them zero that of position-aware
/// normalisation (PAN). Class-specific contexts are summed over classes yet divided by the number of positions, as
/// there, so that the loss grows with the number of classes.
///
/// # Errors
///
/// When the number of coefficients differs from the number of vectors.
pub fn norm_loss(alpha: &Tensor, norms: &Tensor) -> Result<Tensor> {
    if alpha.size().last() != norms.size().last() {
        let (alpha, norms) = (alpha.size(), norms.size());
        return Err(Error::new(format!("coefficients of shape {alpha:?} do not fit norms of shape {norms:?}")));
    }
    let count = alpha.ne(0.0).sum(Kind::Int64).clamp_min(1);
    Ok((alpha * norms).sum(None::<Kind>) / count)
}

/// Reports the 2-norm of a context's vectors, averaged over positions (and classes), as `context_norm`.
pub fn report_context_norm(context: &Tensor, host: &dyn Host) {
    host.report("context_norm", &no_grad(|| position_norms(context, NormKind::Two).mean(None::<Kind>)));
}

/// Checks the value of an option that weights a loss, and returns it.
///
/// # Errors
///
/// When it is negative or not a finite number; the message names the option.
pub fn at_least_zero(option: &str, value: f64) -> Result<f64> {
    if value >= 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(Error::option(option, format_args!("{value} is not a number of at least 0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.flatten(0, -1)).unwrap()
    }

    #[test]
    fn norms_of_each_kind() {
        let context = Tensor::from_slice(&[3.0, -4.0, 0.0, 0.0]).view([2, 2]);
        let norms = |kind| numbers(&position_norms(&context, kind));
        assert_eq!(norms(NormKind::One), [7.0, 0.0]);
        assert_eq!(norms(NormKind::Two), [5.0, 0.0]);
        assert_eq!(norms(NormKind::Inf), [4.0, 0.0]);
    }

    #[test]
    fn the_loss_is_a_mean_over_the_chosen_positions() {
        let norms = Tensor::from_slice(&[1.0, 2.0, 6.0]);
        let loss = |alpha: [f64; 3]| f64::try_from(norm_loss(&Tensor::from_slice(&alpha), &norms).unwrap()).unwrap();
        let losses = Vec::from([[2.0, 2.0, 2.0], [0.0, 0.0, 10.0], [0.0, 0.0, 0.0]].map(loss));
        assert_eq!(losses, [6.0, 60.0, 0.0]);
    }

    #[test]
    fn class_specific_losses_add_up_over_classes() {
        let norms = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0]).view([2, 2]);
        let loss = norm_loss(&Tensor::from_slice(&[1.0, 1.0]), &norms).unwrap();
        assert_eq!(numbers(&loss), [5.0]);
    }

    #[test]
    fn the_gradient_at_zero_is_zero() {
        let context = Tensor::zeros([2, 3], (Kind::Double, tch::Device::Cpu)).set_requires_grad(true);
        for kind in [NormKind::One, NormKind::Two, NormKind::Inf] {
            norm_loss(&Tensor::from_slice(&[1.0, 1.0]), &position_norms(&context, kind)).unwrap().backward();
            assert_eq!(numbers(&context.grad()), [0.0; 6], "{kind:?}");
        }
    }
}
