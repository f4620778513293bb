//! A method whose random draws are those of the authors' code.

use nemesis_core::method::towers::{
    Changes, Dropout, ImageFeatures, LayerPrompt, LowRank, Replacement, TowerSizes, Towers,
};
use nemesis_core::method::{Batch, ClassPosition, Error, FeatureSet, Host, LogLevel, Method, Parameter, Result, State};
use std::collections::BTreeMap;
use tch::Tensor;

/// A method that draws what it is given.
pub(super) struct Replay {
    /// The method.
    pub(super) method: Box<dyn Method>,
    /// What it draws.
    pub(super) drawn: Drawn,
}

/// What the authors' code has drawn.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    /// The number of context vectors that positions are drawn from.
    pub(super) vectors: usize,
    /// Positions of context vectors, by step.
    pub(super) positions: Vec<Vec<usize>>,
    /// The texts that a step learns from besides images, by step.
    pub(super) texts: Vec<Vec<usize>>,
    /// Dropout masks `[sequences, tokens, from]` of the first step, ones and zeros, by the name of the linear map.
    pub(super) masks: BTreeMap<String, Tensor>,
    /// The probability that the masks were drawn with.
    pub(super) dropout: f64,
}

impl Drawn {
    /// Bits of which the positions of a step are made.
    fn positions(&self, step: u64) -> Option<Vec<u64>> {
        bits(self.vectors, self.positions.get(step as usize)?)
    }

    /// Bits of which an order of `count` texts is made that has those of a step where the method looks for them: it cuts
    /// the order into batches, and begins with the first one again after the last.
    fn texts(&self, step: u64, count: usize) -> Option<Vec<u64>> {
        let own = self.texts.get(step as usize)?;
        let batches = (count / own.len().max(1)).max(1);
        let others: Vec<usize> = (0..count).filter(|text| !own.contains(text)).collect();
        let (before, behind) = others.split_at_checked(step as usize % batches * own.len())?;
        bits(count, &[before, own, behind].concat())
    }

    /// The same changes with the masks that the authors' code has drawn: in place of our own, or also where an evaluation
    /// has none.
    fn masked(&self, changes: &Changes, evaluates: bool) -> Changes {
        let Changes { prompts, low_rank, replaced, ending } = changes;
        let prompt = |prompt: &LayerPrompt| LayerPrompt { layer: prompt.layer, tokens: prompt.tokens.shallow_clone() };
        let delta = |delta: &LowRank| {
            let mask = |probability: f64| {
                let mask = self.masks.get(&delta.name)?;
                Some(mask.to_kind(delta.down.kind()) / (1.0 - probability))
            };
            let dropout = match &delta.dropout {
                Some(Dropout { probability, index, .. }) => {
                    Some(Dropout { probability: *probability, index: *index, mask: mask(*probability) })
                }
                None if evaluates => {
                    mask(self.dropout).map(|mask| Dropout { probability: self.dropout, index: 0, mask: Some(mask) })
                }
                None => None,
            };
            let (down, up) = (delta.down.shallow_clone(), delta.up.shallow_clone());
            LowRank { name: delta.name.clone(), down, up, scale: delta.scale, dropout }
        };
        let replacement = |replacement: &Replacement| Replacement {
            name: replacement.name.clone(),
            tensor: replacement.tensor.shallow_clone(),
        };
        Changes {
            prompts: prompts.iter().map(prompt).collect(),
            low_rank: low_rank.iter().map(delta).collect(),
            replaced: replaced.iter().map(replacement).collect(),
            ending: ending.clone(),
        }
    }
}

impl Replay {
    /// Logits of a batch under the dropout of the authors' first step, which a method leaves out of an evaluation.
    ///
    /// # Errors
    ///
    /// When the method cannot compute them.
    pub(super) fn dropped_out(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        self.method.logits(batch, &ReplayHost { host, drawn: &self.drawn, step: batch.step, evaluates: true })
    }
}

impl Method for Replay {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        self.method.parameters()
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        self.method.loss(batch, &ReplayHost { host, drawn: &self.drawn, step: batch.step, evaluates: false })
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        self.method.logits(batch, host)
    }

    fn state(&self) -> Result<State> {
        self.method.state()
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.method.load_state(state)
    }

    fn prepare(&mut self, train: &FeatureSet, val: Option<&FeatureSet>, host: &dyn Host) -> Result<()> {
        self.method.prepare(train, val, host)
    }

    fn compute_gradients(&mut self, batch: &Batch, host: &dyn Host) -> Result<Option<Tensor>> {
        self.method
            .compute_gradients(batch, &ReplayHost { host, drawn: &self.drawn, step: batch.step, evaluates: false })
    }
}

