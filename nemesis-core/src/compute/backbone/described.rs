//! Configurations in JSON files, as `open_clip` and transformers write them beside weights.

use super::config::{Activation, Config, Sizes};
use super::keys::{self, refuse_other, refuse_unknown};
use crate::error::words_of_serde_json;
use crate::image::{Interpolation, ResizeMode};
use crate::{Error, Result, files, json};
use serde_json::Value;
use std::path::Path;

/// The name of `open_clip`'s file.
pub(super) const OPEN_CLIP: &str = "open_clip_config.json";
/// The names of transformers' files.
pub(super) const TRANSFORMERS: &str = "config.json";
const PREPROCESSOR: &str = "preprocessor_config.json";

/// What a configuration says.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub(super) config: Config,
    /// Sizes that the tensors tell, too, by which it is known whether it is about them.
    pub(super) sizes: Vec<(&'static str, i64)>,
}

impl Described {
    /// The configuration, which keeps the sizes.
    pub(super) fn whole(self) -> Config {
        Config { sizes: Sizes::of(&self.sizes), ..self.config }
    }
}

/// The configuration in a file of `open_clip`, of transformers, or of our own form.
pub(super) fn file(path: &Path) -> Result<Described> {
    let text = files::read_text(path)?;
    let value: Value = serde_json::from_str(&text).map_err(|e| no_json(&e).at(path).line(e.line().max(1)))?;
    json::refuse_repeated_keys(&text, path)?;
    if value.get("text_config").is_some() || value.get("vision_config").is_some() || value.get("model_type").is_some() {
        let folder = path.parent().unwrap_or(Path::new(""));
        let preprocessor = folder.join(PREPROCESSOR);
        if !preprocessor.is_file() {
            return Err(Error::new(format!("`{PREPROCESSOR}` is missing beside `{TRANSFORMERS}`"))
                .at(path)
                .help("it tells how images are prepared: download it, too"));
        }
        let text = files::read_text(&preprocessor)?;
        let images = serde_json::from_str(&text).map_err(|e| no_json(&e).at(&preprocessor).line(e.line().max(1)))?;
        let mut described = transformers(&value).map_err(|e| e.at(path))?;
        preprocessor_config(&images, &mut described).map_err(|e| e.at(&preprocessor))?;
        return Ok(described);
    }
    in_value(value).map_err(|e| e.at(path))
}

/// The configuration in a text: that of `open_clip`, or one of our own form.
pub(super) fn in_json(text: &str) -> Result<Described> {
    in_value(serde_json::from_str(text).map_err(|e| no_json(&e))?)
}

fn in_value(value: Value) -> Result<Described> {
    if value.get("model_cfg").is_some() {
        return open_clip(&value);
    }
    let config: Config = serde_json::from_value(value).map_err(|e| {
        Error::new(format!("the configuration cannot be read: {e}")).expected(format!(
            "`{OPEN_CLIP}`, or `{TRANSFORMERS}` with `{PREPROCESSOR}` beside it, or all of {}",
            Config::OPENAI.to_json()
        ))
    })?;
    checked(Described { config: config.alone(), sizes: config.sizes.named() })
}

