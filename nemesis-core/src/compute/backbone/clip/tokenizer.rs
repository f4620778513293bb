//! CLIP's byte-pair encoding, after `clip/simple_tokenizer.py` of openai/CLIP.

use super::text_cleaning::clean;
use flate2::read::GzDecoder;
use regex::Regex;
use std::collections::HashMap;
use std::io::Read;
use std::sync::LazyLock;

/// The token before every prompt.
pub const START: i64 = 49406;

/// The token after every prompt, whose row is the prompt's feature.
pub const END: i64 = 49407;

/// Merges in the order of their ranks, one pair a line after a header; MIT licence of OpenAI, see `LICENSE` beside it.
const VOCABULARY: &[u8] = include_bytes!("vocabulary/bpe_simple_vocab_16e6.txt.gz");

/// The vocabulary file holds more merges than the model knows: bytes, bytes at a word's end, merges, start and end
/// make 49,408 tokens.
const MERGES: usize = START as usize - 2 * 256;

/// Splits text into the tokens that CLIP was trained with.
pub struct Tokenizer {
    /// The token of each byte; that of the same byte at the end of a word is 256 higher.
    bytes: [i64; 256],
    /// The token that two neighbouring tokens merge into. Of several possible merges the lowest token goes first.
    merges: HashMap<(i64, i64), i64>,
    words: Regex,
}

static CLIP: LazyLock<Tokenizer> = LazyLock::new(Tokenizer::read_vocabulary);

impl Tokenizer {
    /// The tokenizer of all of OpenAI's models. Its vocabulary is unpacked on the first call.
    pub fn clip() -> &'static Self {
        &CLIP
    }

    /// The tokens of a text, without [`START`] and [`END`].
    ///
    /// As in CLIP, `<|startoftext|>` and `<|endoftext|>` in the text are read as these two tokens.
    pub fn encode(&self, text: &str) -> Vec<i64> {
        let text = clean(text);
        let mut tokens = Vec::new();
        for word in self.words.find_iter(&text) {
            match word.as_str() {
                "<|startoftext|>" => tokens.push(START),
                "<|endoftext|>" => tokens.push(END),
                word => tokens.extend(self.merge(word)),
            }
        }
        tokens
    }

    /// The bytes of every token of the vocabulary, in their order, and whether they are the end of a word.
    pub fn vocabulary(&self) -> Vec<(Vec<u8>, bool)> {
        let mut all = vec![(Vec::new(), true); END as usize + 1];
        for (byte, token) in (0..=u8::MAX).zip(self.bytes) {
            all[token as usize] = (vec![byte], false);
            all[token as usize + 256] = (vec![byte], true);
        }
        let mut merges: Vec<_> = self.merges.iter().collect();
        merges.sort_unstable_by_key(|(_, merged)| **merged);
        for ((first, second), merged) in merges {
            let (end, is_end) = &all[*second as usize];
            all[*merged as usize] = ([all[*first as usize].0.as_slice(), end].concat(), *is_end);
        }
        all[START as usize].0 = b"<|startoftext|>".to_vec();
        all[END as usize].0 = b"<|endoftext|>".to_vec();
        all
    }

    /// The tokens of one word: its bytes, merged pair by pair in the order of the merges' ranks.
    fn merge(&self, word: &str) -> Vec<i64> {
        let mut tokens: Vec<i64> = word.bytes().map(|b| self.bytes[usize::from(b)]).collect();
        if let Some(last) = tokens.last_mut() {
            *last += 256;
        }
        let lowest_merge = |tokens: &[i64]| {
            let merged =
                |pair: &[i64]| self.merges.get(&(pair[0], pair[1])).map(|merged| (*merged, (pair[0], pair[1])));
            tokens.windows(2).filter_map(merged).min()
        };
        while let Some((merged, pair)) = lowest_merge(&tokens) {
            let mut kept = Vec::with_capacity(tokens.len());
            let mut at = 0;
            while at < tokens.len() {
                let is_pair = tokens.get(at + 1).is_some_and(|next| (tokens[at], *next) == pair);
                kept.push(if is_pair { merged } else { tokens[at] });
                at += if is_pair { 2 } else { 1 };
            }
            tokens = kept;
        }
        tokens
    }

    fn read_vocabulary() -> Self {
        let mut lines = String::new();
        GzDecoder::new(VOCABULARY).read_to_string(&mut lines).expect("the embedded vocabulary is intact");
        let (bytes, letters) = letters_of_bytes();
        let mut tokens: HashMap<String, i64> = HashMap::with_capacity(MERGES + 512);
        for (token, letter) in letters.iter().enumerate() {
            tokens.insert(letter.to_string(), token as i64);
            tokens.insert(format!("{letter}</w>"), token as i64 + 256);
        }
        let mut merges = HashMap::with_capacity(MERGES);
        for (rank, line) in lines.lines().skip(1).take(MERGES).enumerate() {
            let (first, second) = line.split_once(' ').expect("each line of the embedded vocabulary is a pair");
            let merged = 512 + rank as i64;
            merges.insert((tokens[first], tokens[second]), merged);
            tokens.insert(format!("{first}{second}"), merged);
        }
        let words =
            Regex::new(r"(?i)<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")
                .expect("the pattern is valid");
        Self { bytes, merges, words }
    }
}

/// The token of each byte, and the letter that the vocabulary file writes for each of these tokens.
///
/// Printable bytes stand for themselves and come first; the others get letters from U+0100 on.
fn letters_of_bytes() -> ([i64; 256], Vec<char>) {
    let is_printable = |b: &u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let (printable, other): (Vec<u8>, Vec<u8>) = (0..=255).partition(is_printable);
    let mut tokens = [0; 256];
    for (token, byte) in printable.iter().chain(&other).enumerate() {
        tokens[usize::from(*byte)] = token as i64;
    }
    let stand_ins = (0x100..).filter_map(char::from_u32).take(other.len());
    (tokens, printable.iter().copied().map(char::from).chain(stand_ins).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn start_and_end_are_read_from_the_text_in_any_case() {
        assert_eq!(Tokenizer::clip().encode("a <|EndOfText|>"), [320, END]);
    }

    #[test]
    fn an_empty_text_has_no_token() {
        assert_eq!(Tokenizer::clip().encode(" \n"), [0; 0]);
    }

    proptest! {
        #[test]
        fn every_text_has_tokens_of_the_vocabulary(text in "\\PC*") {
            prop_assert!(Tokenizer::clip().encode(&text).iter().all(|token| (0..=END).contains(token)));
        }

        #[test]
        fn words_are_encoded_one_by_one(first in "[a-z]{1,12}", second in "[a-z]{1,12}") {
            let tokenizer = Tokenizer::clip();
            let both = tokenizer.encode(&format!("{first} {second}"));
            prop_assert_eq!(both, [tokenizer.encode(&first), tokenizer.encode(&second)].concat());
        }
    }
}
