//! What OpenAI's images go through before they are encoded.

use crate::backbone::Config;
use crate::image::Preprocess;

/// OpenAI's preprocessing, at a side of `size` pixels.
pub fn preprocess(size: usize) -> Preprocess {
    Config::OPENAI.preprocess(size)
}
