//! The numeric types that cells are computed in.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use tch::Kind;

/// The numeric type that a cell is computed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    Fp32,
    /// Double precision: slow, and the same table on every machine.
    Fp64,
    /// Half precision as the authors use it: for weights, activations, context, gradient and momentum. Normalisation is
    /// computed in single precision.
    Fp16,
    /// The same in the other half type: the range of single precision, with three bits less than fp16. No paper uses
    /// it.
    Bf16,
    /// Mixed precision as the authors' `amp` has it: trained with products in half precision and a gradient scaler,
    /// evaluated in single precision.
    Amp,
}

impl Precision {
    /// The tensor type of activations and parameters.
    pub fn kind(self) -> Kind {
        match self {
            Self::Fp32 | Self::Amp => Kind::Float,
            Self::Fp64 => Kind::Double,
            Self::Fp16 => Kind::Half,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

impl Precision {
    /// How numbers computed in this precision relate to the published ones: a sentence to show with a table.
    pub fn note(self) -> &'static str {
        match self {
            Self::Fp32 => {
                "computed in single precision where the authors' GPUs computed in half (there context, gradient and \
                 momentum are half, too)"
            }
            Self::Fp64 => "double precision, so that the rounded table is the same on every machine",
            Self::Fp16 => {
                "computed in half precision (fp16) as on the authors' GPUs, context, gradient and momentum included; \
                 these results depend on the hardware"
            }
            Self::Bf16 => {
                "computed in bfloat16, context, gradient and momentum included, where the authors' GPUs computed in \
                 fp16; these results depend on the hardware"
            }
            Self::Amp => {
                "mixed precision as the authors' `amp` has it: trained with products in fp16 and a gradient scaler, \
                 evaluated in single precision; the scaler and what is rounded where autocast would do it are ours, \
                 logits and losses are in single precision, and PAN tries positions on the features that it trains \
                 on; these results depend on the hardware"
            }
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fp32 => "fp32",
            Self::Fp64 => "fp64",
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
            Self::Amp => "amp",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fp32" => Ok(Self::Fp32),
            "fp64" => Ok(Self::Fp64),
            "fp16" => Ok(Self::Fp16),
            "bf16" => Ok(Self::Bf16),
            "amp" => Ok(Self::Amp),
            _ => Err("expected `fp32`, `fp64`, `fp16`, `bf16` or `amp`".to_owned()),
        }
    }
}
