//! The text tower arranged for speed, given that its weights are frozen: constants folded into the weights, rows
//! that nothing reads left out, and batches small enough for the processor's cache.
//!
//! Everything here is exact: it computes what [`TextTower::forward`] computes, up to rounding.

use super::batches::in_batches;
use super::prompts::Prompts;
use super::text::TextTower;
use super::tree::{Forest, Node};
use tch::{Kind, Tensor};

mod deep;
mod delta;
mod layer;

pub(super) use deep::Deep;
pub(super) use delta::{Delta, Masks, Rows};
pub(super) use layer::{Layer, Part, Seen};

/// A text tower and its layers arranged for speed.
#[derive(Debug)]
pub(super) struct FrozenText {
    pub(super) tower: TextTower,
    pub(super) layers: Vec<Layer>,
    /// Prompt tokens before layers, if this is the tower with changes.
    pub(super) deep: Vec<Deep>,
    /// The first layer with dropout, in which every prompt needs rows of its own.
    pub(super) first_dropout: Option<usize>,
    /// Among how many classes those of a call are, and the number of the first.
    pub(super) numbering: Numbering,
}

/// Which of all classes are encoded, for numbering their rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbering {
    pub(super) first: usize,
    pub(super) all: usize,
}

impl FrozenText {
    pub(super) fn new(tower: TextTower) -> Self {
        let layers = tower.blocks.iter().map(|block| Layer::new(block, true)).collect();
        Self { tower, layers, deep: Vec::new(), first_dropout: None, numbering: Numbering::default() }
    }