/// Bits of which `sample_without_replacement` makes `chosen` from `0..n`: at `i`, it swaps what it wants from among the
/// `n - i` numbers that are left.
fn bits(n: usize, chosen: &[usize]) -> Option<Vec<u64>> {
    let mut order: Vec<usize> = (0..n).collect();
    let bits = chosen.iter().enumerate().map(|(i, number)| {
        let at = order.iter().position(|known| known == number)?;
        order.swap(i, at);
        let left = (n - i) as u128;
        // In the middle of the range of draws that stand for this one.
        u64::try_from(((2 * (at - i) as u128 + 1) << 63) / left).ok()
    });
    bits.collect()
}

/// A host that draws what it is given, and is otherwise another one.
struct ReplayHost<'a> {
    host: &'a dyn Host,
    drawn: &'a Drawn,
    /// The step, for draws that are the same in several.
    step: u64,
    /// Whether the method evaluates, and the authors' dropout is put in all the same.
    evaluates: bool,
}

impl Host for ReplayHost<'_> {
    fn encode_strings(&self, prompts: &[String]) -> Result<Tensor> {
        self.host.encode_strings(prompts)
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition) -> Result<Tensor> {
        self.host.encode_contexts(contexts, position)
    }

    fn embed_text(&self, text: &str) -> Result<Tensor> {
        self.host.embed_text(text)
    }

    fn backward(&self, loss: &Tensor) -> Result<()> {
        self.host.backward(loss)
    }

    fn gradients(&self, loss: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        self.host.gradients(loss, inputs)
    }

    fn random(&self, purpose: &str, index: u64, count: usize) -> Vec<u64> {
        let drawn = match purpose {
            "positions" => self.drawn.positions(index),
            "texts" => self.drawn.texts(self.step, count),
            _ => None,
        };
        drawn.filter(|bits| bits.len() == count).unwrap_or_else(|| self.host.random(purpose, index, count))
    }

    fn report(&self, name: &str, value: &Tensor) {
        self.host.report(name, value);
    }

    fn cancelled(&self) -> bool {
        self.host.cancelled()
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.host.log(level, message);
    }

    fn towers(&self) -> Option<&dyn Towers> {
        self.host.towers().map(|_| self as &dyn Towers)
    }
}

impl ReplayHost<'_> {
    fn own_towers(&self) -> Result<&dyn Towers> {
        self.host.towers().ok_or_else(|| Error::new("the host offers no towers"))
    }
}

impl Towers for ReplayHost<'_> {
    fn sizes(&self) -> TowerSizes {
        self.host.towers().expect("only a host with towers offers these").sizes()
    }

    fn encode_images(&self, pixels: &Tensor, changes: &Changes, patches: bool) -> Result<ImageFeatures> {
        self.own_towers()?.encode_images(pixels, &self.drawn.masked(changes, self.evaluates), patches)
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition, changes: &Changes) -> Result<Tensor> {
        self.own_towers()?.encode_contexts(contexts, position, &self.drawn.masked(changes, self.evaluates))
    }

    fn encode_strings(&self, prompts: &[String], changes: &Changes) -> Result<Tensor> {
        self.own_towers()?.encode_strings(prompts, &self.drawn.masked(changes, self.evaluates))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_core::method::random::{permutation, sample_without_replacement};

    #[test]
    fn bits_stand_for_the_positions_they_are_made_of() {
        for positions in [vec![0, 1], vec![3, 0], vec![2, 3, 1, 0], vec![15, 0, 14], vec![]] {
            let vectors = positions.iter().max().map_or(4, |most| most + 1).max(4);
            let drawn = Drawn { vectors, positions: vec![positions.clone()], ..Drawn::default() };
            let found = sample_without_replacement(vectors, positions.len(), |_| drawn.positions(0).unwrap());
            assert_eq!(found, positions);
        }
    }

    #[test]
    fn an_order_has_the_texts_of_a_step_in_its_place() {
        let drawn = Drawn { texts: vec![vec![3, 0, 6], vec![3, 2, 1], vec![5, 4, 0]], ..Drawn::default() };
        for (step, first) in [(0, 0), (1, 3), (2, 0)] {
            let order = permutation(7, |_| drawn.texts(step, 7).unwrap());
            assert_eq!(order[first..first + 3], drawn.texts[step as usize]);
        }
    }
}