fn open_clip(value: &Value) -> Result<Described> {
    let (model, images) = (&value["model_cfg"], &value["preprocess_cfg"]);
    let (vision, text) = (&model["vision_cfg"], &model["text_cfg"]);
    for (cfg, key, what) in [
        (vision, "timm_model_name", "an image tower of timm"),
        (text, "hf_model_name", "a text tower of transformers"),
        (text, "hf_tokenizer_name", "a vocabulary of its own"),
        (model, "multimodal_cfg", "a decoder of text, as CoCa has"),
    ] {
        if !cfg[key].is_null() {
            return Err(not_read(what));
        }
    }
    for (cfg, key) in [(model, "model_cfg"), (vision, "vision_cfg"), (text, "text_cfg"), (images, "preprocess_cfg")] {
        refuse_no_object(cfg, key)?;
    }
    for (cfg, known) in [(model, keys::MODEL), (vision, keys::VISION), (text, keys::TEXT)] {
        refuse_unknown(cfg, &[known])?;
    }
    for (cfg, key, plain) in
        [(vision, "pool_type", "tok"), (text, "pool_type", "argmax"), (text, "proj_type", "linear")]
    {
        if word(cfg, key)?.is_some_and(|said| !said.is_empty() && said != plain) {
            return Err(not_read(&format!("`{key}` {}", cfg[key])));
        }
    }
    let quick = flag(model, "quick_gelu")?.unwrap_or(false);
    let mut activation = if quick { Activation::QuickGelu } else { Activation::Gelu };
    match (is_tanh(vision)?, is_tanh(text)?) {
        (true, true) if activation == Activation::Gelu => activation = Activation::GeluTanh,
        (false, false) => {}
        _ => return Err(not_read("another activation in each tower")),
    }
    let width = number(text, "width")?.unwrap_or(512);
    let heads = number(text, "heads")?.unwrap_or(8);
    let config = Config {
        activation,
        image_head_width: number(vision, "head_width")?.unwrap_or(64),
        text_head_width: head_width("text", width, heads)?,
        // open_clip's `LayerNorm` has PyTorch's.
        image_epsilon: 1e-5,
        text_epsilon: 1e-5,
        mean: colours(images, "mean")?.unwrap_or(Config::OPENAI.mean),
        std: colours(images, "std")?.unwrap_or(Config::OPENAI.std),
        resize: match word(images, "resize_mode")? {
            None | Some("shortest") => ResizeMode::Shortest,
            Some("squash") => ResizeMode::Squash,
            Some(other) => return Err(not_read(&format!("`resize_mode` `{other}`"))),
        },
        interpolation: match word(images, "interpolation")? {
            None | Some("bicubic") => Interpolation::Bicubic,
            Some("bilinear") => Interpolation::Bilinear,
            Some(other) => return Err(not_read(&format!("`interpolation` `{other}`"))),
        },
        context_length: number(text, "context_length")?.unwrap_or(77),
        ..Config::OPENAI
    };
    let mut sizes = vec![("text width", width)];
    for (name, cfg, key) in [
        ("dimensions", model, "embed_dim"),
        ("image width", vision, "width"),
        ("image layers", vision, "layers"),
        ("patch size", vision, "patch_size"),
        ("image size", vision, "image_size"),
        ("text layers", text, "layers"),
    ] {
        // The four numbers of a ResNet's layers follow from its tensors.
        if !cfg[key].is_array() {
            sizes.extend(number(cfg, key)?.map(|size| (name, size)));
        }
    }
    checked(Described { config, sizes })
}

/// Whether the activation of a tower is to be the approximation by a hyperbolic tangent.
fn is_tanh(tower: &Value) -> Result<bool> {
    let arguments = &tower["act_kwargs"];
    refuse_no_object(arguments, "act_kwargs")?;
    refuse_unknown(arguments, &[&["approximate"]])?;
    match word(arguments, "approximate")? {
        None | Some("none") => Ok(false),
        Some("tanh") => Ok(true),
        Some(other) => Err(not_read(&format!("`approximate` `{other}`"))),
    }
}

/// What a configuration of transformers says of a tower. Old ones hold the values that count under another name.
fn tower(value: &Value, name: &str) -> Value {
    let [mut all, old] =
        [name.to_owned(), old_name(name)].map(|name| value[name].as_object().cloned().unwrap_or_default());
    all.extend(old.into_iter().filter(|(_, value)| !value.is_null()));
    Value::Object(all)
}

fn old_name(name: &str) -> String {
    format!("{name}_dict")
}