    /// Features `[copies, classes, embed_dim]` of prompts padded to the context length, all rows of them: what the other
    /// ways are compared with.
    pub(super) fn encode_padded(&self, prompts: &Prompts<'_>) -> Tensor {
        let all: Vec<usize> = (0..prompts.classes()).collect();
        let length = self.tower.context_length();
        let rows = self.numbered(prompts.copies(), &all, length);
        let mut x = prompts.embed(&all, length).flatten(0, 1) + self.tower.positions(0, length);
        for (number, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&self.with_deep(number, &x, &all), &Seen { rows: rows.as_ref(), ..Seen::default() });
        }
        let ends = prompts.end_rows(&all).repeat([prompts.copies()]);
        let ends = ends.view([-1, 1, 1]).expand([-1, 1, self.tower.width()], false);
        self.tower.project(&x.gather(1, &ends, false)).view([prompts.copies(), all.len() as i64, -1])
    }

    /// Features `[copies, classes, embed_dim]` of prompts cut at their end tokens, those of like length together.
    pub(super) fn encode_cut(&self, prompts: &Prompts<'_>) -> Tensor {
        self.encode_cut_from(0, prompts, &|classes, length| {
            prompts.embed(classes, length).flatten(0, 1) + self.tower.positions(0, length)
        })
    }

    /// The same from a layer on, given the rows `[copies × classes, length, width]` that some classes enter it with.
    fn encode_cut_from(
        &self,
        first: usize,
        prompts: &Prompts<'_>,
        entering: &dyn Fn(&[usize], i64) -> Tensor,
    ) -> Tensor {
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
            let rows = self.numbered(copies, classes, length);
            let seen = Seen { rows: rows.as_ref(), ..Seen::default() };
            let mut x = entering(classes, length);
            let last = self.layers.len() - 1;
            for number in first..last {
                x = self.layers[number].forward(&self.with_deep(number, &x, classes), &seen);
            }
            let seen = Seen { mask: Some(&mask), ends: Some(&ends), ..seen };
            x = self.layers[last].forward(&self.with_deep(last, &x, classes), &seen);
            self.tower.project(&x).view([copies, classes.len() as i64, -1])
        });
        features.expect("prompts have at least one class")
    }

    /// Features `[copies, classes, embed_dim]` of prompts that share rows before layer `split`, and not from it on.
    pub(super) fn encode_split(&self, prefix: &Tensor, prompts: &Prompts<'_>, split: usize) -> Tensor {
        let (copies, shared, width) = prefix.size3().expect("a prefix has three dimensions");
        let prefix = prefix + self.tower.positions(0, shared);
        let forest = Forest::new(&prompts.class_tokens(), shared as usize, width as usize);
        let numbers: Vec<usize> = (0..forest.blocks.len()).collect();
        let mask = self.block_mask(&forest, &numbers, shared);
        let nodes = self.nodes(&forest, &numbers, shared).repeat([copies, 1, 1]);
        let (before, prefix) = self.keys_and_values(&prefix, split);
        let nodes = self.rows_after(split, &nodes, &mask, Some(&before), &places_of(&forest, &numbers, shared));
        // All rows of a copy, the prefix first, of which each class picks its own.
        let rows = Tensor::cat(&[prefix, nodes.view([copies, -1, width])], 1);
        let paths: Vec<Vec<i64>> = forest
            .places
            .iter()
            .map(|(block, end)| {
                let first = shared + (block * forest.rows) as i64;
                let own = forest.visible(*block, forest.ends[*block][*end]).map(|row| first + row as i64);
                let mut path: Vec<i64> = own.collect();
                path.reverse();
                (0..shared).chain(path).collect()
            })
            .collect();
        self.encode_cut_from(split, prompts, &|classes, length| {
            let padded =
                |class: &usize| paths[*class].iter().copied().chain(std::iter::repeat(0)).take(length as usize);
            let picked: Vec<i64> = classes.iter().flat_map(padded).collect();
            rows.index_select(1, &self.tower.indices(&picked)).view([-1, length, width])
        })
    }

    /// Rows `[copies × classes, rows, width]` of some classes as a layer sees them, with its prompt tokens.
    fn with_deep(&self, layer: usize, x: &Tensor, classes: &[usize]) -> Tensor {
        match self.deep.iter().find(|deep| deep.layer == layer) {
            Some(deep) => deep.in_sequences(x, classes),
            None => x.shallow_clone(),
        }
    }

    /// Rows `[copies × sequences, rows, width]` at `places` of the prompts, alike for all copies, as a layer sees them.
    fn with_deep_at(&self, layer: usize, x: &Tensor, places: &[usize]) -> Tensor {
        match self.deep.iter().find(|deep| deep.layer == layer) {
            Some(deep) => deep.in_places(x, places),
            None => x.shallow_clone(),
        }
    }

    /// The numbers of the first rows of some classes' prompts, if there is dropout.
    fn numbered(&self, copies: i64, classes: &[usize], length: i64) -> Option<Rows> {
        self.first_dropout?;
        let Numbering { first, all } = self.numbering;
        let sequences =
            (0..copies).flat_map(|copy| classes.iter().map(move |class| copy * all as i64 + (first + class) as i64));
        Some(Rows::first(sequences, length, self.tower.context_length()))
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
            let (before, _) = self.keys_and_values(&prefix, self.layers.len());
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
        let places: Vec<usize> = (0..shared as usize).chain(places_of(forest, &[0], shared)).collect();
        self.encode_rows(&Tensor::cat(&[prefix, &nodes], 1), &mask, &ends, None, &places)
    }

    /// Features `[copies, blocks × most ends, embed_dim]` of the ends in some blocks of a forest, whose rows also see
    /// keys and values that come before, `[copies, prefix, 2 × width]` for each layer.
    fn encode_blocks(&self, forest: &Forest, numbers: &[usize], before: &[Tensor]) -> Tensor {
        let (copies, shared, _) = before[0].size3().expect("keys and values have three dimensions");
        let nodes = self.nodes(forest, numbers, shared).repeat([copies, 1, 1]);
        let mask = self.block_mask(forest, numbers, shared);
        let places = places_of(forest, numbers, shared);
        let features = self.encode_rows(&nodes, &mask, &self.ends(forest, numbers), Some(before), &places);
        features.view([copies, -1, self.tower.embed_dim()])
    }

    /// Features `[copies × sequences, ends, embed_dim]` of rows `[copies × sequences, rows, width]` at `places` of the
    /// prompts, given for each sequence what it adds to its scores `[sequences, rows, keys]`, and the rows
    /// `[sequences, ends]` that are wanted.
    fn encode_rows(
        &self,
        rows: &Tensor,
        mask: &Tensor,
        ends: &Tensor,
        before: Option<&[Tensor]>,
        places: &[usize],
    ) -> Tensor {
        let sequences = mask.size()[0];
        let copies = rows.size()[0] / sequences;
        let (keys, most_ends) = (mask.size()[2], ends.size()[1]);
        let end_mask = mask.gather(1, &ends.unsqueeze(-1).expand([-1, -1, keys], false), false);
        let end_mask = end_mask.unsqueeze(1).repeat([copies, 1, 1, 1]);
        let ends = ends.unsqueeze(0).expand([copies, -1, most_ends], false).flatten(0, 1);
        let last = self.layers.len() - 1;
        let x = self.rows_after(last, rows, mask, before, places);
        let before = of_sequences(before, last, sequences);
        let seen = Seen { before: before.as_ref(), mask: Some(&end_mask), ends: Some(&ends), rows: None };
        self.tower.project(&self.layers[last].forward(&self.with_deep_at(last, &x, places), &seen))
    }

    /// Rows as of [`Self::encode_rows`] after the first so many layers.
    fn rows_after(
        &self,
        layers: usize,
        rows: &Tensor,
        mask: &Tensor,
        before: Option<&[Tensor]>,
        places: &[usize],
    ) -> Tensor {
        let sequences = mask.size()[0];
        // Attention wants a mask for each sequence of each copy, alike for all heads.
        let mask = mask.unsqueeze(1).repeat([rows.size()[0] / sequences, 1, 1, 1]);
        let mut x = rows.shallow_clone();
        for (number, layer) in self.layers.iter().enumerate().take(layers) {
            let before = of_sequences(before, number, sequences);
            let seen = Seen { before: before.as_ref(), mask: Some(&mask), ..Seen::default() };
            x = layer.forward(&self.with_deep_at(number, &x, places), &seen);
        }
        x
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

    /// For each of the first so many layers the keys and values `[copies, prefix, 2 × width]` of a prefix with positions,
    /// and what the last of them makes of it, unless nothing reads that.
    fn keys_and_values(&self, prefix: &Tensor, layers: usize) -> (Vec<Tensor>, Tensor) {
        let places: Vec<usize> = (0..prefix.size()[1] as usize).collect();
        let mut x = prefix.shallow_clone();
        let mut all = Vec::with_capacity(layers);
        for (number, layer) in self.layers.iter().enumerate().take(layers) {
            x = self.with_deep_at(number, &x, &places);
            let normed = layer.ln_1.forward(&x);
            let own = layer.keys_values(&normed, None);
            // Nothing reads what the last layer makes of the prefix.
            if number + 1 < self.layers.len() {
                x = layer.rest(&x, &layer.queries(&normed, None), &own, None, None);
            }
            all.push(own);
        }
        (all, x)
    }

    /// How many rows go through the tower together.
    ///
    /// On a processor their activations (4 MB for the widest at width 512) should stay in its cache; measured, 512 and
    /// 1024 rows are alike there, and either is faster than all rows at once.
    fn rows_per_batch(&self) -> i64 {
        if self.tower.device().is_cuda() { 1 << 14 } else { 512 }
    }
}

/// A layer's keys and values of the prefix `[copies, prefix, 2 × width]` for every sequence of each copy.
fn of_sequences(before: Option<&[Tensor]>, layer: usize, sequences: i64) -> Option<Tensor> {
    before.map(|before| before[layer].unsqueeze(1).expand([-1, sequences, -1, -1], false).flatten(0, 1))
}

/// The places in their prompts of the rows of some blocks, after `shared` common rows.
fn places_of(forest: &Forest, numbers: &[usize], shared: i64) -> Vec<usize> {
    let of_block = |number: &usize| {
        let depths = forest.blocks[*number].iter().map(|node| node.depth);
        depths.chain(std::iter::repeat(0)).take(forest.rows).collect::<Vec<_>>()
    };
    numbers.iter().flat_map(of_block).map(|depth| shared as usize + depth).collect()
}
