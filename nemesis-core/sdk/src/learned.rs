//! What a method learns: tensors that are trained, and their way into a state and back.

use crate::{Error, Result, State, Task};
use tch::{Tensor, no_grad};

/// A tensor that is trained, of the task's type and on its device, with these values.
pub fn leaf(values: &Tensor, task: &Task) -> Tensor {
    values.detach().to_device(task.device).to_kind(task.kind).copy().set_requires_grad(true)
}

/// The tensor of this name in a state.
///
/// # Errors
///
/// When there is none.
pub fn find<'a>(state: &'a State, name: &str) -> Result<&'a Tensor> {
    let found = state.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor);
    found.ok_or_else(|| Error::new(format!("the state lacks the tensor `{name}`")))
}

/// The tensor of this name in a state, which has the shape of a method's own.
///
/// # Errors
///
/// When there is none, or it has a different shape.
pub(crate) fn fitting<'a>(state: &'a State, name: &str, own: &Tensor) -> Result<&'a Tensor> {
    let stored = find(state, name)?;
    if stored.size() == own.size() {
        return Ok(stored);
    }
    let (stored, own) = (stored.size(), own.size());
    Err(Error::new(format!("the stored `{name}` has the shape {stored:?}, but the method's has {own:?}")))
}

/// Copies the tensor of this name in a state into a method's own, which stays the same leaf.
///
/// # Errors
///
/// When there is none, or it has a different shape.
pub fn load(state: &State, name: &str, own: &Tensor) -> Result<()> {
    let stored = fitting(state, name, own)?;
    no_grad(|| own.shallow_clone().copy_(stored));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ToyHost;

    #[test]
    fn a_state_is_loaded_in_place_or_refused() {
        let own = leaf(&Tensor::from_slice(&[1.0, 2.0]), &ToyHost::new(2).task());
        let state = |values: &[f64]| vec![("bias".to_owned(), Tensor::from_slice(values))];
        load(&state(&[3.0, 4.0]), "bias", &own).unwrap();
        assert_eq!(Vec::<f64>::try_from(&own).unwrap(), [3.0, 4.0]);
        assert!(own.is_leaf() && own.requires_grad());
        let message = |state: &State| load(state, "bias", &own).unwrap_err().to_string();
        assert_eq!(message(&state(&[1.0])), "the stored `bias` has the shape [1], but the method's has [2]");
        assert_eq!(message(&Vec::new()), "the state lacks the tensor `bias`");
    }
}