fn transformers(value: &Value) -> Result<Described> {
    if let Some(other) = word(value, "model_type")?.filter(|kind| *kind != "clip") {
        return Err(Error::new(format!("the configuration is that of a model of the type `{other}`"))
            .expected("`clip`")
            .help(if other.starts_with("siglip") { SIGLIP } else { "give a checkpoint of CLIP" }));
    }
    let (vision, text) = ("vision_config", "text_config");
    refuse_unknown(value, &[keys::TRANSFORMERS, keys::INERT])?;
    for (name, known) in [(vision, keys::TRANSFORMERS_VISION), (text, keys::TRANSFORMERS_TEXT)] {
        for name in [name.to_owned(), old_name(name)] {
            let config = &value[&name];
            refuse_no_object(config, &name)?;
            refuse_unknown(config, &[known, keys::INERT])?;
            refuse_other(config, "num_channels", &[3])?;
        }
    }
    let (vision, text) = (tower(value, vision), tower(value, text));
    let get = |tower: &Value, key: &str, default: i64| number(tower, key).map(|said| said.unwrap_or(default));
    let activation = |tower: &Value| match word(tower, "hidden_act")? {
        None | Some("quick_gelu") => Ok(Activation::QuickGelu),
        Some("gelu") => Ok(Activation::Gelu),
        Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast") => Ok(Activation::GeluTanh),
        Some(other) => Err(not_read(&format!("`hidden_act` `{other}`"))),
    };
    // Features are those of the first end token. Old configurations say 2, which stands for the token of the largest number:
    // the end token, too.
    refuse_other(&text, "eos_token_id", &[2, 49407])?;
    if activation(&vision)? != activation(&text)? {
        return Err(not_read("another activation in each tower"));
    }
    let (image_width, text_width) = (get(&vision, "hidden_size", 768)?, get(&text, "hidden_size", 512)?);
    let epsilon = |tower: &Value| decimal(tower, "layer_norm_eps").map(|said| said.unwrap_or(1e-5));
    let config = Config {
        activation: activation(&text)?,
        image_head_width: head_width("image", image_width, get(&vision, "num_attention_heads", 12)?)?,
        text_head_width: head_width("text", text_width, get(&text, "num_attention_heads", 8)?)?,
        image_epsilon: epsilon(&vision)?,
        text_epsilon: epsilon(&text)?,
        context_length: get(&text, "max_position_embeddings", 77)?,
        ..Config::OPENAI
    };
    let sizes = vec![
        ("image width", image_width),
        ("text width", text_width),
        ("image layers", get(&vision, "num_hidden_layers", 12)?),
        ("text layers", get(&text, "num_hidden_layers", 12)?),
        ("patch size", get(&vision, "patch_size", 32)?),
        ("image size", get(&vision, "image_size", 224)?),
        ("dimensions", number(value, "projection_dim")?.unwrap_or(512)),
    ];
    Ok(Described { config, sizes })
}

/// What transformers' image processor does.
fn preprocessor_config(value: &Value, described: &mut Described) -> Result<()> {
    if !value.is_object() {
        return Err(ill_typed(PREPROCESSOR, value, OBJECT));
    }
    let config = &mut described.config;
    config.mean = colours(value, "image_mean")?.unwrap_or(Config::OPENAI.mean);
    config.std = colours(value, "image_std")?.unwrap_or(Config::OPENAI.std);
    config.interpolation = match number(value, "resample")? {
        None | Some(3) => Interpolation::Bicubic,
        Some(2) => Interpolation::Bilinear,
        Some(other) => return Err(not_read(&format!("`resample` {other}"))),
    };
    refuse_unknown(value, &[keys::PROCESSOR])?;
    let factor = decimal(value, "rescale_factor")?.unwrap_or(1.0 / 255.0);
    if (factor * 255.0 - 1.0).abs() > 1e-6 {
        return Err(not_read(&format!("`rescale_factor` {factor}")));
    }
    for step in ["do_resize", "do_rescale", "do_normalize"] {
        if flag(value, step)? == Some(false) {
            return Err(not_read(&format!("`{step}` false")));
        }
    }
    let crops = flag(value, "do_center_crop")?;
    let size = &value["size"];
    let shortest = size.as_i64().or_else(|| size["shortest_edge"].as_i64());
    let sides = [&size["height"], &size["width"]].map(Value::as_i64);
    let side = match (shortest, sides) {
        (Some(side), _) => {
            if crops == Some(false) {
                return Err(Error::new(format!(
                    "`do_center_crop` is false, and `size` makes only the shorter side of an image {side} pixels long"
                ))
                .expected(
                    "square images: `do_center_crop` true, or a `size` with equal `height` and `width`, to which images are \
                     squashed",
                )
                .help(ASK));
            }
            refuse_other_crop(value, side)?;
            config.resize = ResizeMode::Shortest;
            Some(side)
        }
        (None, [Some(height), Some(width)]) if height == width => {
            if crops != Some(false) {
                refuse_other_crop(value, height)?;
            }
            config.resize = ResizeMode::Squash;
            Some(height)
        }
        (None, [None, None]) if size.is_null() => None,
        _ => return Err(not_read(&format!("`size` {size}"))),
    };
    described.sizes.extend(side.map(|side| ("image size", side)));
    checked(described.clone()).map(|_| ())
}

/// What to do about preprocessing that makes no sense for a CLIP.
const ASK: &str = "download the file again, or look up how the model was trained and correct it; nothing is assumed here, because \
                   other pixels give other features";

