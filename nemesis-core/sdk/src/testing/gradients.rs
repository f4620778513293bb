//! Whether gradients are those of the loss.

use crate::random::{draws, normals};
use crate::{Batch, Error, Host, Method, Result};
use tch::{Kind, Tensor, no_grad, with_grad};

/// Compares the gradient of a method's loss in each parameter with differences of the loss along two random directions,
/// in double precision. At the start a gradient may be zero, for instance that of a factor of zero.
///
/// # Errors
///
/// When they differ, which names the parameter, or when the loss cannot be computed.
pub fn check_gradients(method: &mut dyn Method, batch: &Batch, host: &dyn Host) -> Result<()> {
    const STEP: f64 = 1e-5;
    const TOLERANCE: f64 = 1e-6;
    let parameters = method.parameters()?;
    let inputs: Vec<&Tensor> = parameters.iter().map(|parameter| &parameter.tensor).collect();
    let gradients = with_grad(|| host.gradients(&method.loss(batch, host)?, &inputs))?;
    for (parameter, gradient) in parameters.iter().zip(gradients) {
        let (mut tensor, start) = (parameter.tensor.detach(), parameter.tensor.detach().copy());
        for index in 0..2 {
            let numbers = normals(start.numel(), |bits| draws(1, "direction", index, bits));
            let direction = Tensor::from_slice(&numbers).view(start.size().as_slice());
            let direction = &direction / direction.norm();
            let mut at = |distance: f64| -> Result<f64> {
                tensor.copy_(&(&start + &direction * distance));
                Ok(f64::try_from(no_grad(|| method.loss(batch, host))?)?)
            };
            let numeric = (at(STEP)? - at(-STEP)?) / (2.0 * STEP);
            tensor.copy_(&start);
            let exact = f64::try_from((&gradient * direction).sum(Kind::Double))?;
            if (numeric - exact).abs() > TOLERANCE * exact.abs().max(1.0) {
                let name = &parameter.name;
                return Err(Error::new(format!(
                    "along a direction of `{name}` the loss changes by {numeric}, but its gradient says {exact}"
                )));
            }
        }
    }
    Ok(())
}
