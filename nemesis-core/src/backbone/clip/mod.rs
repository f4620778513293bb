//! CLIP as OpenAI published it: Radford et al., "Learning Transferable Visual Models From Natural Language
//! Supervision" (2021).

mod text_cleaning;
mod tokenizer;

pub use tokenizer::{END, START, Tokenizer};
