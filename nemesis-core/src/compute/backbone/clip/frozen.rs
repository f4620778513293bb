//! The text tower arranged for speed, given that its weights are frozen: constants folded into the weights, rows
//! that nothing reads left out, and batches small enough for the processor's cache.
//!
//! Everything here is exact: it computes what [`TextTower::forward`] computes, up to rounding.

use super::batches::in_batches;
use super::half::is_half;
use super::layers::{Block, LayerNorm, Linear, attend};
use super::prompts::Prompts;
use super::text::TextTower;
use super::tree::{Forest, Node};
use crate::backbone::Activation;
use tch::{Kind, Tensor};

/// The constant of [`Activation::QuickGelu`].
const GELU: f64 = 1.702;

/// A text tower and its layers arranged for speed.
#[derive(Debug)]
pub(super) struct FrozenText {
    pub(super) tower: TextTower,
    layers: Vec<Layer>,
}

/// A [`Block`] whose weights carry the constants of attention and activation.
#[derive(Debug)]
struct Layer {
    ln_1: LayerNorm,
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
}

impl FrozenText {
    pub(super) fn new(tower: TextTower) -> Self {
        let layers = tower.blocks.iter().map(Layer::new).collect();
        Self { tower, layers }
    }

    /// Features `[copies, classes, embed_dim]` of prompts cut at their end tokens, those of like length together.
    pub(super) fn encode_cut(&self, prompts: &Prompts<'_>) -> Tensor {
        let lengths: Vec<i64> = (0..prompts.classes()).map(|class| prompts.length(class)).collect();
        let longest = lengths.iter().copied().max().unwrap_or(1);
        let limit = (self.rows_per_batch() / (prompts.copies() * longest)).max(1) as usize;
        let features = in_batches(&lengths, limit, 1, |classes, length| {
            let copies = prompts.copies();
            let ends = prompts.end_rows(classes).view([-1, 1]);
            let places = Tensor::arange(length, (Kind::Int64, self.tower.device()));
            let mask = self.hide(&places.gt_tensor(&ends)).view([1, -1, 1, 1, length]);
            let mask = mask.expand([copies, -1, -1, -1, -1], false).flatten(0, 1);
            let ends = ends.repeat([copies, 1]);
            let mut x = prompts.embed(classes, length).flatten(0, 1) + self.tower.positions(0, length);
            let (last, layers) = self.layers.split_last().expect("a tower has layers");
            for layer in layers {
                x = layer.forward(&x, None, None, None);
            }
            x = last.forward(&x, None, Some(&mask), Some(&ends));
            self.tower.project(&x).view([copies, classes.len() as i64, -1])
        });
        features.expect("prompts have at least one class")
    }

    /// Features `[copies, sequences, embed_dim]` of token sequences after a common prefix of embeddings
    /// `[copies, prefix, width]` without positions; none of them empty.
    pub(super) fn encode_tree(&self, prefix: &Tensor, sequences: &[&[i64]]) -> Tensor {
        let (copies, shared, width) = prefix.size3().expect("a prefix has three dimensions");
        let prefix = prefix + self.tower.positions(0, shared);
        let forest = Forest::new(sequences, shared as usize, width as usize);
        let features = if forest.blocks.len() == 1 {
            self.encode_with_prefix(&forest, &prefix)
        } else {
            let before = self.keys_and_values(&prefix);
            let blocks_per_batch = (self.rows_per_batch() / (copies * forest.rows as i64)).max(1) as usize;
            let numbers: Vec<usize> = (0..forest.blocks.len()).collect();
            let batches = numbers.chunks(blocks_per_batch);
            Tensor::cat(&batches.map(|blocks| self.encode_blocks(&forest, blocks, &before)).collect::<Vec<_>>(), 1)
        };
        let places = forest.places.iter().map(|(block, end)| (block * forest.most_ends() + end) as i64);
        features.index_select(1, &self.tower.indices(&places.collect::<Vec<_>>()))
    }

