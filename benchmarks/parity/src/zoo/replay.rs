//! A method whose random positions are those that the authors' code has drawn.

use nemesis_core::method::towers::Towers;
use nemesis_core::method::{Batch, ClassPosition, FeatureSet, Host, LogLevel, Method, Parameter, Result, State};
use tch::Tensor;

/// A method that draws the given positions.
pub(super) struct Replay {
    /// The method.
    pub(super) method: Box<dyn Method>,
    /// The positions.
    pub(super) drawn: Drawn,
}

/// The positions of context vectors that were drawn in each step.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    /// The number of context vectors.
    pub(super) vectors: usize,
    /// Positions by step.
    pub(super) positions: Vec<Vec<usize>>,
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

/// A host that draws the given positions, and is otherwise another one.
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
        self.host.towers()
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
            let drawn = Drawn { vectors, positions: vec![positions.clone()] };
            let found = sample_without_replacement(vectors, positions.len(), |_| drawn.bits(0).unwrap());
            assert_eq!(found, positions);
        }
    }
}
