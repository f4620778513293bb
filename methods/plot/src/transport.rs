//! Transport plans by the iteration of Sinkhorn and Knopp, as both codes compute them.

use nemesis_sdk::tch::{Kind, Tensor, no_grad};
use nemesis_sdk::{Error, Result};

/// The iteration's constants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sinkhorn {
    /// Entropic regularisation.
    pub(crate) epsilon: f64,
    /// The largest number of rounds.
    pub(crate) rounds: usize,
    /// Mean absolute change below which the rounds end.
    pub(crate) threshold: f64,
}

impl Sinkhorn {
    /// Similarities `[images, classes]`: cosines `[images, classes, places, prompts]`, weighted with their plan.
    ///
    /// # Errors
    ///
    /// When a plan is not finite.
    pub(crate) fn similarity(self, cosines: &Tensor) -> Result<Tensor> {
        let plan = no_grad(|| self.plan(&cosines.detach()))?;
        Ok((plan * cosines).sum_dim_intlist([-2i64, -1].as_slice(), false, None::<Kind>))
    }

    /// The plan `[…, places, prompts]` between equal weights of places and of prompts.
    ///
    /// The rows' factor is updated first, and the rounds end when its change is small on average over everything.
    pub(crate) fn plan(self, cosines: &Tensor) -> Result<Tensor> {
        let size = cosines.size();
        let &[.., places, prompts] = size.as_slice() else {
            return Err(Error::new(format!("cosines of the shape {size:?} have no places and prompts")));
        };
        let kernel = ((cosines - 1.0) / self.epsilon).exp();
        let transposed = kernel.transpose(-2, -1);
        let leading = &size[..size.len() - 2];
        let ones = |count| Tensor::ones([leading, &[count, 1]].concat(), (cosines.kind(), cosines.device()));
        let (mut rows, mut columns) = (ones(places), ones(prompts));
        for _ in 0..self.rounds {
            let before = rows;
            rows = kernel.f_matmul(&columns)?.reciprocal() / places as f64;
            columns = transposed.f_matmul(&rows)?.reciprocal() / prompts as f64;
            let change = (&rows - before).abs().mean(None::<Kind>);
            if f64::try_from(change.to_kind(Kind::Double))? < self.threshold {
                break;
            }
        }
        let plan = rows * kernel * columns.transpose(-2, -1);
        if bool::try_from(plan.isfinite().all())? {
            return Ok(plan);
        }
        Err(Error::new(
            "a transport plan is not finite: the cosines, or `epsilon`, are too small for this precision; use a larger \
             `epsilon`, or a higher precision",
        ))
    }
}
