//! The context vectors in a learned state: their norms, and corrupting one of them before an evaluation.

use crate::method::prompt::CONTEXT;
use crate::method::{State, corruption, random};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::{Kind, Tensor};

/// How a corruption changes a context vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CorruptionKind {
    /// The vector becomes Gaussian noise; the value is its standard deviation.
    Replace,
    /// The vector is multiplied by the value.
    Rescale,
}

impl fmt::Display for CorruptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replace => "replace",
            Self::Rescale => "rescale",
        })
    }
}

/// One context vector corrupted before the evaluation (the paper's REPLACE and RESCALE).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corruption {
    /// What happens to the vector.
    pub kind: CorruptionKind,
    /// Which vector, counted from zero.
    pub position: u32,
    /// Standard deviation or factor.
    pub value: f64,
}

/// Corrupts one context vector of a learned state, in every class alike: REPLACE and RESCALE of
/// `trainers/coop_crt.py`.
///
/// The noise of REPLACE depends only on the training's seed and the position, so that the grid's values scale the same
/// vector. The authors draw from a global generator.
///
/// # Errors
///
/// When the state holds no context vectors, or none at this position.
pub fn corrupt(state: &mut State, corruption: &Corruption, seed: u64) -> Result<()> {
    let Some((_, context)) = state.iter_mut().find(|(name, _)| name == CONTEXT) else {
        let names: Vec<&str> = state.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Error::new("what the method learned has no context vectors to corrupt")
            .expected(format!("a tensor `{CONTEXT}`; its tensors are: {}", names.join(", "))));
    };
    let position = corruption.position as usize;
    *context = match corruption.kind {
        CorruptionKind::Rescale => corruption::rescaled_copies(context, &[position], corruption.value)?.get(0),
        CorruptionKind::Replace => {
            let width = context.size().last().copied().unwrap_or_default() as usize;
            let noise = random::normals(width, |n| random::draws(seed, "replace", position as u64, n));
            let noise = Tensor::from_slice(&noise).to_device(context.device()).to_kind(context.kind());
            corruption::replaced(context, position, &(noise * corruption.value))?
        }
    };
    Ok(())
}

/// The 2-norm of each context vector of a learned state, averaged over the classes of class-specific contexts
/// (`calculate_norm` in `trainers/coop_nemesis.py`); empty if the state holds none.
///
/// # Errors
///
/// When libtorch fails.
pub fn context_norms(state: &State) -> Result<Vec<f64>> {
    let Some((_, context)) = state.iter().find(|(name, _)| name == CONTEXT) else { return Ok(Vec::new()) };
    let vectors = context.size().iter().rev().nth(1).copied().unwrap_or(1);
    let norms = context.to_kind(Kind::Double).f_norm_scalaropt_dim(2.0, [-1i64].as_slice(), false)?;
    Ok(Vec::try_from(norms.f_view([-1, vectors])?.f_mean_dim([0i64].as_slice(), false, Kind::Double)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        vec![("ctx".to_owned(), Tensor::from_slice(&[3.0, 4.0, 6.0, 8.0]).view([2, 2]))]
    }

    fn corrupted(kind: CorruptionKind, position: u32, value: f64, seed: u64) -> Result<State> {
        let mut state = state();
        corrupt(&mut state, &Corruption { kind, position, value }, seed).map(|()| state)
    }

    #[test]
    fn rescaling_scales_one_norm() {
        assert_eq!(context_norms(&state()).unwrap(), [5.0, 10.0]);
        let rescaled = corrupted(CorruptionKind::Rescale, 1, 0.1, 1).unwrap();
        assert_eq!(context_norms(&rescaled).unwrap(), [5.0, 1.0]);
    }

    #[test]
    fn replacing_draws_one_vector_for_a_seed_and_scales_it() {
        let norm = |value, seed| context_norms(&corrupted(CorruptionKind::Replace, 0, value, seed).unwrap()).unwrap();
        assert_eq!(norm(0.0, 1), [0.0, 10.0]);
        assert!((norm(0.2, 1)[0] - 2.0 * norm(0.1, 1)[0]).abs() < 1e-12);
        assert_ne!(norm(0.1, 1), norm(0.1, 2));
    }

    #[test]
    fn class_specific_norms_are_averaged_over_classes() {
        let context = Tensor::from_slice(&[3.0, 4.0, 0.0, 1.0]).view([2, 1, 2]);
        assert_eq!(context_norms(&vec![("ctx".to_owned(), context)]).unwrap(), [3.0]);
    }

    #[test]
    fn what_has_no_context_cannot_be_corrupted() {
        let corruption = Corruption { kind: CorruptionKind::Rescale, position: 2, value: 0.1 };
        let mut other: State = vec![("adapter".to_owned(), Tensor::from(1.0))];
        insta::assert_snapshot!(corrupt(&mut other, &corruption, 1).unwrap_err(), @r"
        what the method learned has no context vectors to corrupt
          expected: a tensor `ctx`; its tensors are: adapter
        ");
        let error = corrupted(CorruptionKind::Rescale, 2, 0.1, 1).unwrap_err();
        insta::assert_snapshot!(error, @"there is no position 2 in a context of 2 vectors");
        assert!(context_norms(&other).unwrap().is_empty());
    }
}
