//! The weights that pre-training starts from.

use super::recipe::Recipe;
use nemesis_core::method::random;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// The initial weights, after `CLIP.initialize_parameters` of openai/CLIP.
pub(super) fn initial_weights(recipe: &Recipe) -> BTreeMap<String, Tensor> {
    let mut weights = BTreeMap::new();
    let mut index = 0;
    let mut normal = |shape: &[i64], deviation: f64| {
        index += 1;
        let count = shape.iter().product::<i64>() as usize;
        let numbers = random::normals(count, |n| random::draws(recipe.seed, "weights", index, n));
        (Tensor::from_slice(&numbers) * deviation).to_kind(Kind::Float).view(shape)
    };
    let (image, text) = (&recipe.image, &recipe.text);
    let root = |width: i64| (width as f64).powf(-0.5);
    let mut named: Vec<(String, Tensor)> = Vec::new();
    for (prefix, width, layers) in
        [("visual.transformer", image.width, image.layers), ("transformer", text.width, text.layers)]
    {
        let residual = root(width) * root(2 * layers);
        for layer in 0..layers {
            for (name, shape, deviation) in [
                ("attn.in_proj", [3 * width, width], root(width)),
                ("attn.out_proj", [width, width], residual),
                ("mlp.c_fc", [4 * width, width], root(2 * width)),
                ("mlp.c_proj", [width, 4 * width], residual),
            ] {
                let separator = if name == "attn.in_proj" { '_' } else { '.' };
                let name = format!("{prefix}.resblocks.{layer}.{name}{separator}");
                named.push((format!("{name}bias"), Tensor::zeros([shape[0]], (Kind::Float, Device::Cpu))));
                named.push((format!("{name}weight"), normal(&shape, deviation)));
            }
        }
    }
    let mut norm = |name: String, width: i64| {
        named.push((format!("{name}.weight"), Tensor::ones([width], (Kind::Float, Device::Cpu))));
        named.push((format!("{name}.bias"), Tensor::zeros([width], (Kind::Float, Device::Cpu))));
    };
    for ln in ["ln_1", "ln_2"] {
        (0..image.layers).for_each(|i| norm(format!("visual.transformer.resblocks.{i}.{ln}"), image.width));
        (0..text.layers).for_each(|i| norm(format!("transformer.resblocks.{i}.{ln}"), text.width));
    }
    norm("visual.ln_pre".into(), image.width);
    norm("visual.ln_post".into(), image.width);
    norm("ln_final".into(), text.width);
    let positions = 1 + (image.side / image.patch).pow(2);
    let patch = [image.width, 3, image.patch, image.patch];
    weights.extend(named);
    for (name, shape, deviation) in [
        ("visual.conv1.weight", &patch[..], root(3 * image.patch.pow(2))),
        ("visual.class_embedding", &[image.width], root(image.width)),
        ("visual.positional_embedding", &[positions, image.width], root(image.width)),
        ("visual.proj", &[image.width, recipe.embed_dim], root(image.width)),
        ("token_embedding.weight", &[text.vocabulary, text.width], 0.02),
        ("positional_embedding", &[text.context_length, text.width], 0.01),
        ("text_projection", &[text.width, recipe.embed_dim], root(text.width)),
    ] {
        weights.insert(name.to_owned(), normal(shape, deviation));
    }
    weights.insert("logit_scale".to_owned(), Tensor::from((1.0f64 / 0.07).ln()).to_kind(Kind::Float));
    weights
}
