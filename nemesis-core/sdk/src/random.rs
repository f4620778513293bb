//! Random draws without state: every number is a pure function of a seed, a purpose, an index and its position.
//!
//! The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), a keyed
//! bijection of 128-bit counters. The seed is the key, and the counter is
//!
//! | 32-bit word | holds                                                                            |
//! |-------------|----------------------------------------------------------------------------------|
//! | 0           | the number of the block; each block of four words gives two draws, low word first |
//! | 1           | the 32-bit FNV-1a hash of the purpose                                            |
//! | 2, 3        | the index, low word first                                                        |
//!
//! so that two streams with different seeds or indices share no block, and neither the number of workers nor the order
//! of calls can change a draw. Logarithm, sine and cosine come from `libm`, because the last digits of the system's may
//! differ.

use std::f64::consts::TAU;

/// `count` draws of 64 uniform bits: the stream of (`seed`, `purpose`, `index`) from its beginning.
///
/// A longer stream begins with the shorter one.
pub fn draws(seed: u64, purpose: &str, index: u64, count: usize) -> Vec<u64> {
    let purpose = fnv1a(purpose.as_bytes());
    let (key, index) = (split(seed), split(index));
    let blocks = (0..).flat_map(|block| {
        let [a, b, c, d] = philox4x32_10([block, purpose, index[0], index[1]], key);
        [join(a, b), join(c, d)]
    });
    blocks.take(count).collect()
}

/// How many numbers a block of [`words`] has.
pub const WORDS_IN_BLOCK: usize = 4;

/// Numbers of 32 uniform bits: the stream of [`draws`], each number of which is two of these, from a block on. Blocks
/// repeat after 2^32.
pub fn words(seed: u64, purpose: &str, index: u64, first_block: u64) -> impl Iterator<Item = u32> + use<> {
    let purpose = fnv1a(purpose.as_bytes());
    let (key, index) = (split(seed), split(index));
    (first_block..).flat_map(move |block| philox4x32_10([split(block)[0], purpose, index[0], index[1]], key))
}

/// The index of a draw that belongs to an item of an epoch, such as an image's crop.
pub const fn item_index(epoch: u32, item: u32) -> u64 {
    join(item, epoch)
}

/// A number in `[0, 1)` from the 53 high bits of a draw.
pub fn uniform(draw: u64) -> f64 {
    (draw >> 11) as f64 * EPSILON
}

/// A number in `0..n`, or 0 for an empty range. The odds of two results differ by less than `n / 2^64`.
pub fn below(draw: u64, n: u64) -> u64 {
    ((u128::from(draw) * u128::from(n)) >> 64) as u64
}

/// `count` numbers of the standard normal distribution, by the transform of Box and Muller.
///
/// `draw` is called once for the bits needed. In a method, it is `|n| host.random("context", 0, n)`.
pub fn normals(count: usize, draw: impl FnOnce(usize) -> Vec<u64>) -> Vec<f64> {
    let draws = draw(count.next_multiple_of(2));
    let pairs = draws.chunks_exact(2).flat_map(|pair| {
        // The logarithm needs a number in (0, 1].
        let radius = (-2.0 * libm::log(uniform(pair[0]) + EPSILON)).sqrt();
        let angle = TAU * uniform(pair[1]);
        [radius * libm::cos(angle), radius * libm::sin(angle)]
    });
    pairs.take(count).collect()
}

/// `count` distinct numbers of `0..n` in random order; all `n` of them when `count` is larger.
///
/// `draw` is called once for the bits needed.
pub fn sample_without_replacement(n: usize, count: usize, draw: impl FnOnce(usize) -> Vec<u64>) -> Vec<usize> {
    let count = count.min(n);
    let mut order: Vec<usize> = (0..n).collect();
    // The first `count` steps of the shuffle of Fisher and Yates.
    for (i, bits) in draw(count).into_iter().enumerate().take(count) {
        order.swap(i, i + below(bits, (n - i) as u64) as usize);
    }
    order.truncate(count);
    order
}

