//! The keys of configurations that are understood, that follow from the tensors, or that matter in training or for writing
//! text. Any other that is not off may change what is computed, so that a configuration with it is refused.

use super::described::not_read;
use crate::{Error, Result};
use serde_json::Value;

/// Of a model, in `open_clip`'s configuration.
pub(super) const MODEL: &[&str] = &[
    "embed_dim",
    "quick_gelu",
    "custom_text",
    "vision_cfg",
    "text_cfg",
    "init_logit_scale",
    "output_dict",
    "cast_dtype",
    "nonscalar_logit_scale",
];
/// Of the image tower, in `open_clip`'s configuration.
pub(super) const VISION: &[&str] = &[
    "image_size",
    "layers",
    "width",
    "head_width",
    "patch_size",
    "mlp_ratio",
    "patch_dropout",
    "pool_type",
    "final_ln_after_pool",
    "pos_embed_type",
    "output_tokens",
    "act_kwargs",
];
/// Of the text tower, in `open_clip`'s configuration.
pub(super) const TEXT: &[&str] = &[
    "context_length",
    "vocab_size",
    "width",
    "heads",
    "layers",
    "mlp_ratio",
    "pool_type",
    "proj_type",
    "output_tokens",
    "act_kwargs",
];
/// Of a model, in transformers' configuration.
pub(super) const TRANSFORMERS: &[&str] = &[
    "projection_dim",
    "text_config",
    "vision_config",
    "text_config_dict",
    "vision_config_dict",
    "logit_scale_init_value",
];
/// Of the image tower, in transformers' configuration.
pub(super) const TRANSFORMERS_VISION: &[&str] = &[
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "hidden_act",
    "layer_norm_eps",
    "image_size",
    "patch_size",
    "num_channels",
    "projection_dim",
];
/// Of the text tower, in transformers' configuration.
pub(super) const TRANSFORMERS_TEXT: &[&str] = &[
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "hidden_act",
    "layer_norm_eps",
    "max_position_embeddings",
    "vocab_size",
    "projection_dim",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
];
/// What transformers writes into any configuration: where it comes from, how training began, what is returned, and, in
/// those of older versions, how text would be written.
pub(super) const INERT: &[&str] = &[
    "_attn_implementation_autoset",
    "_attn_implementation_internal",
    "_commit_hash",
    "_name_or_path",
    "architectures",
    "attention_dropout",
    "attn_implementation",
    "decoder_start_token_id",
    "diversity_penalty",
    "dropout",
    "dtype",
    "finetuning_task",
    "id2label",
    "initializer_factor",
    "initializer_range",
    "label2id",
    "length_penalty",
    "max_length",
    "min_length",
    "model_type",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "problem_type",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "temperature",
    "tie_encoder_decoder",
    "tie_word_embeddings",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "typical_p",
    "use_bfloat16",
    "use_cache",
];
/// Of transformers' image processor.
pub(super) const PROCESSOR: &[&str] = &[
    "_valid_processor_keys",
    "crop_size",
    "data_format",
    "device",
    "disable_grouping",
    "do_center_crop",
    "do_convert_rgb",
    "do_normalize",
    "do_rescale",
    "do_resize",
    "default_to_square",
    "feature_extractor_type",
    "image_mean",
    "image_processor_type",
    "image_std",
    "input_data_format",
    "processor_class",
    "resample",
    "rescale_factor",
    "return_tensors",
    "size",
];

/// Refuses a configuration with a key that is in none of the lists and is not off.
pub(super) fn refuse_unknown(config: &Value, known: &[&[&str]]) -> Result<()> {
    for (key, value) in config.as_object().into_iter().flatten() {
        let is_off = match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(all) => all.is_empty(),
            Value::Object(all) => all.is_empty(),
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::Bool(true) | Value::String(_) => false,
        };
        if !is_off && !known.iter().any(|known| known.contains(&&**key)) {
            return Err(not_read(&format!("`{key}` {value}")));
        }
    }
    Ok(())
}

/// Refuses a value other than `usual` under a key that may be left out.
pub(super) fn refuse_other(config: &Value, key: &str, usual: &[i64]) -> Result<()> {
    let value = &config[key];
    if value.is_null() || value.as_i64().is_some_and(|value| usual.contains(&value)) {
        return Ok(());
    }
    let usual: Vec<String> = usual.iter().map(ToString::to_string).collect();
    Err(Error::new(format!("`{key}` is {value}")).expected(usual.join(" or ")))
}
