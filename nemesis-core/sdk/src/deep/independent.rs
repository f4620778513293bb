//! Prompts in the first layers of both towers that do not depend on each other: IVLP, and `PromptSRC` on top of it.

use super::{Context, context, for_images, random_prompt, text_features};
use crate::norm::NormLoss;
use crate::parameters::Parameters;
use crate::prompt::unit;
use crate::towers::{Changes, of};
use crate::{Batch, Host, Result, Task};
use tch::Tensor;

/// The prompts of both towers, under the authors' names (`VLPromptLearner` and `clip/model.py`).
#[derive(Debug)]
pub struct IndependentPrompts {
    /// What is learned.
    pub parameters: Parameters,
    /// Embeddings `[tokens, width]` of the words between the context and the class name, which stay.
    rest: Tensor,
    depth_text: usize,
    depth_vision: usize,
}

/// The name of the prompt of a layer of the text tower.
fn in_text(layer: usize) -> String {
    if layer == 0 { "ctx".to_owned() } else { format!("text_encoder.transformer.resblocks.{layer}.VPT_shallow") }
}

/// The name of the prompt of a layer of the image tower.
fn in_image(layer: usize) -> String {
    let transformer = "image_encoder.transformer.resblocks";
    if layer == 0 { "image_encoder.VPT".to_owned() } else { format!("{transformer}.{layer}.VPT_shallow") }
}

impl IndependentPrompts {
    /// Prompts of `text` tokens in so many layers of the text tower, and `images` in so many of the image tower: the
    /// context starts from the words `ctx_init`, all others are random.
    ///
    /// # Errors
    ///
    /// As [`context`].
    pub fn new(
        task: &Task,
        text: (usize, usize),
        ctx_init: &str,
        images: (usize, usize),
        host: &dyn Host,
    ) -> Result<Self> {
        let sizes = of(host)?.sizes();
        let ((n_ctx, depth_text), (n_ctx_vision, depth_vision)) = (text, images);
        let Context { learned, rest } = context(task, n_ctx, ctx_init, host)?;
        let mut parameters = Parameters::new(task);
        parameters.add(in_text(0), &learned);
        for layer in 1..depth_text {
            parameters.add(in_text(layer), &random_prompt(n_ctx, sizes.text_width, host, "text prompt", layer));
        }
        for layer in 0..depth_vision {
            let random = random_prompt(n_ctx_vision, sizes.image_width, host, "image prompt", layer);
            parameters.add(in_image(layer), &random);
        }
        Ok(Self { parameters, rest, depth_text, depth_vision })
    }

    /// Text features `[classes, embed_dim]` of length one.
    ///
    /// # Errors
    ///
    /// When the host cannot encode them.
    pub fn text_features(&self, host: &dyn Host) -> Result<Tensor> {
        text_features(&text_prompts(&self.parameters, self.depth_text)?, &self.rest, host)
    }

    /// The prompts of the text tower by layer, each `[vectors, width]`.
    ///
    /// # Errors
    ///
    /// When one is missing.
    pub fn text_prompts(&self) -> Result<Vec<Tensor>> {
        text_prompts(&self.parameters, self.depth_text)
    }

    /// A method's own loss, plus the norm loss of the text prompts if there is one. `logits` are those of the step, and
    /// `compare` gives the logits of other text features `[classes, embed_dim]` with the same images.
    ///
    /// # Errors
    ///
    /// As [`Self::text_features`].
    pub fn with_norm_loss(
        &self,
        loss: Tensor,
        norm: Option<&NormLoss>,
        batch: &Batch,
        logits: &Tensor,
        host: &dyn Host,
        compare: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let Some(norm) = norm else { return Ok(loss) };
        let logits_of = |prompts: &[Tensor]| compare(&text_features(prompts, &self.rest, host)?);
        Ok(loss + norm.loss_of_layers(&self.text_prompts()?, batch, logits, host, &logits_of)?)
    }

    /// The same without gradient, computed once for the same parameters.
    ///
    /// # Errors
    ///
    /// As [`Self::text_features`].
    pub fn remembered_text_features(&mut self, host: &dyn Host) -> Result<Tensor> {
        let (rest, depth) = (&self.rest, self.depth_text);
        self.parameters.remembered(|parameters| text_features(&text_prompts(parameters, depth)?, rest, host))
    }

    /// Image features `[images, embed_dim]` of length one.
    ///
    /// # Errors
    ///
    /// When the host cannot encode them.
    pub fn image_features(&self, pixels: &Tensor, host: &dyn Host) -> Result<Tensor> {
        let prompts = (0..self.depth_vision).map(|layer| Ok(for_images(layer, self.parameters.get(&in_image(layer))?)));
        let changes = Changes { prompts: prompts.collect::<Result<_>>()?, ..Changes::default() };
        Ok(unit(&of(host)?.encode_images(pixels, &changes, false)?.global))
    }
}

fn text_prompts(parameters: &Parameters, depth: usize) -> Result<Vec<Tensor>> {
    (0..depth).map(|layer| Ok(parameters.get(&in_text(layer))?.shallow_clone())).collect()
}