/// The numbers `0..n` in random order.
///
/// `draw` is called once for the bits needed.
pub fn permutation(n: usize, draw: impl FnOnce(usize) -> Vec<u64>) -> Vec<usize> {
    sample_without_replacement(n, n, draw)
}

/// The distance between neighbouring results of [`uniform`], 2^-53.
const EPSILON: f64 = 1.0 / (1u64 << 53) as f64;

const fn split(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

const fn join(low: u32, high: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The ten rounds of Philox4x32, with the constants of the paper.
fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let [low0, high0] = split(u64::from(counter[0]) * 0xd251_1f53);
        let [low1, high1] = split(u64::from(counter[2]) * 0xcd9e_8d57);
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that the authors publish with their Random123 library.
    #[test]
    fn philox_gives_the_published_answers() {
        let max = u32::MAX;
        for (counter, key, expected) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([max; 4], [max; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox4x32_10(counter, key), expected);
        }
    }

    #[test]
    fn purposes_are_hashed_by_fnv1a() {
        assert_eq!(fnv1a(b""), 0x811c_9dc5);
        assert_eq!(fnv1a(b"foobar"), 0xbf9c_f968);
    }

    /// Records of published results depend on these numbers: they must never change.
    #[test]
    fn streams_stay_what_they_are() {
        let stream = draws(1, "crop", item_index(2, 3), 3);
        assert_eq!(stream, [15_671_801_849_605_650_207, 4_911_289_626_488_241_725, 8_629_637_865_111_127_019]);
    }

    #[test]
    fn a_longer_stream_begins_with_the_shorter_one_and_streams_differ() {
        let stream = draws(7, "order", 5, 9);
        assert_eq!(draws(7, "order", 5, 4), stream[..4]);
        for other in [draws(8, "order", 5, 9), draws(7, "crop", 5, 9), draws(7, "order", 6, 9)] {
            assert!(stream.iter().all(|draw| !other.contains(draw)));
        }
    }

    #[test]
    fn words_are_the_halves_of_draws_from_any_block_on() {
        let halves: Vec<u32> = draws(7, "order", 5, 12).into_iter().flat_map(split).collect();
        for block in 0..3 {
            let words: Vec<u32> = words(7, "order", 5, block).take(12).collect();
            assert_eq!(words, halves[WORDS_IN_BLOCK * block as usize..][..12]);
        }
    }

    #[test]
    fn uniform_and_below_stay_in_their_range() {
        assert_eq!((uniform(0), below(0, 7), below(u64::MAX, 0)), (0.0, 0, 0));
        assert!(uniform(u64::MAX) < 1.0);
        assert_eq!(below(u64::MAX, 7), 6);
        let mut counts = [0; 7];
        for draw in draws(1, "test", 0, 70_000) {
            counts[below(draw, 7) as usize] += 1;
        }
        // Five standard deviations around 10,000.
        assert!(counts.iter().all(|&count| (9_540..10_460).contains(&count)), "{counts:?}");
    }

    #[test]
    fn normals_have_the_moments_of_the_distribution() {
        let sample = normals(100_001, |n| draws(1, "test", 0, n));
        assert_eq!(sample.len(), 100_001);
        let moment = |p: i32| sample.iter().map(|x| x.powi(p)).sum::<f64>() / sample.len() as f64;
        assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.03, "{} {}", moment(1), moment(2));
        assert!(moment(3).abs() < 0.1 && (moment(4) - 3.0).abs() < 0.2, "{} {}", moment(3), moment(4));
    }

    #[test]
    fn samples_are_distinct_and_every_order_is_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for index in 0..24_000 {
            let order = permutation(4, |n| draws(3, "order", index, n));
            let pair = sample_without_replacement(4, 2, |n| draws(3, "order", index, n));
            assert_eq!(pair, order[..2]);
            *counts.entry(order).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 24);
        assert!(counts.values().all(|&count| (840..1_160).contains(&count)), "{counts:?}");
        assert_eq!(sample_without_replacement(3, 9, |n| draws(3, "order", 0, n)).len(), 3);
        assert!(permutation(0, |n| draws(3, "order", 0, n)).is_empty());
    }
}
