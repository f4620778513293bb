//! Types of numbers, as libtorch and as safetensors name them.

use crate::{Error, Result};
use safetensors::Dtype;
use tch::Kind;

const KINDS: [(Kind, Dtype); 10] = [
    (Kind::Bool, Dtype::BOOL),
    (Kind::Uint8, Dtype::U8),
    (Kind::Int8, Dtype::I8),
    (Kind::Int16, Dtype::I16),
    (Kind::Int, Dtype::I32),
    (Kind::Int64, Dtype::I64),
    (Kind::BFloat16, Dtype::BF16),
    (Kind::Half, Dtype::F16),
    (Kind::Float, Dtype::F32),
    (Kind::Double, Dtype::F64),
];

/// The type as safetensors names it.
pub(crate) fn dtype_of(kind: Kind) -> Result<Dtype> {
    let found = KINDS.iter().find(|(known, _)| *known == kind);
    found
        .map(|(_, dtype)| *dtype)
        .ok_or_else(|| Error::new(format!("safetensors cannot hold tensors of type {kind:?}")))
}

/// The type as libtorch names it.
pub(crate) fn kind_of(dtype: Dtype) -> Result<Kind> {
    let found = KINDS.iter().find(|(_, known)| *known == dtype);
    found.map(|(kind, _)| *kind).ok_or_else(|| Error::new(format!("libtorch cannot hold tensors of type {dtype}")))
}
