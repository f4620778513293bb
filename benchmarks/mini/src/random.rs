//! A stream of draws for one picture or one purpose, over the counter-based generator of the SDK.

use nemesis_core::method::random;

/// The draws of (seed, purpose, index), one after the other.
pub(super) struct Stream {
    seed: u64,
    purpose: &'static str,
    index: u64,
    drawn: Vec<u64>,
    next: usize,
}

impl Stream {
    pub(super) fn new(seed: u64, purpose: &'static str, index: u64) -> Self {
        Self { seed, purpose, index, drawn: random::draws(seed, purpose, index, 64), next: 0 }
    }

    /// 64 uniform bits.
    pub(super) fn bits(&mut self) -> u64 {
        if self.next == self.drawn.len() {
            // A longer stream begins with the shorter one, so doubling only goes on where it ended.
            self.drawn = random::draws(self.seed, self.purpose, self.index, 2 * self.next);
        }
        self.next += 1;
        self.drawn[self.next - 1]
    }

    /// A number in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f32 {
        // 24 bits, so that no rounding to f32 reaches 1.
        (self.bits() >> 40) as f32 / (1 << 24) as f32
    }

    /// A number in `[low, high)`.
    pub(super) fn within(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A number in `[-reach, reach)`.
    pub(super) fn around(&mut self, reach: f32) -> f32 {
        self.within(-reach, reach)
    }

    /// A number in `0..n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        random::below(self.bits(), n as u64) as usize
    }

    /// A number in `low..=high`.
    pub(super) fn count(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// Whether an event of this probability happens.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// One of the choices.
    pub(super) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// One of the choices, by value.
    pub(super) fn one<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}
