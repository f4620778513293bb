//! The layers that CLIP's transformers share, after `clip/model.py` of openai/CLIP.

use super::half::{computed_in, is_half};
use super::weights::Weights;
use crate::backbone::Activation;
use crate::{Error, Result};
use tch::{Kind, Tensor};

/// A product with a weight, or a convolution, whose input and output are rounded to `kind`, while the weight is of the
/// type that it is computed in.
pub(super) fn rounded(x: &Tensor, weight: &Tensor, kind: Kind, product: impl Fn(&Tensor) -> Tensor) -> Tensor {
    product(&x.to_kind(kind).to_kind(weight.kind())).to_kind(kind)
}

/// Attention of queries `[…, rows, head width]` to keys and values, after a scale on the scores and with a mask added
/// to them.
pub(super) fn attend(
    queries_keys_values: [&Tensor; 3],
    mask: Option<&Tensor>,
    causal: bool,
    scale: Option<f64>,
) -> Tensor {
    let kind = queries_keys_values[0].kind();
    let widened = |x: &Tensor| x.to_kind(computed_in(kind, x.device()));
    let ([queries, keys, values], mask) = (queries_keys_values.map(widened), mask.map(widened));
    Tensor::scaled_dot_product_attention(&queries, &keys, &values, mask, 0.0, causal, scale, false).to_kind(kind)
}

/// Either tensor of a linear map or a normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Weight,
    Bias,
}

/// A linear map `x Wᵀ + b`.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    /// The type that its input and output are rounded to.
    pub(super) kind: Kind,
}

impl Linear {
    pub(super) fn from_weights(weights: &Weights, name: &str, from: i64, to: i64) -> Result<Self> {
        Self::named(weights, &format!("{name}.weight"), &format!("{name}.bias"), from, to)
    }

    fn named(weights: &Weights, weight: &str, bias: &str, from: i64, to: i64) -> Result<Self> {
        let weight = weights.get(weight, &[to, from])?;
        Ok(Self { bias: weights.get(bias, &[to])?, kind: weights.rounds_to(&weight), weight })
    }

    pub(super) fn shallow_clone(&self) -> Self {
        self.with(&self.weight, &self.bias)
    }

    /// A map of the same type with another weight and bias.
    pub(super) fn with(&self, weight: &Tensor, bias: &Tensor) -> Self {
        Self { weight: weight.shallow_clone(), bias: bias.shallow_clone(), kind: self.kind }
    }

    /// A tensor as a weight of this map: of its type, rounded as its weights are.
    pub(super) fn fitting(&self, tensor: &Tensor) -> Tensor {
        tensor.to_kind(self.kind).to_kind(self.weight.kind())
    }

    /// Puts a tensor in the place of the weight or the bias.
    pub(super) fn replace(&mut self, which: Which, tensor: &Tensor) {
        let tensor = self.fitting(tensor);
        match which {
            Which::Weight => self.weight = tensor,
            Which::Bias => self.bias = tensor,
        }
    }

    /// `[…, from]` to `[…, to]`.
    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        rounded(x, &self.weight, self.kind, |x| x.linear(&self.weight, Some(&self.bias)))
    }
}

/// Layer normalisation over the last dimension; computed in single precision for half types, as CLIP does.
#[derive(Debug)]
pub(super) struct LayerNorm {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    /// What keeps it from dividing by zero.
    epsilon: f64,
}

impl LayerNorm {
    pub(super) fn from_weights(weights: &Weights, name: &str, width: i64) -> Result<Self> {
        let weight = weights.get(&format!("{name}.weight"), &[width])?;
        let epsilon = if of_image(name) { weights.config().image_epsilon } else { weights.config().text_epsilon };
        Ok(Self { weight, bias: weights.get(&format!("{name}.bias"), &[width])?, epsilon })
    }

    pub(super) fn shallow_clone(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.shallow_clone(), epsilon: self.epsilon }
    }

    /// Puts a tensor in the place of the weight or the bias.
    pub(super) fn replace(&mut self, which: Which, tensor: &Tensor) {
        match which {
            Which::Weight => self.weight = tensor.to_kind(self.weight.kind()),
            Which::Bias => self.bias = tensor.to_kind(self.bias.kind()),
        }
    }

    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        let normalise = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
            x.layer_norm(weight.size(), Some(weight), Some(bias), self.epsilon, false)
        };
        if is_half(x.kind()) {
            let [wide, weight, bias] = [x, &self.weight, &self.bias].map(|t| t.to_kind(Kind::Float));
            normalise(&wide, &weight, &bias).to_kind(x.kind())
        } else {
            normalise(x, &self.weight, &self.bias)
        }
    }
}

