//! The frozen towers with changes of a method's own, for one call: prompt tokens in any layer, and deltas on weights.
//!
//! A method that learns inside of the encoders says so with [`Needs::towers`](crate::Needs::towers) and gets this
//! service from [`Host::towers`]. The weights themselves never change: every call names what is
//! different in it, so the frozen model stays available in the same step, through [`Host`] or with
//! [`Changes::default`].
//!
//! Features are differentiable in every tensor of the [`Changes`], but only through
//! [`Host::backward`] and [`Host::gradients`]: the graph may be cut at
//! the features to save memory.
//!
//! # Names of weights
//!
//! `TOWER.LAYER.PART`, with the tower `image` or `text`, the layer counted from zero, and the part `q`, `k`, `v`, `o`,
//! `c_fc` or `c_proj` for linear maps, or `ln_1` or `ln_2` for layer normalisations. Outside of layers there are
//! `image.ln_pre`, `image.ln_post` and `text.ln_final`. A [`Replacement`] adds `.weight` or `.bias`:
//! `image.0.ln_1.weight`, `text.3.q.bias`.
//!
//! # An example
//!
//! ```
//! use nemesis_sdk::prompt::{cross_entropy, unit};
//! use nemesis_sdk::tch::Tensor;
//! use nemesis_sdk::towers::{self, Changes, LayerPrompt, LowRank};
//! use nemesis_sdk::{Batch, ClassPosition, Host, Result};
//!
//! struct BothTowers {
//!     context: Tensor,
//!     image_prompt: Tensor,
//!     text_prompt: Tensor,
//!     down: Tensor,
//!     up: Tensor,
//!     logit_scale: f64,
//! }
//!
//! /// Cross-entropy with what is learned in both towers: a context before the class names, prompt tokens for the first
//! /// layer of the image tower and the second of the text tower, and a low-rank delta on the queries of a layer.
//! fn loss(method: &BothTowers, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
//!     let towers = towers::of(host)?;
//!     let prompt = |layer, tokens: Tensor| vec![LayerPrompt { layer, tokens }];
//!     let delta = LowRank {
//!         name: "image.0.q".to_owned(),
//!         down: method.down.shallow_clone(), // [rank, image width]
//!         up: method.up.shallow_clone(),     // [image width, rank]
//!         scale: 1.0,
//!         dropout: None,
//!     };
//!     let changes = Changes {
//!         prompts: prompt(0, method.image_prompt.unsqueeze(0)), // [1 or images, tokens, image width]
//!         low_rank: vec![delta],
//!         ..Changes::default()
//!     };
//!     let images = towers.encode_images(batch.pixels()?, &changes, false)?.global;
//!
//!     let text_prompt = method.text_prompt.unsqueeze(0).unsqueeze(0); // [copies, 1 or classes, tokens, width]
//!     let changes = Changes { prompts: prompt(1, text_prompt), ..Changes::default() };
//!     let contexts = method.context.unsqueeze(0).unsqueeze(0); // [copies, 1 or classes, vectors, width]
//!     let text = towers.encode_contexts(&contexts, ClassPosition::End, &changes)?.squeeze_dim(0);
//!
//!     let logits = unit(&images).f_matmul(&unit(&text).tr())? * method.logit_scale;
//!     cross_entropy(&logits, &batch.labels, host)
//! }
//! # use nemesis_sdk::testing::ToyHost;
//! # let host = ToyHost::new(4);
//! # let (task, sizes) = (host.task(), towers::of(&host)?.sizes());
//! # let leaf = |shape: [i64; 2]| {
//! #     let numbers = Tensor::arange(shape[0] * shape[1], (task.kind, task.device));
//! #     numbers.sin().view(shape).set_requires_grad(true)
//! # };
//! # let method = BothTowers {
//! #     context: leaf([3, task.width]),
//! #     image_prompt: leaf([2, sizes.image_width]),
//! #     text_prompt: leaf([2, sizes.text_width]),
//! #     down: leaf([1, sizes.image_width]),
//! #     up: leaf([sizes.image_width, 1]),
//! #     logit_scale: task.logit_scale,
//! # };
//! # host.backward(&loss(&method, &host.batch(8, 0), &host)?)?;
//! # for learned in [&method.context, &method.image_prompt, &method.text_prompt, &method.down, &method.up] {
//! #     assert!(f64::try_from(learned.grad().abs().max())? > 0.0);
//! # }
//! # Ok::<(), nemesis_sdk::Error>(())
//! ```

use crate::{ClassPosition, Error, Host, Result};
use tch::Tensor;

/// The sizes of the towers, for making parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TowerSizes {
    /// Layers of the image tower; zero if it is a residual network, which takes no changes.
    pub image_layers: usize,
    /// Width of a token in the image tower.
    pub image_width: i64,
    /// Width of the perceptron's hidden layer in the image tower.
    pub image_hidden: i64,
    /// Tokens of an image: the class token and one for each patch.
    pub image_tokens: i64,
    /// Layers of the text tower.
    pub text_layers: usize,
    /// Width of a token in the text tower, which is that of a context vector.
    pub text_width: i64,
    /// Width of the perceptron's hidden layer in the text tower.
    pub text_hidden: i64,
}

