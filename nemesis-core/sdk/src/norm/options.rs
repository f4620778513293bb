//! The options of a norm loss.

use super::{NormKind, Positions};
use crate::OptionValue;
use crate::omega::Omega;
use serde::{Deserialize, Serialize};

/// Which norm loss is added to a method's own loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormLossKind {
    /// None.
    #[default]
    None,
    /// Position-uniform normalisation: of all context vectors (the paper's PUN, `BETA` 1 in the authors' code).
    Pen,
    /// Position-aware normalisation: of those whose corruption helps (`BETA` 0), or a mix of both (`BETA` between).
    Pan,
}

impl OptionValue for NormLossKind {
    fn kind() -> String {
        "`none`, `pen` or `pan`".to_owned()
    }
}

/// The options of a [`NormLoss`](super::NormLoss).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormLossOptions {
    /// Which loss it is.
    pub kind: NormLossKind,
    /// Its weight (`A` in the authors' code).
    pub alpha: f64,
    /// The weight of the position-aware loss, or `alpha` if none (50 for Food101 and `OxfordPets` in the authors' code).
    pub alpha_pan: Option<f64>,
    /// The share of the position-uniform loss in a mix with the position-aware one (`BETA`).
    pub beta: f64,
    /// The factor that corrupts a context vector (`CW`).
    pub tau: f64,
    /// The positions that get the position-aware loss (`NP`).
    pub positions: Positions,
    /// Which norm of a vector is used (`NT`).
    pub norm: NormKind,
    /// How the weight changes by epoch.
    pub omega: Omega,
}

impl Default for NormLossOptions {
    fn default() -> Self {
        Self {
            kind: NormLossKind::None,
            alpha: 1.0,
            alpha_pan: None,
            beta: 0.0,
            tau: 0.5,
            positions: Positions::Tried(1),
            norm: NormKind::Two,
            omega: Omega::Logistic,
        }
    }
}

/// Options of a method that takes a norm loss: `norm_loss`, `alpha`, `alpha_pan`, `beta`, `tau`, `positions`, `norm` and
/// `omega` come after its own. It begins with the macro that declares the others, [`options`](crate::options) or
/// [`prompt_options`](crate::prompt_options):
///
/// ```no_run
/// nemesis_sdk::with_norm_loss! {
///     prompt_options;
///     /// The options of a method.
///     pub struct Options {
///         /// Weight of the regulariser.
///         pub weight: f64 = 1.0,
///     }
/// }
///
/// assert_eq!(Options::default().norm_loss(), nemesis_sdk::norm::NormLossOptions::default());
/// ```
///
/// What contexts start from comes behind that macro's name: `prompt_options from n_ctx 4, ctx_init "a photo of a";`.
///
/// The struct has a function `norm_loss` that returns them as
/// [`NormLossOptions`](crate::norm::NormLossOptions).
#[macro_export]
macro_rules! with_norm_loss {
    ($declare:ident; $($options:tt)*) => {
        $crate::with_norm_loss! { @ $declare [] $($options)* }
    };
    ($declare:ident from n_ctx $n_ctx:literal, ctx_init $ctx_init:literal; $($options:tt)*) => {
        $crate::with_norm_loss! { @ $declare [from n_ctx $n_ctx, ctx_init $ctx_init;] $($options)* }
    };
    (
        @ $declare:ident [$($from:tt)*]
        $(#[$attribute:meta])* $visibility:vis struct $Options:ident { $($fields:tt)* }
    ) => {
        $crate::$declare! {
            $($from)*
            $(#[$attribute])*
            $visibility struct $Options {
                $($fields)*
                /// Norm loss to add: `pen` for all context vectors, `pan` for those whose corruption helps.
                pub norm_loss: $crate::norm::NormLossKind = $crate::norm::NormLossKind::None,
                /// Weight of the norm loss; its authors leave it open, 1 is our choice.
                pub alpha: f64 = 1.0,
                /// Weight of the position-aware norm loss, or `alpha` if null; the authors fix it at 50 for Food101 and
                /// OxfordPets.
                pub alpha_pan: Option<f64> = None,
                /// Share of `pen` in a mix with `pan`; 0 means only `pan`.
                pub beta: f64 = 0.0,
                /// Factor with which `pan` corrupts a context vector, between 0 and 1; the authors leave it open, 0.5 is
                /// our choice.
                pub tau: f64 = 0.5,
                /// How many positions `pan` tries in a step, or `randomK` to choose K without trying; the authors leave
                /// it open, 1 is our choice.
                pub positions: $crate::norm::Positions = $crate::norm::Positions::Tried(1),
                /// Which norm of a context vector to use.
                pub norm: $crate::norm::NormKind = $crate::norm::NormKind::Two,
                /// How the weight of the norm loss changes by epoch; the authors use none for Food101 and OxfordPets.
                pub omega: $crate::omega::Omega = $crate::omega::Omega::Logistic,
            }
        }

        impl $Options {
            /// The options of the norm loss.
            $visibility fn norm_loss(&self) -> $crate::norm::NormLossOptions {
                $crate::norm::NormLossOptions {
                    kind: self.norm_loss,
                    alpha: self.alpha,
                    alpha_pan: self.alpha_pan,
                    beta: self.beta,
                    tau: self.tau,
                    positions: self.positions,
                    norm: self.norm,
                    omega: self.omega,
                }
            }
        }
    };
}