    /// Features `[copies, ends, embed_dim]` of a forest of one block, whose few rows go through the tower together
    /// with the prefix `[copies, prefix, width]`: small matrices are what a processor is slow at.
    fn encode_with_prefix(&self, forest: &Forest, prefix: &Tensor) -> Tensor {
        let (copies, shared, _) = prefix.size3().expect("a prefix has three dimensions");
        let nodes = self.nodes(forest, &[0], shared).expand([copies, -1, -1], false);
        let places = Tensor::arange(shared + forest.rows as i64, (Kind::Int64, self.tower.device()));
        let causal = self.hide(&places.gt_tensor(&places.narrow(0, 0, shared).unsqueeze(-1))).unsqueeze(0);
        let mask = Tensor::cat(&[causal, self.block_mask(forest, &[0], shared)], 1);
        let ends = self.ends(forest, &[0]) + shared;
        self.encode_rows(&Tensor::cat(&[prefix, &nodes], 1), &mask, &ends, None)
    }

    /// Features `[copies, blocks × most ends, embed_dim]` of the ends in some blocks of a forest, whose rows also see
    /// keys and values that come before, `[copies, prefix, 2 × width]` for each layer.
    fn encode_blocks(&self, forest: &Forest, numbers: &[usize], before: &[Tensor]) -> Tensor {
        let (copies, shared, _) = before[0].size3().expect("keys and values have three dimensions");
        let nodes = self.nodes(forest, numbers, shared).repeat([copies, 1, 1]);
        let mask = self.block_mask(forest, numbers, shared);
        let features = self.encode_rows(&nodes, &mask, &self.ends(forest, numbers), Some(before));
        features.view([copies, -1, self.tower.embed_dim()])
    }

    /// Features `[copies × sequences, ends, embed_dim]` of rows `[copies × sequences, rows, width]`, given for each
    /// sequence what it adds to its scores `[sequences, rows, keys]`, and the rows `[sequences, ends]` that are wanted.
    fn encode_rows(&self, rows: &Tensor, mask: &Tensor, ends: &Tensor, before: Option<&[Tensor]>) -> Tensor {
        let sequences = mask.size()[0];
        let copies = rows.size()[0] / sequences;
        let (keys, most_ends) = (mask.size()[2], ends.size()[1]);
        let end_mask = mask.gather(1, &ends.unsqueeze(-1).expand([-1, -1, keys], false), false);
        // Attention wants a mask for each sequence of each copy, alike for all heads.
        let [mask, end_mask] = [mask, &end_mask].map(|mask| mask.unsqueeze(1).repeat([copies, 1, 1, 1]));
        let ends = ends.unsqueeze(0).expand([copies, -1, most_ends], false).flatten(0, 1);
        let mut x = rows.shallow_clone();
        for (number, layer) in self.layers.iter().enumerate() {
            let before = before.map(|before| {
                let of_copies = before[number].unsqueeze(1);
                of_copies.expand([-1, sequences, -1, -1], false).flatten(0, 1)
            });
            x = if number + 1 == self.layers.len() {
                layer.forward(&x, before.as_ref(), Some(&end_mask), Some(&ends))
            } else {
                layer.forward(&x, before.as_ref(), Some(&mask), None)
            };
        }
        self.tower.project(&x)
    }

    /// Embeddings `[blocks, rows, width]` of the nodes in some blocks of a forest that comes after `shared` rows.
    fn nodes(&self, forest: &Forest, numbers: &[usize], shared: i64) -> Tensor {
        let padded = |of: &dyn Fn(&Node) -> i64| {
            let rows = numbers
                .iter()
                .flat_map(|number| forest.blocks[*number].iter().map(of).chain(std::iter::repeat(0)).take(forest.rows));
            self.tower.indices(&rows.collect::<Vec<_>>()).view([numbers.len() as i64, -1])
        };
        let tokens = self.tower.embed(&padded(&|node| node.token));
        tokens + self.tower.positions_at(&padded(&|node| shared + node.depth as i64))
    }

    /// The rows `[blocks, most ends]` at which sequences end in some blocks, padded with row zero.
    fn ends(&self, forest: &Forest, numbers: &[usize]) -> Tensor {
        let ends = numbers.iter().flat_map(|number| {
            let ends = forest.ends[*number].iter().map(|end| *end as i64);
            ends.chain(std::iter::repeat(0)).take(forest.most_ends())
        });
        self.tower.indices(&ends.collect::<Vec<_>>()).view([numbers.len() as i64, -1])
    }

