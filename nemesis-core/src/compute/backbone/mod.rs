//! The frozen dual encoder that methods tune prompts for.

pub(crate) mod checkpoint;
pub mod clip;
mod config;
mod described;
mod key;
mod keys;
pub mod known;
mod open;
mod origin;
mod towers;
mod words;

pub use checkpoint::Checkpoint;
pub use config::{Activation, Config, Sizes};
pub use key::{BackboneFacts, BackboneKey};
pub use open::{Request, inspect, open};
pub use origin::{Assumption, METADATA_KEY, Origin};
pub use towers::{Change, ChangedTowers};
pub use words::class_words;

use crate::Result;
use crate::image::Preprocess;
use crate::method::ClassPosition;
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// The sizes and constants of a backbone, read off its checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct BackboneSpec {
    /// What is done to an image before it is encoded; its `size` is the side of the square input image, in pixels.
    pub preprocess: Preprocess,
    /// Width of the shared embedding space, `D`.
    pub embed_dim: i64,
    /// Width of the text transformer, which is that of a context vector, `d`.
    pub width: i64,
    /// The longest prompt in tokens, start and end tokens included (77 for CLIP).
    pub context_length: i64,
    /// The factor on cosine similarities: the exponential of the checkpoint's `logit_scale`.
    pub logit_scale: f64,
    /// Where the weights lie.
    pub device: Device,
    /// The type that activations are computed in.
    pub kind: Kind,
    /// The type that products with weights are rounded to: another than `kind` in mixed precision alone.
    pub rounds_to: Kind,
    /// blake3 of the weights as they were read, in hexadecimal.
    pub weights_hash: String,
    /// Where it comes from what the tensors do not tell.
    pub origin: Origin,
    /// All sizes in words, the same for models that differ in their values alone; those of [`known::OPENAI`] are told the
    /// same way.
    pub shape: String,
}

impl BackboneSpec {
    /// Side of the square input image, in pixels.
    pub fn image_size(&self) -> i64 {
        self.preprocess.size as i64
    }

    /// The published backbone that this is known to be, by the SHA-256 of its file: `RN50`, `ViT-B/16`, ….
    pub fn known_as(&self) -> Option<&'static str> {
        self.origin.known_as()
    }

    /// A sentence for under a table about what was assumed of the weights, if something was.
    pub fn note(&self, file: &str) -> Option<String> {
        let said = match self.origin {
            Origin::Beside(beside, config) => format!("`{file}` has {config}, by `{beside}` beside it"),
            origin => origin.assumed()?.note(file),
        };
        let sizes = match known::by_shape(&self.shape) {
            Some(published) => format!("its sizes are those of {}", published.name),
            None => format!("its sizes are those of none of OpenAI's models ({})", self.shape),
        };
        Some(format!("{said}; {sizes}"))
    }

    /// The backbone as it enters an id.
    pub fn key(&self) -> BackboneKey {
        BackboneKey { weights: self.weights_hash.clone(), assumed: self.origin.assumed() }
    }

    /// What a record tells of the backbone, so that a table can be judged without the file of the weights.
    pub fn facts(&self) -> BackboneFacts {
        BackboneFacts {
            known_as: self.known_as().map(str::to_owned),
            shape: self.shape.clone(),
            origin: self.origin.to_string(),
        }
    }
}

/// The tokenised prompts of a list of classes, without their context vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassPrompts {
    /// For each class the tokens that follow the context: class name, full stop, end token.
    pub tokens: Vec<Vec<i64>>,
    /// For each class how many of its tokens are the class name alone.
    pub name_lengths: Vec<usize>,
}

impl ClassPrompts {
    /// The number of classes.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no class at all.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The prompts of a range of classes.
    #[must_use]
    pub fn slice(&self, classes: Range<usize>) -> Self {
        Self { tokens: self.tokens[classes.clone()].to_vec(), name_lengths: self.name_lengths[classes].to_vec() }
    }
}

/// A frozen dual encoder: images to features, and prompts to features that are differentiable in their context
/// vectors. It knows nothing of methods.
pub trait Backbone {
    /// Sizes, logit scale, device and type.
    fn spec(&self) -> &BackboneSpec;

    /// Features `[images, embed_dim]`, not normalised, of normalised pixels `[images, 3, image_size, image_size]`.
    ///
    /// # Errors
    ///
    /// When the shape of `pixels` does not fit.
    fn encode_images(&self, pixels: &Tensor) -> Result<Tensor>;

    /// Features as of [`Self::encode_images`], and beside them dense features `[images, places, embed_dim]`, not
    /// normalised: what the image tower makes of places of the image, in the space of the global features, row by row.
    ///
    /// # Errors
    ///
    /// When the shape of `pixels` does not fit.
    fn encode_places(&self, pixels: &Tensor) -> Result<(Tensor, Tensor)>;

    /// Features `[prompts, embed_dim]`, not normalised, of whole prompts. Equal prompts are encoded once.
    ///
    /// # Errors
    ///
    /// When a prompt is longer than the context length; the message quotes it.
    fn encode_strings(&self, prompts: &[String]) -> Result<Tensor>;

    /// Token embeddings `[tokens, width]` of a text without start and end tokens, to start contexts from.
    ///
    /// # Errors
    ///
    /// When the text is longer than the context length.
    fn embed_text(&self, text: &str) -> Result<Tensor>;

    /// Embeddings `[tokens, width]` of tokens, without positions, by which it is known whether a context was learned with
    /// this backbone.
    ///
    /// # Errors
    ///
    /// When the checkpoint has no text tower.
    fn embed_tokens(&self, tokens: &[i64]) -> Result<Tensor>;

    /// The token that every prompt begins with, before its context.
    fn start_token(&self) -> i64;

    /// Tokenises class names as CoOp does: underscores become spaces, a full stop is added.
    ///
    /// # Errors
    ///
    /// When a name with `context_vectors` before it is longer than the context length; the message names the class.
    fn class_prompts(&self, class_names: &[String], context_vectors: usize) -> Result<ClassPrompts>;

    /// Features `[copies, classes, embed_dim]`, not normalised, of the prompts made of `contexts`
    /// `[copies, 1 or classes, context vectors, width]` and the class tokens, differentiable in `contexts`.
    ///
    /// # Errors
    ///
    /// When the shape of `contexts` does not fit.
    fn encode_contexts(&self, classes: &ClassPrompts, contexts: &Tensor, position: ClassPosition) -> Result<Tensor>;

    /// About how many bytes [`Self::encode_contexts`] keeps for its gradient: most of what a training step takes. It is
    /// proportional to the number of classes.
    fn graph_bytes(&self, classes: &ClassPrompts, contexts: &Tensor, position: ClassPosition) -> u64;

    /// The towers with changes of a method's own, if this family has them.
    fn towers(&self) -> Option<&dyn ChangedTowers> {
        None
    }
}
