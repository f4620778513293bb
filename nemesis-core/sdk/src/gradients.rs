//! Gradients that a method computes itself, for [`Method::compute_gradients`](crate::Method::compute_gradients).
//!
//! For a single loss, [`Host::backward`](crate::Host::backward) puts its gradient into the `grad` of every parameter,
//! and nothing here is needed. To combine gradients of several losses, [`Host::gradients`](crate::Host::gradients)
//! returns those of each loss without touching any `grad`, and [`fill`] puts the combined gradient where the host's
//! optimiser looks:
//!
//! ```
//! use nemesis_sdk::{Batch, Error, Host, Result, gradients};
//! use nemesis_sdk::prompt::{PromptLearner, PromptOptions, cross_entropy};
//! use nemesis_sdk::tch::{Kind, Tensor};
//!
//! /// The cross-entropy's gradient without the part that conflicts with the other loss: the rule of ProGrad (Zhu et
//! /// al., "Prompt-aligned Gradient for Prompt Tuning", ICCV 2023).
//! fn compute_gradients(prompt: &PromptLearner, batch: &Batch, host: &dyn Host) -> Result<Option<Tensor>> {
//!     let logits = prompt.logits(batch.features()?, host)?;
//!     let cross_entropy = cross_entropy(&logits, &batch.labels, host)?;
//!     let general = logits.square().mean(None::<Kind>);
//!     let inputs = [prompt.context()];
//!     let mut own = host.gradients(&cross_entropy, &inputs)?.remove(0);
//!     let known = host.gradients(&general, &inputs)?.remove(0);
//!     let along = (&own * &known).sum(None::<Kind>);
//!     if f64::try_from(&along)? < 0.0 {
//!         own -= &known * (along / known.square().sum(None::<Kind>));
//!     }
//!     gradients::fill(&inputs, &[own])?;
//!     Ok(Some(cross_entropy))
//! }
//! # use nemesis_sdk::{ClassPosition, testing::ToyHost};
//! # let host = ToyHost::new(4);
//! # let options = PromptOptions { n_ctx: 3, ctx_init: String::new(), csc: false, class_position: ClassPosition::End };
//! # let prompt = PromptLearner::new(&host.task(), &options, &host)?;
//! # compute_gradients(&prompt, &host.batch(8, 0), &host)?;
//! # assert!(prompt.context().grad().defined());
//! # Ok::<(), Error>(())
//! ```

use crate::{Error, Result};
use tch::{Kind, Tensor, with_grad};

/// Puts `gradients` into the `grad` of `parameters`, which must be leaves that require a gradient. It replaces whatever
/// was there, and is exact to the bit.
///
/// `tch` can read a `grad` but not set it, so this differentiates a product whose gradient is the wanted one.
///
/// # Errors
///
/// When there is not one gradient of the parameter's shape for each parameter, or a parameter is not a leaf that
/// requires a gradient.
pub fn fill(parameters: &[&Tensor], gradients: &[Tensor]) -> Result<()> {
    let (wanted, found) = (parameters.len(), gradients.len());
    if wanted != found {
        return Err(Error::new(format!("{found} gradients were given for {wanted} parameters")));
    }
    for (at, (parameter, gradient)) in parameters.iter().zip(gradients).enumerate() {
        if !gradient.defined() || gradient.size() != parameter.size() {
            let found = if gradient.defined() {
                format!("has the shape {:?}", gradient.size())
            } else {
                "is missing".to_owned()
            };
            let wanted = parameter.size();
            return Err(Error::new(format!("gradient {at} {found}, but its parameter has the shape {wanted:?}")));
        }
        if !parameter.is_leaf() || !parameter.requires_grad() {
            return Err(Error::new(format!("parameter {at} is not a leaf that requires a gradient")));
        }
        let (mut own, gradient) = ((*parameter).shallow_clone(), gradient.detach().to_kind(parameter.kind()));
        own.zero_grad();
        with_grad(|| (*parameter * gradient).sum(None::<Kind>).f_backward())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn leaf(kind: Kind) -> Tensor {
        Tensor::from_slice(&[1.5, -2.0, 0.25]).to_kind(kind).set_requires_grad(true)
    }

    #[test]
    fn what_is_filled_stands_there_bit_by_bit_whatever_was_there_before() {
        for kind in [Kind::Double, Kind::Float, Kind::Half, Kind::BFloat16] {
            let parameter = leaf(kind);
            // The sum of the products overflows in half precision, which must not matter.
            for gradient in [[60000.0, 0.1, -3.0], [1e-7, -60000.0, 0.0]] {
                let gradient = Tensor::from_slice(&gradient).to_kind(kind);
                tch::no_grad(|| fill(&[&parameter], &[gradient.shallow_clone()])).unwrap();
                assert_eq!(parameter.grad(), gradient, "{kind:?}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let parameter = leaf(Kind::Double);
        let short = Tensor::zeros([2], (Kind::Double, Device::Cpu));
        for (parameters, gradients, message) in [
            ([&parameter], vec![], "0 gradients were given for 1 parameters"),
            ([&parameter], vec![short], "gradient 0 has the shape [2], but its parameter has the shape [3]"),
            ([&parameter], vec![Tensor::new()], "gradient 0 is missing, but its parameter has the shape [3]"),
            ([&parameter.detach()], vec![parameter.detach()], "parameter 0 is not a leaf that requires a gradient"),
        ] {
            assert_eq!(fill(&parameters, &gradients).unwrap_err().to_string(), message);
        }
    }
}