    /// What rows of blocks add to their scores, `[blocks, rows, prefix + rows]`: nothing where they see the prefix and
    /// their ancestors, minus infinity elsewhere.
    fn block_mask(&self, forest: &Forest, numbers: &[usize], shared: i64) -> Tensor {
        let (rows, keys) = (forest.rows, shared as usize + forest.rows);
        let mut hidden = vec![true; numbers.len() * rows * keys];
        for (number, block) in numbers.iter().zip(hidden.chunks_mut(rows * keys)) {
            for (row, hidden) in block.chunks_mut(keys).enumerate() {
                hidden[..shared as usize].fill(false);
                if row < forest.blocks[*number].len() {
                    forest.visible(*number, row).for_each(|ancestor| hidden[shared as usize + ancestor] = false);
                }
            }
        }
        let hidden = Tensor::from_slice(&hidden).to_device(self.tower.device());
        self.hide(&hidden).view([numbers.len() as i64, rows as i64, keys as i64])
    }

    /// Minus infinity where `hidden`, zero elsewhere.
    fn hide(&self, hidden: &Tensor) -> Tensor {
        let zeros = Tensor::zeros(hidden.size(), (self.tower.rounds_to(), self.tower.device()));
        zeros.masked_fill(hidden, f64::NEG_INFINITY)
    }

    /// For each layer the keys and values `[copies, prefix, 2 × width]` of a prefix with positions.
    fn keys_and_values(&self, prefix: &Tensor) -> Vec<Tensor> {
        let mut x = prefix.shallow_clone();
        let mut all = Vec::with_capacity(self.layers.len());
        for (number, layer) in self.layers.iter().enumerate() {
            let normed = layer.ln_1.forward(&x);
            let own = layer.keys_values.forward(&normed);
            // Nothing reads what the last layer makes of the prefix.
            if number + 1 < self.layers.len() {
                x = layer.rest(&x, &layer.queries.forward(&normed), &own, None);
            }
            all.push(own);
        }
        all
    }

    /// How many rows go through the tower together.
    ///
    /// On a processor their activations (4 MB for the widest at width 512) should stay in its cache; measured, 512 and
    /// 1024 rows are alike there, and either is faster than all rows at once.
    fn rows_per_batch(&self) -> i64 {
        if self.tower.device().is_cuda() { 1 << 14 } else { 512 }
    }
}

impl Layer {
    fn new(block: &Block) -> Self {
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
        }
    }

    /// `[sequences, rows, width]` to the same shape, or to `[sequences, ends, width]` when only the rows `ends`
    /// `[sequences, ends]` are wanted. `before` are keys and values that all rows see first. Without a `mask` on the
    /// scores, rows do not see later rows.
    fn forward(&self, x: &Tensor, before: Option<&Tensor>, mask: Option<&Tensor>, ends: Option<&Tensor>) -> Tensor {
        let normed = self.ln_1.forward(x);
        let own = self.keys_values.forward(&normed);
        let keys_values = before.map_or_else(|| own.shallow_clone(), |before| Tensor::cat(&[before, &own], 1));
        match ends {
            None => self.rest(x, &self.queries.forward(&normed), &keys_values, mask),
            Some(ends) => {
                let [x, normed] = [x, &normed].map(|x| pick(x, ends));
                self.rest(&x, &self.queries.forward(&normed), &keys_values, mask)
            }
        }
    }

    /// The layer from its queries on.
    fn rest(&self, x: &Tensor, queries: &Tensor, keys_values: &Tensor, mask: Option<&Tensor>) -> Tensor {
        let x = x + self.out_proj.forward(&self.attend(queries, keys_values, mask));
        let hidden = self.c_fc.forward(&self.ln_2.forward(&x));
        x + self.c_proj.forward(&self.activation.map_or_else(|| hidden.silu(), |activation| activation.of(&hidden)))
    }

    fn attend(&self, queries: &Tensor, keys_values: &Tensor, mask: Option<&Tensor>) -> Tensor {
        let (sequences, rows, width) = queries.size3().expect("queries have three dimensions");
        let queries = queries.view([sequences, rows, self.heads, -1]).transpose(1, 2);
        let keys_values = keys_values.view([sequences, -1, 2, self.heads, width / self.heads]);
        let [keys, values] = [0, 1].map(|part| keys_values.select(2, part).transpose(1, 2));
        attend([&queries, &keys, &values], mask, mask.is_none(), Some(1.0))
            .transpose(1, 2)
            .reshape([sequences, rows, width])
    }
}

/// The rows `ends` `[sequences, ends]` of `[sequences, rows, width]`.
fn pick(x: &Tensor, ends: &Tensor) -> Tensor {
    x.gather(1, &ends.unsqueeze(-1).expand([-1, -1, x.size()[2]], false), false)
}
