//! A layer of a transformer arranged for speed.

use super::delta::{Delta, Rows};
use crate::backbone::Activation;
use crate::backbone::clip::half::is_half;
use crate::backbone::clip::layers::{Block, LayerNorm, Linear, Which, attend};
use tch::Tensor;

/// The constant of [`Activation::QuickGelu`].
const GELU: f64 = 1.702;

/// A [`Block`] whose weights carry the constants of attention and activation.
#[derive(Debug)]
pub(in crate::compute::backbone::clip) struct Layer {
    pub(super) ln_1: LayerNorm,
    /// Scaled by the square root of the head width, which attention then need not do.
    queries: Linear,
    keys_values: Linear,
    out_proj: Linear,
    ln_2: LayerNorm,
    /// With QuickGELU `1.702 (W x + b)` and `W x / 1.702 + b` make the unit between them a SiLU, which is one operation and not three.
    /// Weights of half types stay as they are, as scaling would round them once more.
    c_fc: Linear,
    c_proj: Linear,
    /// The activation, where it is no SiLU.
    activation: Option<Activation>,
    heads: i64,
    /// Whether rows do not see later rows, unless a mask says what they see.
    causal: bool,
    deltas: Deltas,
}

/// What is added to the results of linear maps.
#[derive(Debug, Default)]
struct Deltas {
    queries: Option<Delta>,
    keys_values: Option<Delta>,
    out_proj: Option<Delta>,
    c_fc: Option<Delta>,
    c_proj: Option<Delta>,
}

/// A part of a layer that can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::compute::backbone::clip) enum Part {
    Queries,
    Keys,
    Values,
    OutProj,
    CFc,
    CProj,
    Ln1,
    Ln2,
}

/// What the rows of a layer see and which of them are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::compute::backbone::clip) struct Seen<'a> {
    /// Keys and values that all rows see first.
    pub(in crate::compute::backbone::clip) before: Option<&'a Tensor>,
    /// What is added to the scores. Without it rows see all others, or those up to themselves in a causal layer.
    pub(in crate::compute::backbone::clip) mask: Option<&'a Tensor>,
    /// The rows `[sequences, ends]` that are wanted, if it is not all of them.
    pub(in crate::compute::backbone::clip) ends: Option<&'a Tensor>,
    /// Which rows these are, for dropout.
    pub(in crate::compute::backbone::clip) rows: Option<&'a Rows>,
}

impl Layer {
    pub(in crate::compute::backbone::clip) fn new(block: &Block, causal: bool) -> Self {
        let width = block.out_proj.bias.size()[0];
        let part = |start, length| [&block.in_proj.weight, &block.in_proj.bias].map(|t| t.narrow(0, start, length));
        let [query_weight, query_bias] = part(0, width).map(|t| t / ((width / block.heads) as f64).sqrt());
        let [weight, bias] = part(width, 2 * width);
        let [c_fc, c_proj] = [&block.c_fc, &block.c_proj];
        let (c_fc, c_proj, activation) = if is_half(c_fc.kind) || block.activation != Activation::QuickGelu {
            (c_fc.shallow_clone(), c_proj.shallow_clone(), Some(block.activation))
        } else {
            let scaled = c_fc.with(&(&c_fc.weight * GELU), &(&c_fc.bias * GELU));
            (scaled, c_proj.with(&(&c_proj.weight / GELU), &c_proj.bias), None)
        };
        Self {
            ln_1: block.ln_1.shallow_clone(),
            queries: block.in_proj.with(&query_weight, &query_bias),
            keys_values: block.in_proj.with(&weight, &bias),
            out_proj: block.out_proj.shallow_clone(),
            ln_2: block.ln_2.shallow_clone(),
            c_fc,
            c_proj,
            activation,
            heads: block.heads,
            causal,
            deltas: Deltas::default(),
        }
    }

    /// The same layer without its deltas, to be changed.
    pub(in crate::compute::backbone::clip) fn shallow_clone(&self) -> Self {
        Self {
            ln_1: self.ln_1.shallow_clone(),
            queries: self.queries.shallow_clone(),
            keys_values: self.keys_values.shallow_clone(),
            out_proj: self.out_proj.shallow_clone(),
            ln_2: self.ln_2.shallow_clone(),
            c_fc: self.c_fc.shallow_clone(),
            c_proj: self.c_proj.shallow_clone(),
            activation: self.activation,
            heads: self.heads,
            causal: self.causal,
            deltas: Deltas::default(),
        }
    }

    /// The width of a row.
    pub(in crate::compute::backbone::clip) fn width(&self) -> i64 {
        self.queries.weight.size()[0]
    }

    /// The width of the perceptron's hidden layer.
    pub(in crate::compute::backbone::clip) fn hidden(&self) -> i64 {
        self.c_fc.weight.size()[0]
    }

    /// Rows out and rows in of a linear map; nothing for a normalisation.
    pub(in crate::compute::backbone::clip) fn shape(&self, part: Part) -> Option<[i64; 2]> {
        let (width, hidden) = (self.width(), self.hidden());
        match part {
            Part::Queries | Part::Keys | Part::Values | Part::OutProj => Some([width, width]),
            Part::CFc => Some([hidden, width]),
            Part::CProj => Some([width, hidden]),
            Part::Ln1 | Part::Ln2 => None,
        }
    }