/// Refuses a crop that is not all of what images are resized to.
fn refuse_other_crop(value: &Value, side: i64) -> Result<()> {
    let crop = &value["crop_size"];
    let sides = match crop.as_i64() {
        Some(side) => [Some(side); 2],
        None => [crop["height"].as_i64(), crop["width"].as_i64()],
    };
    if crop.is_null() || sides == [Some(side); 2] {
        return Ok(());
    }
    Err(Error::new(format!("`crop_size` is {crop}, and images are resized to {side} pixels"))
        .expected(format!("a crop of {side} pixels, as every CLIP has it"))
        .help(ASK))
}

/// How wide each of so many heads is.
fn head_width(tower: &str, width: i64, heads: i64) -> Result<i64> {
    if heads > 0 && width % heads == 0 {
        return Ok(width / heads);
    }
    Err(Error::new(format!("the {tower} tower is said to be {width} wide and to have {heads} attention heads"))
        .expected(format!("a number of heads that divides {width}"))
        .help("download the configuration again, or give the one that belongs to the weights with `--weights-config FILE`"))
}

/// Refuses numbers that no model can have.
fn checked(described: Described) -> Result<Described> {
    let config = &described.config;
    let odd = [config.image_head_width, config.text_head_width, config.context_length].iter().any(|n| *n <= 0);
    let positive = |x: &f64| x.is_finite() && *x > 0.0;
    let epsilons = [config.image_epsilon, config.text_epsilon];
    if odd
        || !epsilons.iter().all(positive)
        || !config.std.iter().all(positive)
        || !config.mean.iter().all(|x| x.is_finite())
    {
        return Err(Error::new(format!("the configuration has numbers that no model has: {}", config.to_json()))
            .expected("head widths, lengths, epsilons and deviations above zero"));
    }
    Ok(described)
}

pub(super) fn not_read(what: &str) -> Error {
    Error::new(format!("the configuration tells of a model with {what}"))
        .expected("a CLIP as OpenAI, LAION or DataComp have it")
        .help("such models are not read yet")
}

/// Why a `SigLIP` is not read.
pub(super) const SIGLIP: &str = "SigLIP is not read: its text tower sees later tokens, pools the last one and has a vocabulary \
    of its own, so that it would be another backbone";

fn no_json(error: &serde_json::Error) -> Error {
    Error::new(format!("the configuration is no JSON: {}", words_of_serde_json(error))).help("download it again")
}

/// What everything that holds keys should be.
const OBJECT: &str = "keys with values, in braces";

/// Refuses what has no keys where an object should be: all of it would be taken as left out.
fn refuse_no_object(value: &Value, name: &str) -> Result<()> {
    if value.is_null() || value.is_object() { Ok(()) } else { Err(ill_typed(name, value, OBJECT)) }
}

fn ill_typed(key: &str, value: &Value, expected: &str) -> Error {
    Error::new(format!("`{key}` is {value}")).expected(expected)
}

/// What stands under a key that may be left out or null. Another type is refused: taken as left out, it would make
/// another model.
fn typed<'a, T>(
    config: &'a Value,
    key: &str,
    read: impl FnOnce(&'a Value) -> Option<T>,
    expected: &str,
) -> Result<Option<T>> {
    let value = &config[key];
    if value.is_null() {
        return Ok(None);
    }
    read(value).map(Some).ok_or_else(|| ill_typed(key, value, expected))
}

fn flag(config: &Value, key: &str) -> Result<Option<bool>> {
    typed(config, key, Value::as_bool, "true or false")
}

fn word<'a>(config: &'a Value, key: &str) -> Result<Option<&'a str>> {
    typed(config, key, Value::as_str, "a word in quotes")
}

fn number(config: &Value, key: &str) -> Result<Option<i64>> {
    typed(config, key, Value::as_i64, "a whole number")
}

fn decimal(config: &Value, key: &str) -> Result<Option<f64>> {
    typed(config, key, Value::as_f64, "a number")
}

fn colours(config: &Value, key: &str) -> Result<Option<[f64; 3]>> {
    let three = |value: &Value| {
        let numbers: Option<Vec<f64>> = value.as_array()?.iter().map(Value::as_f64).collect();
        <[f64; 3]>::try_from(numbers?).ok()
    };
    typed(config, key, three, "three numbers, for red, green and blue")
}
