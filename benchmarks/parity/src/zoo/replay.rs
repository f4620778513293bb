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
    /// Dropout masks `[sequences, tokens, from]` of the first step, ones and zeros, by the name of the linear map.
    pub(super) masks: BTreeMap<String, Tensor>,
}

impl Drawn {
    /// Bits of which `sample_without_replacement` makes the positions of a step: at `i`, it swaps what it wants from
    /// among the `vectors - i` positions that are left.
    fn bits(&self, step: u64) -> Option<Vec<u64>> {
        let mut order: Vec<usize> = (0..self.vectors).collect();
        let positions = self.positions.get(step as usize)?.iter().enumerate();
        let bits = positions.map(|(i, position)| {
            let at = order.iter().position(|known| known == position)?;
            order.swap(i, at);
            let left = (self.vectors - i) as u128;
            // In the middle of the range of draws that stand for this one.
            u64::try_from(((2 * (at - i) as u128 + 1) << 63) / left).ok()
        });
        bits.collect()
    }

    /// The same changes with the masks that the authors' code has drawn.
    fn masked(&self, changes: &Changes) -> Changes {
        let Changes { prompts, low_rank, replaced, ending } = changes;
        let prompt = |prompt: &LayerPrompt| LayerPrompt { layer: prompt.layer, tokens: prompt.tokens.shallow_clone() };
        let delta = |delta: &LowRank| {
            let dropout = delta.dropout.as_ref().map(|dropout| Dropout {
                probability: dropout.probability,
                index: dropout.index,
                mask: self
                    .masks
                    .get(&delta.name)
                    .map(|mask| mask.to_kind(delta.down.kind()) / (1.0 - dropout.probability)),
            });
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

impl Method for Replay {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        self.method.parameters()
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        self.method.loss(batch, &ReplayHost { host, drawn: &self.drawn })
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
        self.method.compute_gradients(batch, &ReplayHost { host, drawn: &self.drawn })
    }
}

/// A host that draws what it is given, and is otherwise another one.
struct ReplayHost<'a> {
    host: &'a dyn Host,
    drawn: &'a Drawn,
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
        let drawn = (purpose == "positions").then(|| self.drawn.bits(index)).flatten();
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
        self.own_towers()?.encode_images(pixels, &self.drawn.masked(changes), patches)
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition, changes: &Changes) -> Result<Tensor> {
        self.own_towers()?.encode_contexts(contexts, position, &self.drawn.masked(changes))
    }

    fn encode_strings(&self, prompts: &[String], changes: &Changes) -> Result<Tensor> {
        self.own_towers()?.encode_strings(prompts, &self.drawn.masked(changes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_core::method::random::sample_without_replacement;

    #[test]
    fn bits_stand_for_the_positions_they_are_made_of() {
        for positions in [vec![0, 1], vec![3, 0], vec![2, 3, 1, 0], vec![15, 0, 14], vec![]] {
            let vectors = positions.iter().max().map_or(4, |most| most + 1).max(4);
            let drawn = Drawn { vectors, positions: vec![positions.clone()], ..Drawn::default() };
            let found = sample_without_replacement(vectors, positions.len(), |_| drawn.bits(0).unwrap());
            assert_eq!(found, positions);
        }
    }
}
