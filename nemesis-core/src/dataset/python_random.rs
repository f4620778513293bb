//! CPython's `random` module: MT19937 and what CoOp draws with it, bit for bit.
//!
//! CoOp's few-shot sets are `random.sample` after `random.seed(seed)`; drawing the published sets takes the same
//! generator, the same rejection loop and the same two variants of sampling. Checked against CPython 3.11.

use std::collections::HashSet;

const N: usize = 624;
const M: usize = 397;

/// The generator behind Python's module-level `random` functions.
#[derive(Clone)]
pub struct PythonRandom {
    state: [u32; N],
    next: usize,
}

impl PythonRandom {
    /// `random.seed(seed)` for a non-negative integer.
    pub fn new(seed: u64) -> Self {
        // CPython cuts the integer into 32-bit words, the lowest first, without leading zeros but at least one word.
        let words = [seed as u32, (seed >> 32) as u32];
        Self::from_key(if words[1] == 0 { &words[..1] } else { &words })
    }

    /// `init_by_array` of the reference implementation of MT19937.
    fn from_key(key: &[u32]) -> Self {
        let mut state = [0_u32; N];
        state[0] = 19_650_218;
        for i in 1..N {
            state[i] = mix(state[i - 1]).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        let (mut i, mut j) = (1, 0);
        for _ in 0..N.max(key.len()) {
            let product = mix(state[i - 1]).wrapping_mul(1_664_525);
            state[i] = (state[i] ^ product).wrapping_add(key[j]).wrapping_add(j as u32);
            i += 1;
            j = (j + 1) % key.len();
            if i == N {
                state[0] = state[N - 1];
                i = 1;
            }
        }
        for _ in 1..N {
            let product = mix(state[i - 1]).wrapping_mul(1_566_083_941);
            state[i] = (state[i] ^ product).wrapping_sub(i as u32);
            i += 1;
            if i == N {
                state[0] = state[N - 1];
                i = 1;
            }
        }
        state[0] = 0x8000_0000;
        Self { state, next: N }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == N {
            self.refill();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn refill(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// `random.getrandbits(bits)` for 1 to 32 bits: the top bits of one output of the generator.
    fn bits(&mut self, bits: u32) -> u32 {
        self.next_u32() >> (32 - bits)
    }

    /// `random._randbelow(n)`: an integer in `0..n`, for `n` of at least one.
    fn below(&mut self, n: usize) -> usize {
        let n = u32::try_from(n).expect("no list has four billion samples");
        // For n = 2^k CPython takes k + 1 bits, and for n = 1 it still draws: both cost draws, so they matter here.
        let bits = u32::BITS - n.leading_zeros();
        loop {
            let draw = self.bits(bits);
            if draw < n {
                return draw as usize;
            }
        }
    }

    /// `random.sample(population, k)`; the whole population, undrawn and in order, if it has fewer than `k` items,
    /// as Dassl does (`DatasetBase.generate_fewshot_dataset`).
    pub fn sample<T: Clone>(&mut self, population: &[T], k: usize) -> Vec<T> {
        let n = population.len();
        if n < k {
            return population.to_vec();
        }
        if n <= pool_limit(k) {
            let mut pool = population.to_vec();
            (0..k)
                .map(|i| {
                    let j = self.below(n - i);
                    let last = pool[n - i - 1].clone();
                    std::mem::replace(&mut pool[j], last)
                })
                .collect()
        } else {
            let mut selected = HashSet::with_capacity(k);
            let mut draw = || {
                loop {
                    let j = self.below(n);
                    if selected.insert(j) {
                        return population[j].clone();
                    }
                }
            };
            (0..k).map(|_| draw()).collect()
        }
    }

    /// `random.shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i + 1);
            items.swap(i, j);
        }
    }
}

fn mix(previous: u32) -> u32 {
    previous ^ (previous >> 30)
}

/// The largest population that `random.sample` copies into a pool: `21`, and `4^ceil(log_4(3k))` more for `k > 5`.
fn pool_limit(k: usize) -> usize {
    let mut power = 1;
    while power < 3 * k {
        power *= 4;
    }
    if k > 5 { 21 + power } else { 21 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn first_outputs_are_cpythons() {
        for (seed, expected) in [
            (1, [577_090_037, 2_444_712_010, 3_639_700_191]),
            (2, [4_106_135_923, 3_707_026_329, 4_070_888_059]),
            (3, [1_022_050_301, 2_545_373_330, 2_337_446_730]),
        ] {
            let mut random = PythonRandom::new(seed);
            assert_eq!([(); 3].map(|()| random.bits(32)), expected);
        }
    }

    #[test]
    fn samples_are_cpythons() {
        let small: Vec<u32> = (0..80).collect();
        let large: Vec<u32> = (0..1500).collect();
        for (seed, four, sixteen) in [
            (1, [17, 72, 8, 32], [241, 1014, 920, 967, 1334]),
            (2, [7, 11, 10, 46], [346, 1371, 631, 515, 1240]),
            (3, [30, 75, 69, 16], [757, 1236, 970, 1281, 1189]),
        ] {
            let mut random = PythonRandom::new(seed);
            assert_eq!(random.sample(&small, 4), four);
            assert_eq!(random.sample(&large, 16)[..5], sixteen);
        }
    }

    #[test]
    fn seeds_beyond_32_bits_are_cpythons() {
        for (seed, outputs, shuffled, sampled) in [
            (0, [3_626_764_237, 1_654_615_998], [4, 1, 5, 2, 0, 3, 7, 6], [17, 36, 12, 79, 32, 68]),
            (1 << 32, [485_306_839, 1_508_871_100], [5, 7, 6, 4, 0, 3, 2, 1], [55, 64, 40, 43, 48, 61]),
            ((1 << 63) + 5, [1_478_493_593, 736_485_321], [6, 2, 7, 0, 4, 3, 1, 5], [1, 35, 71, 70, 58, 8]),
        ] {
            let mut random = PythonRandom::new(seed);
            assert_eq!([(); 2].map(|()| random.bits(32)), outputs);
            let mut items: Vec<u32> = (0..8).collect();
            PythonRandom::new(seed).shuffle(&mut items);
            assert_eq!(items, shuffled);
            // 86 is the first population that is sampled without a pool at k = 6; a single item costs draws too.
            let mut random = PythonRandom::new(seed);
            assert_eq!(random.sample(&[0], 1), [0]);
            random.sample(&(0..64).collect::<Vec<u32>>(), 6);
            random.sample(&(0..85).collect::<Vec<u32>>(), 6);
            assert_eq!(random.sample(&(0..86).collect::<Vec<u32>>(), 6), sampled);
        }
    }

    proptest! {
        #[test]
        fn a_sample_has_distinct_members_of_the_population(seed: u64, n in 0_usize..200, k in 0_usize..40) {
            let population: Vec<usize> = (0..n).collect();
            let sample = PythonRandom::new(seed).sample(&population, k);
            prop_assert_eq!(sample.len(), n.min(k));
            let distinct: HashSet<_> = sample.iter().collect();
            prop_assert_eq!(distinct.len(), sample.len());
            prop_assert!(sample.iter().all(|item| *item < n));
        }

        #[test]
        fn a_shuffle_is_a_permutation(seed: u64, n in 0_usize..200) {
            let mut items: Vec<usize> = (0..n).collect();
            PythonRandom::new(seed).shuffle(&mut items);
            items.sort_unstable();
            prop_assert!(items.into_iter().eq(0..n));
        }
    }
}
