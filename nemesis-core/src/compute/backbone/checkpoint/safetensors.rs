//! Checkpoints in the safetensors format.

use super::Content;
use crate::{Error, Result};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// All tensors of a safetensors file, and what it says beside them.
pub(super) fn read(bytes: &[u8]) -> Result<Content> {
    let unreadable = |e: safetensors::SafeTensorError| {
        Error::new(format!("the checkpoint cannot be read as safetensors: {e}"))
            .expected("a checkpoint of CLIP: safetensors, OpenAI's TorchScript `.pt`, or a state dict of `torch.save`")
            .help("it is cut short, damaged or of another format; download it again")
    };
    let file = SafeTensors::deserialize(bytes).map_err(unreadable)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let kind = kind(view.dtype()).ok_or_else(|| {
            Error::new(format!("the weight `{name}` has the type {:?}", view.dtype()))
                .help("store it as a floating-point type with at least 16 bits")
        })?;
        let shape: Vec<i64> = view.shape().iter().map(|size| *size as i64).collect();
        tensors.insert(name.to_owned(), Tensor::f_from_data_size(view.data(), &shape, kind)?);
    }
    let metadata = header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    Ok(Content { tensors, metadata, ..Content::default() })
}

fn kind(stored: Dtype) -> Option<Kind> {
    Some(match stored {
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::BOOL => Kind::Bool,
        Dtype::U8 => Kind::Uint8,
        Dtype::I8 => Kind::Int8,
        Dtype::I16 => Kind::Int16,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        _ => return None,
    })
}