/// What is different from the frozen model in one call. Tensors are of the task's type and device.
#[derive(Debug, Default)]
pub struct Changes {
    /// Prompt tokens by layer, each layer at most once.
    pub prompts: Vec<LayerPrompt>,
    /// Low-rank deltas on linear maps, each map at most once.
    pub low_rank: Vec<LowRank>,
    /// Weights that are replaced by trained copies, each at most once.
    pub replaced: Vec<Replacement>,
    /// What follows a class name in [`Towers::encode_contexts`], in place of a full stop: `, a type of pet.` Whole prompts
    /// have no class name, so nothing may be given for them.
    pub ending: Option<String>,
}

/// Prompt tokens that a layer sees.
///
/// * In the image tower: `[1 or images, tokens, width]`. At layer 0 they are appended behind the patches, after the
///   positional embedding was added, so that they have none, and before `ln_pre`. At a later layer they take the place of
///   the last tokens, as many as layer 0 has appended, and skip `ln_pre` (`VisionTransformer_MaPLe` and
///   `ResidualAttentionBlock_MaPLe` in `clip/model.py` of `MaPLe`).
/// * In the text tower: `[copies, 1 or classes, tokens, width]`, where the start token is row 0. Before layer `layer`,
///   which is not 0, they take the place of rows `1..=tokens`, without a positional embedding. At layer 0 contexts are
///   what is given to `encode_contexts`.
#[derive(Debug)]
pub struct LayerPrompt {
    /// The layer, counted from zero.
    pub layer: usize,
    /// The tokens.
    pub tokens: Tensor,
}

/// A low-rank delta on a linear map: `y = W x + b + scale · up (down (dropout x))`.
#[derive(Debug)]
pub struct LowRank {
    /// The linear map, such as `image.0.q`.
    pub name: String,
    /// `A`, `[rank, from]`.
    pub down: Tensor,
    /// `B`, `[to, rank]`.
    pub up: Tensor,
    /// The factor on the product.
    pub scale: f64,
    /// Dropout on the delta's input, in training.
    pub dropout: Option<Dropout>,
}

/// Inverted dropout of single numbers. Masks are drawn by the host, a pure function of the cell's seed, `index` and the
/// name of the map, so that any step can be replayed.
#[derive(Debug)]
pub struct Dropout {
    /// The probability that a number becomes zero.
    pub probability: f64,
    /// Tells apart draws of the same map; the step, for example.
    pub index: u64,
    /// The mask to use instead of a drawn one, `[sequences, tokens, from]`, already divided by the probability of
    /// keeping a number. Text then goes through the tower padded to the context length.
    pub mask: Option<Tensor>,
}

/// A weight of the frozen model in whose place another of the same shape is used.
#[derive(Debug)]
pub struct Replacement {
    /// The weight, such as `image.0.ln_1.weight`.
    pub name: String,
    /// The tensor.
    pub tensor: Tensor,
}

/// Features of images.
#[derive(Debug)]
pub struct ImageFeatures {
    /// `[images, embed_dim]`, not normalised.
    pub global: Tensor,
    /// `[images, patches, embed_dim]`, not normalised, if they were asked for.
    pub patches: Option<Tensor>,
}

/// The towers with changes: see the [module](self).
pub trait Towers {
    /// The sizes.
    fn sizes(&self) -> TowerSizes;

    /// Features of pixels `[images, 3, side, side]`, as batches carry them; those of patches only if `patches`.
    ///
    /// # Errors
    ///
    /// When a change does not fit the tower, or the image tower is a residual network.
    fn encode_images(&self, pixels: &Tensor, changes: &Changes, patches: bool) -> Result<ImageFeatures>;

    /// Features `[copies, classes, embed_dim]`, not normalised, of the task's class names behind `contexts`
    /// `[copies, 1 or classes, context vectors, width]`, as [`Host::encode_contexts`] gives them without changes.
    ///
    /// # Errors
    ///
    /// When a change or the contexts do not fit the tower, or a prompt is too long.
    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition, changes: &Changes) -> Result<Tensor>;

    /// Features `[prompts, embed_dim]`, not normalised, of whole prompts. For a [`LayerPrompt`], prompts are the classes
    /// of a single copy.
    ///
    /// # Errors
    ///
    /// When a change does not fit the tower, or a prompt is too long.
    fn encode_strings(&self, prompts: &[String], changes: &Changes) -> Result<Tensor>;
}

/// The host's towers.
///
/// # Errors
///
/// When the host has none, or the method's descriptor does not ask for them.
pub fn of(host: &dyn Host) -> Result<&dyn Towers> {
    host.towers().ok_or_else(|| {
        Error::new(
            "the host offers no towers: the descriptor must ask for them with `Needs::towers`, and the host must \
                    be new enough",
        )
    })
}
