//! The towers with changes of a method's own: an optional service.

use crate::{Status, Str, Tensor};
use core::ffi::{CStr, c_void};

/// The name by which [`get_extension`](crate::Host::get_extension) gives a [`Towers`] table, since version 1.1.
pub const TOWERS: &CStr = c"nemesis.towers/1";

/// The frozen towers with changes of a method's own for one call: prompt tokens in any layer, and deltas on weights.
///
/// The host's `get_extension` gives it under the name `nemesis.towers/1` to methods whose descriptor asks for `towers`,
/// and a null pointer to others. The table is static; its functions serve the call that handed over the [`Host`], and
/// their first argument is the `context` of that [`Host`]. No function is null.
///
/// Features are differentiable in every tensor of the changes if grad mode is on, but only through the host's
/// `backward` and `gradients`, as with `encode_contexts`.
///
/// Weights are named `TOWER.LAYER.PART`, with the tower `image` or `text`, the layer counted from zero, and the part
/// `q`, `k`, `v`, `o`, `c_fc` or `c_proj` for linear maps, or `ln_1` or `ln_2` for layer normalisations. Outside of
/// layers there are `image.ln_pre`, `image.ln_post` and `text.ln_final`. A [`Replacement`] adds `.weight` or `.bias`.
///
/// [`Host`]: crate::Host
#[repr(C)]
#[derive(Debug)]
pub struct Towers {
    /// The size of this struct in bytes.
    pub struct_size: usize,

    /// The sizes of the towers, valid until the call that handed over the host returns. Null if the host
    /// fails.
    pub sizes: Option<unsafe extern "C" fn(context: *mut c_void) -> *const TowerSizes>,

    /// Writes features `[images, embed_dim]`, not normalised, of pixels `[images, 3, side, side]` to `out`. If
    /// `patches` is not null, it writes those of patches there, `[images, patches, embed_dim]`, not normalised.
    ///
    /// Fails when a change does not fit the tower, or the image tower is a residual network.
    pub encode_images: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            pixels: Tensor,
            changes: *const TowerChanges,
            out: *mut Tensor,
            patches: *mut Tensor,
        ) -> Status,
    >,

    /// Writes features `[copies, classes, embed_dim]`, not normalised, of the task's class names behind `contexts`
    /// `[copies, 1 or classes, context vectors, width]` to `out`. `position` is one of the `CLASS_POSITION_` constants.
    ///
    /// Fails when a change or the contexts do not fit the tower, or a prompt is too long.
    pub encode_contexts: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            contexts: Tensor,
            position: u32,
            changes: *const TowerChanges,
            out: *mut Tensor,
        ) -> Status,
    >,

    /// Writes features `[prompts, embed_dim]`, not normalised, of `count` whole prompts to `out`. For a
    /// [`LayerPrompt`], prompts are the classes of a single copy.
    ///
    /// Fails when a change does not fit the tower, or a prompt is too long.
    pub encode_strings: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            prompts: *const Str,
            count: usize,
            changes: *const TowerChanges,
            out: *mut Tensor,
        ) -> Status,
    >,
}

/// The sizes of the towers, for making parameters. Made by the host.
#[repr(C)]
#[derive(Debug)]
pub struct TowerSizes {
    /// The size of this struct in bytes.
    pub struct_size: usize,
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

/// What is different from the frozen model in one call. Made by the plugin; borrowed for one call.
///
/// A null pointer in place of this struct means no changes. Its lists are arrays of pointers, so that the structs in
/// them can grow. Tensors are of the task's type and device.
#[repr(C)]
#[derive(Debug)]
pub struct TowerChanges {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// Prompt tokens by layer, each layer at most once.
    pub prompts: *const *const LayerPrompt,
    /// How many there are.
    pub prompt_count: usize,
    /// Low-rank deltas on linear maps, each map at most once.
    pub low_rank: *const *const LowRank,
    /// How many there are.
    pub low_rank_count: usize,
    /// Weights that are replaced by trained copies, each at most once.
    pub replaced: *const *const Replacement,
    /// How many there are.
    pub replaced_count: usize,
    /// What follows a class name in `encode_contexts`: `, a type of pet.` for example. If `data` is null, it is a full
    /// stop. Whole prompts have no class name, so nothing may be given for them.
    pub ending: Str,
}

/// Prompt tokens that a layer sees.
///
/// In the image tower they are `[1 or images, tokens, width]`. At layer 0 they are appended behind the patches, after the
/// positional embedding was added and before `ln_pre`. At a later layer they take the place of the last tokens, as many
/// as layer 0 has appended. In the text tower they are `[copies, 1 or classes, tokens, width]`; before layer `layer`,
/// which is not 0, they take the place of rows `1..=tokens`, where the start token is row 0.
#[repr(C)]
#[derive(Debug)]
pub struct LayerPrompt {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// The layer, counted from zero.
    pub layer: usize,
    /// The tokens.
    pub tokens: Tensor,
}

/// A low-rank delta on a linear map: `y = W x + b + scale * up(down(dropout(x)))`.
#[repr(C)]
#[derive(Debug)]
pub struct LowRank {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// The linear map, such as `image.0.q`.
    pub name: Str,
    /// `A`, `[rank, from]`.
    pub down: Tensor,
    /// `B`, `[to, rank]`.
    pub up: Tensor,
    /// The factor on the product.
    pub scale: f64,
    /// Dropout on the delta's input, in training; null for none.
    pub dropout: *const Dropout,
}

/// Inverted dropout of single numbers. Masks are drawn by the host, a pure function of the cell's seed, `index` and the
/// name of the map.
#[repr(C)]
#[derive(Debug)]
pub struct Dropout {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// The probability that a number becomes zero.
    pub probability: f64,
    /// Tells apart draws of the same map; the step, for example.
    pub index: u64,
    /// The mask to use instead of a drawn one, `[sequences, tokens, from]`, already divided by the probability of
    /// keeping a number; null to draw it. Text then goes through the tower padded to the context length.
    pub mask: Tensor,
}

/// A weight of the frozen model in whose place another of the same shape is used.
#[repr(C)]
#[derive(Debug)]
pub struct Replacement {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// The weight, such as `image.0.ln_1.weight`.
    pub name: Str,
    /// The tensor.
    pub tensor: Tensor,
}
