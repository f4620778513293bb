//! Learned states as safetensors, the same bytes for the same tensors.

use crate::dtype::{dtype_of, kind_of};
use crate::method::State;
use crate::{Error, Result};
use safetensors::tensor::TensorView;
use safetensors::{SafeTensors, serialize};
use std::collections::HashMap;
use tch::{Device, Tensor};

/// The key beside the tensors of a safetensors file that is none.
const METADATA: &str = "__metadata__";

/// Named tensors as a safetensors file, with metadata if there are any. Tensors are sorted by type and name, so that equal states have equal bytes.
///
/// # Errors
///
/// When a tensor has a type that safetensors cannot hold, or two tensors share a name.
pub fn to_safetensors(state: &State, metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let mut parts = Vec::with_capacity(state.len());
    for (name, tensor) in state {
        if parts.iter().any(|(other, ..): &(&String, _, _, _)| *other == name) {
            return Err(Error::new(format!("two tensors are named `{name}`")));
        }
        if name == METADATA {
            return Err(Error::new(format!("a tensor is named `{name}`, which safetensors has for itself")));
        }
        if !tensor.defined() {
            return Err(Error::new(format!("the tensor `{name}` is undefined")));
        }
        let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
        let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
        let shape: Vec<usize> = tensor.size().iter().map(|n| *n as usize).collect();
        parts.push((name, dtype_of(tensor.kind())?, shape, bytes));
    }
    let unwritable = |e: safetensors::SafeTensorError| Error::new(format!("cannot write tensors: {e}"));
    let views = parts
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unwritable)?;
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    serialize(views, (!metadata.is_empty()).then_some(metadata)).map_err(unwritable)
}

/// The state that [`to_safetensors`] wrote, on the CPU, sorted by name.
///
/// # Errors
///
/// When the bytes are no safetensors file, or hold a type that libtorch lacks.
pub fn from_safetensors(bytes: &[u8]) -> Result<State> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| Error::new(format!("no safetensors file: {e}")))?;
    let mut state = State::new();
    for (name, view) in file.iter() {
        let shape: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
        state.push((name.to_owned(), Tensor::f_from_data_size(view.data(), &shape, kind_of(view.dtype())?)?));
    }
    state.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(state)
}

/// A value of the metadata that [`to_safetensors`] wrote.
///
/// # Errors
///
/// When the bytes are no safetensors file.
pub(super) fn metadata(bytes: &[u8], key: &str) -> Result<Option<String>> {
    let (_, file) = SafeTensors::read_metadata(bytes).map_err(|e| Error::new(format!("no safetensors file: {e}")))?;
    Ok(file.metadata().as_ref().and_then(|values| values.get(key).cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn a_state_survives_whatever_its_type_and_layout() {
        let context = Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]).set_requires_grad(true);
        let state: State = vec![
            ("context".into(), context.transpose(0, 1)),
            ("count".into(), Tensor::from(7_i64)),
            ("half".into(), context.detach().to_kind(Kind::Half)),
        ];
        let read = from_safetensors(&to_safetensors(&state, &[]).unwrap()).unwrap();
        assert_eq!(read.len(), 3);
        for ((name, tensor), (read_name, read_tensor)) in state.iter().zip(&read) {
            assert_eq!(name, read_name);
            assert_eq!(tensor, read_tensor);
            assert_eq!((tensor.kind(), tensor.size()), (read_tensor.kind(), read_tensor.size()));
        }
    }

    #[test]
    fn the_order_of_tensors_does_not_change_the_bytes() {
        let tensors = |names: [&str; 2]| names.map(|n| (n.to_owned(), Tensor::from(n.len() as i64))).into();
        assert_eq!(
            to_safetensors(&tensors(["a", "bb"]), &[]).unwrap(),
            to_safetensors(&tensors(["bb", "a"]), &[]).unwrap()
        );
        assert!(to_safetensors(&tensors(["a", "a"]), &[]).is_err());
        assert!(from_safetensors(b"no").is_err());
    }
}
