//! Whether a method adds the norm loss, and nothing else.

use super::{ToyHost, check_gradients};
use crate::norm::{NormKind, NormLossKind, NormLossOptions, Positions, norm_loss, position_norms};
use crate::omega::Omega;
use crate::{Batch, Error, Method, Result};
use tch::{Kind, Tensor};

/// Checks that a method with a norm loss has the loss of the same method without one plus the weight times the norms of its
/// context, and that gradients are those of that loss. `create` makes the untrained method with these options, and
/// `context` returns its learned vectors `[…, vectors, width]`.
///
/// # Errors
///
/// When they differ, or the loss cannot be computed.
pub fn check_norm_loss<M: Method>(
    create: &dyn Fn(NormLossOptions) -> Result<M>,
    context: &dyn Fn(&M) -> Tensor,
    batch: &Batch,
    host: &ToyHost,
) -> Result<()> {
    const TOLERANCE: f64 = 1e-12;
    let of = |method: &mut M| Ok::<_, Error>(f64::try_from(method.loss(batch, host)?)?);
    let mut plain = create(NormLossOptions::default())?;
    let own = of(&mut plain)?;
    let norms = position_norms(&context(&plain), NormKind::Two);
    let vectors = norms.size().last().copied().unwrap_or_default();
    let pen = NormLossOptions { kind: NormLossKind::Pen, alpha: 3.0, omega: Omega::None, ..NormLossOptions::default() };
    let pan = NormLossOptions { kind: NormLossKind::Pan, ..pen };
    let tried = Positions::Tried(vectors as usize);
    let random = Positions::Random(vectors as usize);
    let everywhere = Tensor::full([vectors], 3.0, (Kind::Double, norms.device()));
    for (options, name) in [
        (pen, "pen"),
        (NormLossOptions { positions: tried, ..pan }, "pan"),
        (NormLossOptions { positions: random, ..pan }, "pan at random positions"),
    ] {
        host.take_reports();
        let difference = of(&mut create(options)?)? - own;
        let aware = host.take_reports().into_iter().find(|(name, _)| name == "alpha").map(|(_, alpha)| alpha);
        let wanted = f64::try_from(norm_loss(aware.as_ref().unwrap_or(&everywhere), &norms)?)?;
        if (difference - wanted).abs() > TOLERANCE * own.abs().max(1.0) {
            return Err(Error::new(format!("{name} adds {difference} to the loss, and its norms come to {wanted}")));
        }
        if aware.is_some() != (options.kind == NormLossKind::Pan) {
            return Err(Error::new(format!("{name} reports the wrong coefficients")));
        }
    }
    check_gradients(&mut create(pen)?, batch, host)?;
    // A mix, so that no gradient depends on whether a corruption helps.
    check_gradients(&mut create(NormLossOptions { beta: 0.5, ..pan })?, batch, host)
}
