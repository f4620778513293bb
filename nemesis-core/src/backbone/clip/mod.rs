//! CLIP as OpenAI published it.
