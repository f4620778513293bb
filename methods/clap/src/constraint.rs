//! What holds prototypes near the text features: a distance for each class, and its multiplier.

use nemesis_sdk::learned::load;
use nemesis_sdk::serde::{Deserialize, Serialize};
use nemesis_sdk::tch::{Kind, Tensor, no_grad};
use nemesis_sdk::{OptionValue, Result, State, Task};

/// How prototypes are held near the text features, under the authors' names (`TRAINER.ADAPTER.CONSTRAINT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "nemesis_sdk::serde", rename_all = "kebab-case")]
pub enum Constraint {
    /// Not at all.
    None,
    /// By their squared distance, each class by its own multiplier.
    L2,
    /// The same with the mean multiplier for every class.
    L2Constant,
    /// The same with multipliers scaled to a mean of 1.
    L2Corrected,
    /// The same with multipliers of 1.
    L2Balanced,
    /// The same with multipliers that are updated after every epoch.
    L2Adaptative,
    /// By 1 − cosine, each class by its own multiplier.
    Cosine,
}

impl OptionValue for Constraint {
    fn kind() -> String {
        "`none`, `l2`, `l2-constant`, `l2-corrected`, `l2-balanced`, `l2-adaptative` or `cosine`".to_owned()
    }
}

impl Constraint {
    /// The distance `[classes]` of prototypes from text features, both `[classes, embed_dim]` and not normalised.
    pub(crate) fn distances(self, prototypes: &Tensor, text: &Tensor) -> Result<Tensor> {
        if self == Self::Cosine {
            return Ok(1.0 - Tensor::f_cosine_similarity(prototypes, text, 1, 1e-8)?);
        }
        Ok((prototypes - text).square().f_sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>)?)
    }
}

/// The multipliers λ and the penalties ρ of the augmented Lagrangian, `[classes]` each.
#[derive(Debug)]
pub(crate) struct Multipliers {
    pub(crate) lambda: Tensor,
    rho: Tensor,
}

/// Their names in the authors' code.
const LAMBDA: &str = "alpha_constraint";
const RHO: &str = "penalty_parameter";

impl Multipliers {
    pub(crate) fn zeros(task: &Task) -> Self {
        let zeros = || Tensor::zeros([task.class_names.len() as i64], (task.kind, task.device));
        Self { lambda: zeros(), rho: zeros() }
    }

    /// The multipliers that training starts with, from the initial logits `[images, classes]` of the few-shot images.
    pub(crate) fn of(constraint: Constraint, logits: &Tensor, labels: &Tensor) -> Result<Self> {
        let classes = logits.size()[1];
        if constraint == Constraint::L2Balanced {
            let ones = Tensor::ones([classes], (logits.kind(), logits.device()));
            return Ok(Self { rho: ones.zeros_like(), lambda: ones });
        }
        let of_class = labels.f_one_hot(classes)?.to_kind(logits.kind());
        let sums = (logits.softmax(-1, None::<Kind>) * &of_class).f_sum_dim_intlist(0, false, None::<Kind>)?;
        // A class without images is not held.
        let images = of_class.f_sum_dim_intlist(0, false, None::<Kind>)?.clamp_min(1.0);
        let means = sums / images;
        let lambda = match constraint {
            Constraint::L2Corrected => &means * (classes as f64 / means.sum(None::<Kind>)),
            Constraint::L2Constant => means.mean(None::<Kind>) * means.ones_like(),
            _ => means,
        };
        Ok(Self { rho: lambda.zeros_like(), lambda })
    }

    /// The outer step of the augmented Lagrangian (`outer_step`).
    pub(crate) fn update(&mut self, distances: &Tensor) {
        no_grad(|| {
            self.lambda = (&self.lambda + &self.rho * distances).clamp_min(0.0);
            self.rho = distances.copy();
        });
    }

    pub(crate) fn state(&self) -> State {
        [(LAMBDA, &self.lambda), (RHO, &self.rho)].map(|(name, tensor)| (name.to_owned(), tensor.copy())).into()
    }

    pub(crate) fn load(&self, state: &State) -> Result<()> {
        load(state, LAMBDA, &self.lambda)?;
        load(state, RHO, &self.rho)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::testing::ToyHost;

    fn numbers(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor).unwrap()
    }

    #[test]
    fn multipliers_are_the_mean_probabilities_of_the_true_class() {
        let logits = Tensor::from_slice2(&[[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]]);
        let labels = Tensor::from_slice(&[0i64, 0, 1]);
        let of = |constraint| numbers(&Multipliers::of(constraint, &logits, &labels).unwrap().lambda);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let own = [f64::midpoint(0.5, sigmoid(2.0)), sigmoid(1.0)];
        let mean = f64::midpoint(own[0], own[1]);
        for (constraint, expected) in [
            (Constraint::L2, own),
            (Constraint::Cosine, own),
            (Constraint::L2Constant, [mean; 2]),
            (Constraint::L2Corrected, own.map(|own| own / mean)),
            (Constraint::L2Balanced, [1.0; 2]),
        ] {
            let found = of(constraint);
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{constraint:?} {found:?}");
        }
    }

    #[test]
    fn the_first_update_changes_nothing_and_later_ones_follow_the_penalty() {
        let mut multipliers = Multipliers::zeros(&ToyHost::new(2).task());
        multipliers.lambda = Tensor::from_slice(&[0.5, 0.2]);
        multipliers.update(&Tensor::from_slice(&[3.0, 1.0]));
        assert_eq!(numbers(&multipliers.lambda), [0.5, 0.2]);
        multipliers.update(&Tensor::from_slice(&[2.0, 0.0]));
        assert_eq!((numbers(&multipliers.lambda), numbers(&multipliers.rho)), (vec![6.5, 0.2], vec![2.0, 0.0]));
    }
}
