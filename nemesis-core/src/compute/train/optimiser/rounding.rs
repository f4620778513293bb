//! Where `PyTorch`'s kernels round half types: once for each kernel, whatever it computes.

use tch::{Kind, Tensor};

/// `x + factor · y`, rounded once in half precision, as `torch.add` with `alpha` does. A product with a weight decay or
/// a learning rate may be below the normal range of fp16.
pub(super) fn plus(x: &Tensor, y: &Tensor, factor: f64) -> Tensor {
    in_single([x, y], |[x, y]| x + y * factor)
}

/// What is computed from tensors of one kind: half types in single precision, and rounded once.
pub(super) fn in_single<const N: usize>(tensors: [&Tensor; N], compute: impl FnOnce([&Tensor; N]) -> Tensor) -> Tensor {
    match tensors[0].kind() {
        kind @ (Kind::Half | Kind::BFloat16) => {
            let single = tensors.map(|tensor| tensor.to_kind(Kind::Float));
            compute(single.each_ref()).to_kind(kind)
        }
        _ => compute(tensors),
    }
}
