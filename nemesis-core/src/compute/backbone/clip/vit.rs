//! CLIP's vision transformer, after `VisionTransformer` in `clip/model.py` of openai/CLIP.

use super::layers::{Block, LayerNorm, rounded};
use super::weights::Weights;
use crate::{Error, Result};
use tch::{Device, Kind, Tensor};

/// A vision transformer whose class token is the image's feature.
#[derive(Debug)]
pub struct VisionTransformer {
    /// `[width, 3, patch, patch]`
    patches: Tensor,
    class_embedding: Tensor,
    /// `[1 + patches, width]`
    positions: Tensor,
    ln_pre: LayerNorm,
    blocks: Vec<Block>,
    ln_post: LayerNorm,
    /// `[width, embed_dim]`
    projection: Tensor,
    /// The type that products are rounded to.
    kind: Kind,
}

impl VisionTransformer {
    /// Reads the tower and its sizes off the weights `visual.*`.
    ///
    /// # Errors
    ///
    /// When a weight is missing or has another shape than the others ask for.
    pub fn from_weights(weights: &Weights) -> Result<Self> {
        let [width, _, patch, _] = weights.sizes("visual.conv1.weight")?;
        let [positions, _] = weights.sizes("visual.positional_embedding")?;
        let [_, embed_dim] = weights.sizes("visual.proj")?;
        if (positions - 1).max(0).isqrt().pow(2) != positions - 1 {
            return Err(Error::new(format!("the image tower has {positions} positions"))
                .expected("the class token and a square of patches")
                .help("give a checkpoint of a CLIP model with OpenAI's weight names"));
        }
        let patches = weights.get("visual.conv1.weight", &[width, 3, patch, patch])?;
        Ok(Self {
            kind: weights.rounds_to(&patches),
            patches,
            class_embedding: weights.get("visual.class_embedding", &[width])?,
            positions: weights.get("visual.positional_embedding", &[positions, width])?,
            ln_pre: LayerNorm::from_weights(weights, "visual.ln_pre", width)?,
            blocks: Block::all_from_weights(weights, "visual.transformer.resblocks.", width)?,
            ln_post: LayerNorm::from_weights(weights, "visual.ln_post", width)?,
            projection: weights.get("visual.proj", &[width, embed_dim])?,
        })
    }

    /// Side of the input image in pixels: patch size times patches a side.
    pub fn image_size(&self) -> i64 {
        self.patches.size()[2] * (self.positions.size()[0] - 1).isqrt()
    }

    /// Its sizes in words.
    pub(super) fn shape(&self) -> String {
        let (width, layers, patch) = (self.width(), self.blocks.len(), self.patches.size()[2]);
        format!("ViT of width {width}, {layers} layers, patches of {patch}, {} pixels", self.image_size())
    }

    /// The class token's place and those of patches.
    pub(super) fn places(&self) -> i64 {
        self.positions.size()[0]
    }

    /// The width of a token.
    pub(super) fn width(&self) -> i64 {
        self.class_embedding.size()[0]
    }

    /// How many blocks there are.
    pub(super) fn layers(&self) -> i64 {
        self.blocks.len() as i64
    }

    /// The side of a patch in pixels.
    pub(super) fn patch(&self) -> i64 {
        self.patches.size()[2]
    }

    /// Width of the shared embedding space.
    pub fn embed_dim(&self) -> i64 {
        self.projection.size()[1]
    }

    /// The normalisation before the first block.
    pub(super) fn ln_pre(&self) -> &LayerNorm {
        &self.ln_pre
    }

    /// The normalisation after the last block.
    pub(super) fn ln_post(&self) -> &LayerNorm {
        &self.ln_post
    }

    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Where the weights lie.
    pub(super) fn device(&self) -> Device {
        self.positions.device()
    }

    /// The type that products are rounded to, which is that of tokens.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Features `[images, embed_dim]`, not normalised, of pixels `[images, 3, image_size, image_size]`.
    pub fn forward(&self, pixels: &Tensor) -> Tensor {
        self.project(&self.ln_post, &self.tokens(pixels).select(1, 0))
    }

    /// Features as of [`Self::forward`], and dense features `[images, patches, embed_dim]`, not normalised: the tokens of
    /// the patches go the way of the class token, through `ln_post` and the projection.
    pub fn forward_places(&self, pixels: &Tensor) -> (Tensor, Tensor) {
        let tokens = self.tokens(pixels);
        let patches = tokens.size()[1] - 1;
        let project = |tokens: &Tensor| self.project(&self.ln_post, tokens);
        (project(&tokens.select(1, 0)), project(&tokens.narrow(1, 1, patches)))
    }

    /// Class token and patches `[images, 1 + patches, width]` after the last block.
    fn tokens(&self, pixels: &Tensor) -> Tensor {
        let mut x = self.ln_pre.forward(&self.embed(pixels));
        for block in &self.blocks {
            x = block.forward(&x, false);
        }
        x
    }

    /// Class token and patches `[images, 1 + patches, width]` with their positions, before they are normalised.
    pub(super) fn embed(&self, pixels: &Tensor) -> Tensor {
        let (images, width, patch) = (pixels.size()[0], self.class_embedding.size()[0], self.patches.size()[2]);
        let convolve = |pixels: &Tensor| pixels.conv2d(&self.patches, None::<&Tensor>, patch, 0, 1, 1);
        let patches = rounded(pixels, &self.patches, self.kind, convolve);
        let patches = patches.flatten(2, 3).transpose(1, 2);
        let [class, positions] = [&self.class_embedding, &self.positions].map(|t| t.to_kind(self.kind));
        let class = class.expand([images, 1, width], false);
        Tensor::cat(&[class, patches], 1) + positions
    }

    /// Tokens `[…, width]` in the shared embedding space, after a normalisation.
    pub(super) fn project(&self, ln_post: &LayerNorm, tokens: &Tensor) -> Tensor {
        let tokens = ln_post.forward(tokens);
        rounded(&tokens, &self.projection, self.kind, |tokens| tokens.matmul(&self.projection))
    }
}
