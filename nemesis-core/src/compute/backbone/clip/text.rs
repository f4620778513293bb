//! CLIP's text tower, after `CLIP.encode_text` in `clip/model.py` of openai/CLIP.

use super::layers::{Block, LayerNorm, rounded};
use super::weights::Weights;
use crate::Result;
use tch::{Device, Kind, Tensor};

/// A causal transformer over tokens, in which the row of the end token is the prompt's feature.
#[derive(Debug)]
pub struct TextTower {
    /// `[vocabulary, width]`
    token_embedding: Tensor,
    /// `[context_length, width]`
    positions: Tensor,
    pub(super) blocks: Vec<Block>,
    ln_final: LayerNorm,
    /// `[width, embed_dim]`
    projection: Tensor,
    /// The type that products are rounded to.
    rounds_to: Kind,
    /// The type of what goes in, of what layers hand on, and of what comes out.
    kind: Kind,
}

impl TextTower {
    /// Reads the tower and its sizes off the weights `token_embedding.weight`, `transformer.*`, ….
    ///
    /// # Errors
    ///
    /// When a weight is missing or has another shape than the others ask for.
    pub fn from_weights(weights: &Weights) -> Result<Self> {
        let [vocabulary, width] = weights.sizes("token_embedding.weight")?;
        let [context_length, _] = weights.sizes("positional_embedding")?;
        let [_, embed_dim] = weights.sizes("text_projection")?;
        let projection = weights.get("text_projection", &[width, embed_dim])?;
        let kind = weights.rounds_to(&projection);
        Ok(Self {
            token_embedding: weights.get("token_embedding.weight", &[vocabulary, width])?,
            positions: weights.get("positional_embedding", &[context_length, width])?,
            blocks: Block::all_from_weights(weights, "transformer.resblocks.", width)?,
            ln_final: LayerNorm::from_weights(weights, "ln_final", width)?,
            projection,
            rounds_to: kind,
            kind,
        })
    }

    /// The same tower with what it is made for left in single precision between products, as autocast leaves it:
    /// embeddings, what layers hand on, and features.
    #[must_use]
    pub fn mixed(self) -> Self {
        Self { kind: Kind::Float, ..self }
    }

    /// The normalisation after the last layer.
    pub(super) fn ln_final(&self) -> &LayerNorm {
        &self.ln_final
    }

    /// What the tower has outside of its layers, with a different normalisation after the last.
    pub(super) fn with_ln_final(&self, ln_final: LayerNorm) -> Self {
        Self {
            token_embedding: self.token_embedding.shallow_clone(),
            positions: self.positions.shallow_clone(),
            blocks: Vec::new(),
            ln_final,
            projection: self.projection.shallow_clone(),
            rounds_to: self.rounds_to,
            kind: self.kind,
        }
    }

    /// The number of tokens that it knows.
    pub fn vocabulary(&self) -> i64 {
        self.token_embedding.size()[0]
    }

    /// The longest prompt in tokens.
    pub fn context_length(&self) -> i64 {
        self.positions.size()[0]
    }

    /// Its sizes in words.
    pub(super) fn shape(&self) -> String {
        format!("text of width {}, {} layers", self.width(), self.blocks.len())
    }

    /// The width of a token's embedding.
    pub fn width(&self) -> i64 {
        self.token_embedding.size()[1]
    }

    /// Width of the shared embedding space.
    pub fn embed_dim(&self) -> i64 {
        self.projection.size()[1]
    }

    /// Where the weights lie.
    pub(super) fn device(&self) -> Device {
        self.positions.device()
    }

    /// The type of what goes in, of what layers hand on, and of what comes out.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The type that products are rounded to.
    pub(super) fn rounds_to(&self) -> Kind {
        self.rounds_to
    }

    /// Tokens or row numbers as a tensor beside the weights.
    pub(super) fn indices(&self, indices: &[i64]) -> Tensor {
        Tensor::from_slice(indices).to_device(self.device())
    }

    /// The embeddings `[count, width]` of some places in a prompt, from `start` on.
    pub(super) fn positions(&self, start: i64, count: i64) -> Tensor {
        self.positions.narrow(0, start, count).to_kind(self.kind())
    }

    /// The embeddings `[…, width]` of places `[…]` in a prompt.
    pub(super) fn positions_at(&self, places: &Tensor) -> Tensor {
        Tensor::embedding(&self.positions, places, -1, false, false).to_kind(self.kind())
    }

    /// Embeddings `[…, width]` of tokens `[…]`, without positions.
    pub fn embed(&self, tokens: &Tensor) -> Tensor {
        Tensor::embedding(&self.token_embedding, tokens, -1, false, false).to_kind(self.kind())
    }

    /// Features `[prompts, embed_dim]`, not normalised, of tokens `[prompts, tokens]` with at most `context_length`
    /// of them. As in CLIP the end of a prompt is where its highest token is first.
    pub fn forward_tokens(&self, tokens: &Tensor) -> Tensor {
        self.forward(&self.embed(tokens), &tokens.argmax(-1, false))
    }

    /// Features `[prompts, embed_dim]`, not normalised, of token embeddings `[prompts, tokens, width]` without
    /// positions; `ends` `[prompts]` is the row of each prompt's end token.
    pub fn forward(&self, embeddings: &Tensor, ends: &Tensor) -> Tensor {
        let tokens = embeddings.size()[1];
        let mut x = embeddings + self.positions(0, tokens);
        for block in &self.blocks {
            x = block.forward(&x, true);
        }
        let rows = ends.view([-1, 1, 1]).expand([-1, 1, self.width()], false);
        self.project(&x.gather(1, &rows, false).squeeze_dim(1))
    }

    /// Features `[…, embed_dim]` of end-token rows `[…, width]` as the last layer leaves them.
    pub(super) fn project(&self, rows: &Tensor) -> Tensor {
        let rows = self.ln_final.forward(rows);
        rounded(&rows, &self.projection, self.rounds_to, |rows| rows.matmul(&self.projection)).to_kind(self.kind)
    }
}
