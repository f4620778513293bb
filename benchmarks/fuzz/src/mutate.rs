//! Changes to an input: what breaks readers are flipped bits, extreme numbers, cut and repeated parts, and known words in
//! places where they do not belong.

use crate::chance::Chance;

/// Numbers at which arithmetic goes wrong.
const EXTREME: [u64; 16] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

/// Numbers in words, for formats that are text.
const NUMBERS: [&str; 10] = [
    "0",
    "-1",
    "1e999",
    "18446744073709551616",
    "9223372036854775807",
    "-9223372036854775808",
    "1e-400",
    "NaN",
    "4294967296",
    "0x7f",
];

/// No input grows beyond this.
const LONGEST: usize = 1 << 20;

/// Changes an input in one to eight places.
pub(crate) fn mutate(input: &mut Vec<u8>, words: &[Vec<u8>], others: &[Vec<u8>], chance: &mut Chance) {
    for _ in 0..=chance.up_to(4) {
        once(input, words, others, chance);
    }
    input.truncate(LONGEST);
}

fn once(input: &mut Vec<u8>, words: &[Vec<u8>], others: &[Vec<u8>], chance: &mut Chance) {
    let at = chance.below(input.len() + 1);
    match chance.below(12) {
        0 if at < input.len() => input[at] ^= 1 << chance.below(8),
        1 if at < input.len() => input[at] = chance.next() as u8,
        2 | 3 => number(input, at, chance),
        4 => {
            let end = (at + chance.up_to(10)).min(input.len());
            input.drain(at..end);
        }
        5 => {
            let end = (at + 1 + chance.up_to(8)).min(input.len());
            let part = input[at..end].to_vec();
            let times = 1 + chance.up_to(8);
            insert(input, at, &part.repeat(times));
        }
        6 => {
            if let Some(word) = chance.pick(words).cloned() {
                insert(input, at, &word);
            }
        }
        7 => {
            if let Some(word) = chance.pick(words).cloned() {
                overwrite(input, at, &word);
            }
        }
        8 => {
            if let Some(other) = chance.pick(others).cloned() {
                // The beginning of this one, the end of the other.
                let cut = chance.below(other.len() + 1);
                input.truncate(at);
                input.extend(&other[cut..]);
            }
        }
        9 => {
            let word = NUMBERS[chance.below(NUMBERS.len())].as_bytes();
            replace_digits(input, at, word);
        }
        10 => input.truncate(at),
        _ => {
            let to = chance.below(input.len() + 1);
            let end = (at + chance.below(64)).min(input.len());
            let part = input[at..end].to_vec();
            overwrite(input, to, &part);
        }
    }
}

/// Writes an extreme number, or one near to it or to what is there, in any width and either order.
fn number(input: &mut [u8], at: usize, chance: &mut Chance) {
    let width = 1 << chance.below(4);
    let Some(place) = input.get_mut(at..at + width) else { return };
    let is_big = chance.one_in(2);
    let mut bytes = [0; 8];
    bytes[..width].copy_from_slice(place);
    if is_big {
        bytes[..width].reverse();
    }
    let near = chance.below(17) as u64;
    let value = match chance.below(3) {
        0 => u64::from_le_bytes(bytes).wrapping_add(near).wrapping_sub(8),
        1 => EXTREME[chance.below(EXTREME.len())],
        _ => EXTREME[chance.below(EXTREME.len())].wrapping_add(near).wrapping_sub(8),
    };
    place.copy_from_slice(&value.to_le_bytes()[..width]);
    if is_big {
        place.reverse();
    }
}

/// Replaces the digits at a place, or after it.
fn replace_digits(input: &mut Vec<u8>, at: usize, word: &[u8]) {
    let Some(start) = (at..input.len()).find(|at| input[*at].is_ascii_digit()) else { return };
    let end = (start..input.len()).find(|at| !input[*at].is_ascii_digit()).unwrap_or(input.len());
    input.splice(start..end, word.iter().copied());
}

fn insert(input: &mut Vec<u8>, at: usize, part: &[u8]) {
    if input.len() + part.len() <= LONGEST {
        input.splice(at..at, part.iter().copied());
    }
}

fn overwrite(input: &mut [u8], at: usize, part: &[u8]) {
    let end = (at + part.len()).min(input.len());
    if at < end {
        input[at..end].copy_from_slice(&part[..end - at]);
    }
}

/// The words of the seeds, which a format is likely to know.
pub(crate) fn words_of(seeds: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    for seed in seeds {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let parts = seed.split(|byte| !is_part(byte)).filter(|part| (2..40).contains(&part.len()));
        words.extend(parts.take(2000).map(<[u8]>::to_vec));
    }
    for sign in [
        "{", "}", "[", "]", ":", ",", "- ", "\n", "\"", "&a", "*a", "!!", "null", "true", "../", "/", "\u{feff}", "é",
        "\0", "|", ">", "<<: ",
    ] {
        words.push(sign.as_bytes().to_vec());
    }
    words.sort_unstable();
    words.dedup();
    words
}
