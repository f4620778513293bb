//! Half types: which weights they leave in single precision, and what a processor computes their products in.

use tch::{Device, Kind};

/// Whether a type has 16 bits.
pub(super) fn is_half(kind: Kind) -> bool {
    matches!(kind, Kind::Half | Kind::BFloat16)
}

/// The type that products of numbers of type `kind` are computed in, whose results are then rounded to `kind`.
///
/// Half products are summed up in single precision everywhere. libtorch's fp16 kernels for processors, however, are
/// 5 to 50 times slower than those for single precision, so there fp16 is computed as what it is: operands and results
/// that are rounded.
pub(super) fn computed_in(kind: Kind, device: Device) -> Kind {
    if kind == Kind::Half && device == Device::Cpu { Kind::Float } else { kind }
}

/// Whether half types leave a weight in single precision: normalisations, embeddings and the logit scale, which
/// `convert_weights` in `clip/model.py` of openai/CLIP does not convert.
pub(super) fn stays_single(name: &str) -> bool {
    let normalises = |part: &str| part.starts_with("ln_") || part.starts_with("bn");
    name == "logit_scale"
        || name.contains("embedding")
        || name.contains("downsample.1.")
        || name.split('.').any(normalises)
}
