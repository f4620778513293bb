//! Gradient clipping.

use tch::{Kind, Tensor};

/// Scales gradients so that their 2-norm together is at most `norm`, as `torch.nn.utils.clip_grad_norm_` does.
/// Those that are not defined count as zero.
pub(super) fn clip(gradients: impl Iterator<Item = Tensor>, norm: f64) {
    let mut gradients: Vec<Tensor> = gradients.filter(Tensor::defined).collect();
    let norms: Vec<Tensor> = gradients.iter().map(Tensor::norm).collect();
    let Some(kind) = norms.iter().map(Tensor::kind).max_by_key(|kind| precision(*kind)) else { return };
    let norms: Vec<Tensor> = norms.iter().map(|norm| norm.to_kind(kind)).collect();
    let total = Tensor::stack(&norms, 0).norm();
    let factor = ((total + 1e-6).reciprocal() * norm).clamp_max(1.0);
    for gradient in &mut gradients {
        let _ = gradient.g_mul_(&factor.to_kind(gradient.kind()));
    }
}

/// An order of the kinds of norms, as `torch.stack` promotes them.
fn precision(kind: Kind) -> u8 {
    match kind {
        Kind::Double => 2,
        Kind::Float => 1,
        _ => 0,
    }
}
