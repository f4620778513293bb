//! Checks that a checkpoint is read whole and as it is meant: sizes, weights that nobody reads, and numbers that are none.

use super::buffers::is_harmless;
use super::half::stays_single;
use super::image::ImageTower;
use super::text::TextTower;
use super::tokenizer::END;
use super::weights::Weights;
use crate::backbone::Config;
use crate::{Error, Result};
use tch::{Kind, Tensor};

/// The longest prompt of OpenAI's models, in tokens.
pub(super) const CONTEXT_LENGTH: i64 = 77;

/// Widths of vision transformers whose heads are known not to be 64 wide, and how wide they are: H/14, g/14, bigG/14 and
/// e/14, from `model_configs` of `open_clip`.
const OTHER_HEADS: [(i64, i64); 4] = [(1280, 80), (1408, 88), (1664, 104), (1792, 112)];

/// How many weights that are not read are named.
const MOST_NAMED: usize = 3;

/// Checks sizes that the tensors alone would allow, and OpenAI's models do not have.
pub(super) fn check_sizes(
    image: &ImageTower,
    text: Option<&TextTower>,
    config: &Config,
    heads_known: bool,
) -> Result<()> {
    if heads_known
        && let ImageTower::VisionTransformer(tower) = image
        && let Some((width, heads)) =
            OTHER_HEADS.iter().find(|(width, heads)| *width == tower.width() && *heads != config.image_head_width)
    {
        return Err(Error::new(format!(
            "the image tower is {width} wide, and models of that width have attention heads {heads} wide"
        ))
        .expected(format!("heads {} wide, as its configuration has them", config.image_head_width))
        .help("put the configuration that belongs to it beside the file, or name it with `--weights-config FILE`"));
    }
    if let ImageTower::ModifiedResNet(_) = image
        && heads_known
        && config.image_head_width != Config::OPENAI.image_head_width
    {
        return Err(Error::new(format!("the configuration says heads {} wide", config.image_head_width))
            .expected("64, as the attention pool of every ResNet of CLIP has them"));
    }
    if let Some(text) = text {
        let (vocabulary, length) = (text.vocabulary(), text.context_length());
        if vocabulary != END + 1 {
            return Err(Error::new(format!("the weight `token_embedding.weight` has {vocabulary} rows"))
                .expected(format!("{}, the tokens of OpenAI's vocabulary", END + 1))
                .help("a model of another vocabulary would be given wrong tokens; give one of OpenAI's"));
        }
        if length != config.context_length {
            return Err(Error::new(format!("the weight `positional_embedding` has {length} rows"))
                .expected(format!("{}, the longest prompt in tokens by its configuration", config.context_length))
                .help("models of longer or shorter prompts, such as LongCLIP, are not read yet"));
        }
        if text.embed_dim() != image.embed_dim() {
            return Err(Error::new(format!("the text tower's features have {} dimensions", text.embed_dim()))
                .expected(format!("{}, those of the image tower", image.embed_dim())));
        }
    }
    Ok(())
}

/// Refuses tensors that no tower has read, since the model without them would be another one. `beside` names those that
/// lie outside of the state dict.
pub(super) fn check_strangers(weights: &Weights, beside: &[String]) -> Result<()> {
    let unread = weights.iter().map(|(name, _)| name).filter(|name| !weights.is_read(name) && !is_harmless(name));
    let strangers: Vec<&str> = unread.chain(beside.iter().map(String::as_str)).collect();
    let Some(first) = strangers.first() else { return Ok(()) };
    let mut named: Vec<String> = strangers.iter().take(MOST_NAMED).map(|name| format!("`{name}`")).collect();
    named.extend((strangers.len() > MOST_NAMED).then(|| format!("{} more", strangers.len() - MOST_NAMED)));
    let last = named.pop().unwrap_or_default();
    let list = if named.is_empty() { last } else { format!("{} and {last}", named.join(", ")) };
    let count = strangers.len();
    let what = if count == 1 {
        format!("the checkpoint holds a weight that CLIP does not have: {list}")
    } else {
        format!("the checkpoint holds {count} weights that CLIP does not have: {list}")
    };
    Err(Error::new(what).expected("the weights of OpenAI's CLIP and no others").help(advice(first)))
}

/// What to do about a weight that is not read.
fn advice(stranger: &str) -> String {
    let has = |parts: &[&str]| parts.iter().any(|part| stranger.to_lowercase().contains(part));
    let what = if has(&["lora"]) {
        return "merge LoRA's weights into those that they belong to, and save the model without them".to_owned();
    } else if has(&["adapter"]) {
        "a model with adapters"
    } else if has(&["ls_1", "ls_2", "gamma"]) {
        "a model with LayerScale"
    } else if has(&["positional_embedding"]) {
        "a model with other positions, such as LongCLIP,"
    } else if has(&["logit_bias"]) {
        "a model with a bias of its logits, such as SigLIP,"
    } else {
        "a model with more than CLIP's weights"
    };
    format!("{what} is not read yet; without them its features would be another model's")
}

/// Refuses weights that are no numbers of a floating-point type, or not finite, in the file or as numbers of `kind`.
pub(super) fn check_numbers(weights: &Weights, kind: Kind) -> Result<()> {
    for (name, tensor) in weights.iter().filter(|(name, _)| weights.is_read(name)) {
        if !tensor.is_floating_point() {
            return Err(Error::new(format!("the weight `{name}` is of the type {:?}", tensor.kind()))
                .expected("a floating-point type")
                .help("quantised models are not read; give the model in 16 or 32 bits"));
        }
        if tensor.numel() == 0 {
            return Err(Error::new(format!("the weight `{name}` has no elements")));
        }
        // The largest magnitude is not a number if one of them is not, and infinite if one of them is.
        let largest = tensor.detach().abs().max().to_kind(Kind::Double).double_value(&[]);
        if !largest.is_finite() {
            return Err(Error::new(format!("the weight `{name}` holds {}", not_finite(tensor)))
                .expected("finite numbers")
                .help("the model's training diverged, or the file is damaged; give another checkpoint"));
        }
        let held_in = if stays_single(name) && kind != Kind::Double { Kind::Float } else { kind };
        if !Tensor::from(largest).to_kind(held_in).to_kind(Kind::Double).double_value(&[]).is_finite() {
            let (held_in, wider) = match held_in {
                Kind::Half => ("fp16", "bf16` or `--precision fp32"),
                Kind::BFloat16 => ("bf16", "fp64"),
                _ => ("fp32", "fp64"),
            };
            return Err(Error::new(format!("the weight `{name}` holds {largest:e}, which {held_in} cannot hold"))
                .help(format!("compute in another precision: `--precision {wider}`")));
        }
        if name.ends_with("running_var") && tensor.min().to_kind(Kind::Double).double_value(&[]) < 0.0 {
            return Err(Error::new(format!("the weight `{name}` holds a negative variance"))
                .help("the file is damaged; give another checkpoint"));
        }
    }
    Ok(())
}

/// How many numbers of a tensor are not finite.
fn not_finite(tensor: &Tensor) -> String {
    let count = |mask: Tensor| mask.to_kind(Kind::Int64).sum(Kind::Int64).int64_value(&[]);
    let (nan, infinite) = (count(tensor.isnan()), count(tensor.isinf()));
    let parts = [(nan, "NaN"), (infinite, "infinity")].into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, what)| format!("{what} {count} times")).collect();
    format!("{} among its {} numbers", parts.join(" and ").replace(" 1 times", " once"), tensor.numel())
}
