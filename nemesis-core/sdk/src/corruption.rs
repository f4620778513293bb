//! Corrupting a context at one position: RESCALE and REPLACE. The paper uses them to show the Low-Norm Effect, and
//! position-aware normalisation uses RESCALE to choose its positions.

use crate::{Error, Result};
use tch::{Kind, Tensor};

/// One copy of the context for each of `positions`, with only that vector multiplied by `factor`: `[copies,
/// vectors, width]` of a context `[vectors, width]`, `[copies, classes, vectors, width]` of class-specific ones, and so
/// on: whatever comes before the vectors, they are rescaled together.
///
/// This is RESCALE (`trainers/coop_crt.py`), and what `inference_batch` in `trainers/coop_nemesis.py` tries out.
///
/// # Errors
///
/// When a position is beyond the context.
pub fn rescaled_copies(context: &Tensor, positions: &[usize], factor: f64) -> Result<Tensor> {
    let chosen = chosen(context, positions)?;
    let scales = chosen.ones_like().to_kind(context.kind()).masked_fill(&chosen, factor);
    // `[copies, 1, vectors, 1]` for class-specific contexts.
    let scales = (2..context.dim()).fold(scales, |scales, _| scales.unsqueeze(1));
    Ok(context.unsqueeze(0) * scales)
}

/// The context with the vector at `position` replaced by `vector` `[width]`, in every class: REPLACE
/// (`trainers/coop_crt.py`, which draws the vector from a normal distribution).
///
/// # Errors
///
/// When the position is beyond the context, or the vector has a different width.
pub fn replaced(context: &Tensor, position: usize, vector: &Tensor) -> Result<Tensor> {
    let chosen = chosen(context, &[position])?.squeeze_dim(0);
    Ok(vector.f_where_self(&chosen, context)?)
}

/// Whether a vector is the chosen one of its copy: `[copies, vectors, 1]`.
fn chosen(context: &Tensor, positions: &[usize]) -> Result<Tensor> {
    let size = context.size();
    let &[.., vectors, _] = size.as_slice() else {
        return Err(Error::new(format!("a context of shape {size:?} has no positions")));
    };
    if let Some(position) = positions.iter().find(|position| **position as i64 >= vectors) {
        return Err(Error::new(format!("there is no position {position} in a context of {vectors} vectors")));
    }
    let positions: Vec<i64> = positions.iter().map(|position| *position as i64).collect();
    let index = Tensor::from_slice(&positions).to_device(context.device());
    Ok(index.one_hot(vectors).to_kind(Kind::Bool).unsqueeze(-1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.flatten(0, -1)).unwrap()
    }

    #[test]
    fn each_copy_differs_at_its_own_position() {
        let context = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0]).view([2, 2]);
        let copies = rescaled_copies(&context, &[1, 0], 0.5).unwrap();
        assert_eq!(copies.size(), [2, 2, 2]);
        assert_eq!(numbers(&copies), [1.0, 2.0, 1.5, 2.0, 0.5, 1.0, 3.0, 4.0]);
    }

    #[test]
    fn class_specific_contexts_are_rescaled_in_every_class() {
        let context = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0]).view([2, 2, 1]);
        let copies = rescaled_copies(&context, &[0], 10.0).unwrap();
        assert_eq!(copies.size(), [1, 2, 2, 1]);
        assert_eq!(numbers(&copies), [10.0, 2.0, 30.0, 4.0]);
    }

    #[test]
    fn class_specific_contexts_of_several_prompts_are_rescaled_in_all_of_them() {
        let context = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0]).view([1, 2, 2, 1]);
        let copies = rescaled_copies(&context, &[1], 10.0).unwrap();
        assert_eq!(copies.size(), [1, 1, 2, 2, 1]);
        assert_eq!(numbers(&copies), [1.0, 20.0, 3.0, 40.0]);
    }

    #[test]
    fn replacing_puts_the_vector_there_alone() {
        let context = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0]).view([2, 2]);
        let replaced = replaced(&context, 0, &Tensor::from_slice(&[8.0, 9.0])).unwrap();
        assert_eq!(numbers(&replaced), [8.0, 9.0, 3.0, 4.0]);
    }

    #[test]
    fn a_position_beyond_the_context_is_an_error() {
        let context = Tensor::from_slice(&[1.0, 2.0]).view([2, 1]);
        let error = rescaled_copies(&context, &[0, 2], 0.5).unwrap_err();
        assert_eq!(error.to_string(), "there is no position 2 in a context of 2 vectors");
    }
}