    /// Puts a tensor in the place of a weight or bias of the same shape, which the caller has checked.
    pub(in crate::compute::backbone::clip) fn replace(&mut self, part: Part, which: Which, tensor: &Tensor) {
        match part {
            Part::Ln1 => self.ln_1.replace(which, tensor),
            Part::Ln2 => self.ln_2.replace(which, tensor),
            Part::Queries => {
                let scaled = tensor / self.root_of_head_width();
                self.queries.replace(which, &scaled);
            }
            Part::Keys | Part::Values => {
                let width = self.width();
                let old = match which {
                    Which::Weight => &self.keys_values.weight,
                    Which::Bias => &self.keys_values.bias,
                };
                let [keys, values] = [0, width].map(|start| old.narrow(0, start, width));
                let tensor = self.keys_values.fitting(tensor);
                let both = if part == Part::Keys { [tensor, values] } else { [keys, tensor] };
                self.keys_values.replace(which, &Tensor::cat(&both, 0));
            }
            Part::OutProj => self.out_proj.replace(which, tensor),
            Part::CFc => {
                let scaled = tensor * self.scale();
                self.c_fc.replace(which, &scaled);
            }
            Part::CProj if which == Which::Weight => {
                let scaled = tensor / self.scale();
                self.c_proj.replace(which, &scaled);
            }
            Part::CProj => self.c_proj.replace(which, tensor),
        }
    }

    /// Adds to the results of a linear map. There is at most one delta on each.
    pub(in crate::compute::backbone::clip) fn add_delta(&mut self, part: Part, delta: Delta) {
        let (root, scale, width) = (self.root_of_head_width(), self.scale(), self.width());
        let Deltas { queries, keys_values, out_proj, c_fc, c_proj } = &mut self.deltas;
        let (place, delta) = match part {
            Part::Queries => (queries, delta.times(1.0 / root)),
            Part::Keys => (keys_values, delta.among(0, 2 * width)),
            Part::Values => (keys_values, delta.among(width, 2 * width)),
            Part::OutProj => (out_proj, delta),
            Part::CFc => (c_fc, delta.times(scale)),
            Part::CProj => (c_proj, delta.times(scale.recip())),
            Part::Ln1 | Part::Ln2 => unreachable!("normalisations are no linear maps"),
        };
        *place = Some(match place.take() {
            None => delta,
            Some(other) => other.and(delta),
        });
    }

    fn root_of_head_width(&self) -> f64 {
        ((self.width() / self.heads) as f64).sqrt()
    }

    /// How much larger what enters the activation is than in the block that this was made of.
    fn scale(&self) -> f64 {
        if self.activation.is_none() { GELU } else { 1.0 }
    }

    /// `[sequences, rows, width]` to the same shape, or to `[sequences, ends, width]` when only some rows are wanted.
    pub(in crate::compute::backbone::clip) fn forward(&self, x: &Tensor, seen: &Seen<'_>) -> Tensor {
        let normed = self.ln_1.forward(x);
        let own = self.keys_values(&normed, seen.rows);
        let keys_values = seen.before.map_or_else(|| own.shallow_clone(), |before| Tensor::cat(&[before, &own], 1));
        match seen.ends {
            None => self.rest(x, &self.queries(&normed, seen.rows), &keys_values, seen.mask, seen.rows),
            Some(ends) => {
                let [x, normed] = [x, &normed].map(|x| pick(x, ends));
                let rows = seen.rows.map(|rows| rows.pick(ends));
                self.rest(&x, &self.queries(&normed, rows.as_ref()), &keys_values, seen.mask, rows.as_ref())
            }
        }
    }

    /// Queries of normalised rows.
    pub(super) fn queries(&self, normed: &Tensor, rows: Option<&Rows>) -> Tensor {
        mapped(&self.queries, self.deltas.queries.as_ref(), normed, rows)
    }

    /// Keys and values of normalised rows.
    pub(super) fn keys_values(&self, normed: &Tensor, rows: Option<&Rows>) -> Tensor {
        mapped(&self.keys_values, self.deltas.keys_values.as_ref(), normed, rows)
    }

    /// The layer from its queries on.
    pub(super) fn rest(
        &self,
        x: &Tensor,
        queries: &Tensor,
        keys_values: &Tensor,
        mask: Option<&Tensor>,
        rows: Option<&Rows>,
    ) -> Tensor {
        let attended = self.attend(queries, keys_values, mask);
        let x = x + mapped(&self.out_proj, self.deltas.out_proj.as_ref(), &attended, rows);
        let hidden = mapped(&self.c_fc, self.deltas.c_fc.as_ref(), &self.ln_2.forward(&x), rows);
        let hidden = self.activation.map_or_else(|| hidden.silu(), |activation| activation.of(&hidden));
        x + mapped(&self.c_proj, self.deltas.c_proj.as_ref(), &hidden, rows)
    }

    fn attend(&self, queries: &Tensor, keys_values: &Tensor, mask: Option<&Tensor>) -> Tensor {
        let (sequences, rows, width) = queries.size3().expect("queries have three dimensions");
        let queries = queries.view([sequences, rows, self.heads, -1]).transpose(1, 2);
        let keys_values = keys_values.view([sequences, -1, 2, self.heads, width / self.heads]);
        let [keys, values] = [0, 1].map(|part| keys_values.select(2, part).transpose(1, 2));
        attend([&queries, &keys, &values], mask, self.causal && mask.is_none(), Some(1.0))
            .transpose(1, 2)
            .reshape([sequences, rows, width])
    }
}

/// A linear map of rows, and what is added to its results.
fn mapped(map: &Linear, delta: Option<&Delta>, x: &Tensor, rows: Option<&Rows>) -> Tensor {
    let y = map.forward(x);
    delta.map_or_else(|| y.shallow_clone(), |delta| delta.added(&y, x, map, rows))
}

/// The rows `ends` `[sequences, ends]` of `[sequences, rows, width]`.
fn pick(x: &Tensor, ends: &Tensor) -> Tensor {
    x.gather(1, &ends.unsqueeze(-1).expand([-1, -1, x.size()[2]], false), false)
}