/// CLIP's approximation of the Gaussian error linear unit.
fn quick_gelu(x: &Tensor) -> Tensor {
    x * (x * 1.702).sigmoid()
}

impl Activation {
    /// Its values.
    pub(super) fn of(self, x: &Tensor) -> Tensor {
        match self {
            Self::QuickGelu => quick_gelu(x),
            Self::Gelu => x.gelu("none"),
            Self::GeluTanh => x.gelu("tanh"),
        }
    }
}

/// Whether a weight is one of the image tower.
fn of_image(name: &str) -> bool {
    name.starts_with("visual.")
}

/// A residual attention block: attention and a two-layer perceptron, each after a layer normalisation.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) ln_1: LayerNorm,
    /// Queries, keys and values at once, `[3 × width, width]`.
    pub(super) in_proj: Linear,
    pub(super) out_proj: Linear,
    pub(super) ln_2: LayerNorm,
    pub(super) c_fc: Linear,
    pub(super) c_proj: Linear,
    pub(super) heads: i64,
    pub(super) activation: Activation,
}

impl Block {
    /// All blocks under `prefix` (`transformer.resblocks.`), in order.
    pub(super) fn all_from_weights(weights: &Weights, prefix: &str, width: i64) -> Result<Vec<Self>> {
        let layers = weights.count_modules(prefix)?;
        let config = weights.config();
        let head_width = if of_image(prefix) { config.image_head_width } else { config.text_head_width };
        if layers == 0 {
            return Err(Error::new(format!("there is no transformer layer under `{prefix}`"))
                .expected("at least one")
                .help("give a checkpoint of a CLIP model with OpenAI's weight names"));
        }
        if width % head_width != 0 {
            let tower = if of_image(prefix) { "image" } else { "text" };
            return Err(Error::new(format!(
                "the {tower} tower is {width} wide, which is not a multiple of {head_width}, the width of its attention heads"
            ))
            .expected(format!("heads whose width divides {width}, or a width that is a multiple of {head_width}"))
            .help(
                "give the configuration that belongs to the weights with `--weights-config FILE`, or put it beside them; with \
                 `--weights-config openai` heads are 64 wide",
            ));
        }
        (0..layers)
            .map(|layer| Self::from_weights(weights, &format!("{prefix}{layer}"), width, width / head_width))
            .collect()
    }

    fn from_weights(weights: &Weights, name: &str, width: i64, heads: i64) -> Result<Self> {
        // Four times the width, but for the widest of LAION's.
        let [hidden, _] = weights.sizes(&format!("{name}.mlp.c_fc.weight"))?;
        let in_proj = [format!("{name}.attn.in_proj_weight"), format!("{name}.attn.in_proj_bias")];
        Ok(Self {
            ln_1: LayerNorm::from_weights(weights, &format!("{name}.ln_1"), width)?,
            in_proj: Linear::named(weights, &in_proj[0], &in_proj[1], width, 3 * width)?,
            out_proj: Linear::from_weights(weights, &format!("{name}.attn.out_proj"), width, width)?,
            ln_2: LayerNorm::from_weights(weights, &format!("{name}.ln_2"), width)?,
            c_fc: Linear::from_weights(weights, &format!("{name}.mlp.c_fc"), width, hidden)?,
            c_proj: Linear::from_weights(weights, &format!("{name}.mlp.c_proj"), hidden, width)?,
            heads,
            activation: weights.config().activation,
        })
    }

    /// `[sequences, tokens, width]` to the same shape; `causal` hides later tokens from earlier ones.
    pub(super) fn forward(&self, x: &Tensor, causal: bool) -> Tensor {
        let x = x + self.attention(&self.ln_1.forward(x), causal);
        &x + self.perceptron(&self.ln_2.forward(&x))
    }

    fn attention(&self, x: &Tensor, causal: bool) -> Tensor {
        let (sequences, tokens, width) = (x.size()[0], x.size()[1], x.size()[2]);
        let heads = self.in_proj.forward(x).view([sequences, tokens, 3, self.heads, -1]);
        // `[3, sequences, heads, tokens, head width]`
        let heads = heads.permute([2, 0, 3, 1, 4]);
        let [queries, keys, values] = [0, 1, 2].map(|part| heads.select(0, part));
        let attended = attend([&queries, &keys, &values], None, causal, None);
        self.out_proj.forward(&attended.transpose(1, 2).reshape([sequences, tokens, width]))
    }

    fn perceptron(&self, x: &Tensor) -> Tensor {
        self.c_proj.forward(&self.activation.of(&self.c_fc.forward(x)))
    }
}
