//! Pre-training of the small CLIP, contrastively, as CLIP was.
//!
//! Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021), section 2.3 and
//! figure 3: the symmetric cross-entropy over the cosine similarities of a batch.

use super::captions::pair;
use super::recipe::Recipe;
use nemesis_core::backbone::clip::{END, START, TextTower, Tokenizer, VisionTransformer, Weights};
const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];
use nemesis_core::method::random;
use nemesis_core::{Error, Result};
use rayon::prelude::*;
use std::collections::BTreeMap;
use tch::nn::{self, OptimizerConfig};
use tch::{Device, Kind, Tensor};

/// The number that CLIP's factor on cosine similarities may not exceed.
const MOST_LOGIT_SCALE: f64 = 100.0;

/// What all pairs of a pre-training are, drawn once.
struct Pairs {
    /// Normalised pixels `[pairs, 3, side, side]`.
    pixels: Tensor,
    /// For each pair its caption's tokens, as rows of the compact embedding.
    tokens: Vec<Vec<i64>>,
    /// The token of each row of the compact embedding: those that occur in captions, sorted.
    rows: Vec<i64>,
}

/// Pre-trains the small CLIP by the recipe, and returns its weights in half precision, under OpenAI's names.
///
/// `progress` is told the steps done, the steps in all, and the mean loss since it was last told.
///
/// # Errors
///
/// When sizes of the recipe do not fit one another.
pub fn pretrain(recipe: &Recipe, mut progress: impl FnMut(usize, usize, f64)) -> Result<BTreeMap<String, Tensor>> {
    let pairs = draw_pairs(recipe);
    let mut all = initial_weights(recipe);
    let whole = all.remove("token_embedding.weight").ok_or_else(|| Error::new("no token embedding"))?;
    // Only the rows of tokens that occur are trained; the others keep their initial values.
    let rows = Tensor::from_slice(&pairs.rows);
    all.insert("token_embedding.weight".into(), whole.index_select(0, &rows));

    let store = nn::VarStore::new(Device::Cpu);
    let trained: BTreeMap<String, Tensor> = all
        .into_iter()
        .map(|(name, initial)| {
            // The store itself puts full stops between the parts of a name.
            let mut parts = name.split('.').rev();
            let leaf = parts.next().unwrap_or_default();
            let path = parts.rev().fold(store.root(), |path, part| path.sub(part));
            let tensor = path.var_copy(leaf, &initial);
            (name, tensor)
        })
        .collect();
    let logit_scale = trained["logit_scale"].shallow_clone();
    let weights = Weights::new(trained.iter().map(|(name, t)| (name.clone(), t.shallow_clone())).collect());
    let (image, text) = (VisionTransformer::from_weights(&weights)?, TextTower::from_weights(&weights)?);

    let adam = nn::AdamW { beta1: 0.9, beta2: 0.98, wd: recipe.weight_decay, eps: 1e-6, amsgrad: false };
    let mut optimizer = adam.build(&store, recipe.learning_rate)?;
    let steps = recipe.pairs / recipe.batch_size * recipe.epochs;
    let mut step = 0;
    let (mut sum, mut count) = (0.0, 0);
    for epoch in 0..recipe.epochs {
        let order = random::permutation(recipe.pairs, |n| random::draws(recipe.seed, "order", epoch as u64, n));
        for batch in order.chunks_exact(recipe.batch_size) {
            optimizer.set_lr(learning_rate(recipe, step, steps));
            let loss = loss(&pairs, batch, &image, &text, &logit_scale);
            optimizer.backward_step(&loss);
            tch::no_grad(|| {
                let _ = logit_scale.shallow_clone().clamp_max_(MOST_LOGIT_SCALE.ln());
            });
            step += 1;
            sum += loss.double_value(&[]);
            count += 1;
            if step % 50 == 0 || step == steps {
                progress(step, steps, sum / f64::from(count));
                (sum, count) = (0.0, 0);
            }
        }
    }
    let _guard = tch::no_grad_guard();
    let embedding = whole.index_copy(0, &rows, &trained["token_embedding.weight"]);
    let mut result: BTreeMap<String, Tensor> =
        trained.into_iter().map(|(name, tensor)| (name, tensor.detach().to_kind(Kind::Half))).collect();
    result.insert("token_embedding.weight".into(), embedding.to_kind(Kind::Half));
    Ok(result)
}

/// Warm-up and cosine.
fn learning_rate(recipe: &Recipe, step: usize, steps: usize) -> f64 {
    if step < recipe.warmup_steps {
        return recipe.learning_rate * (step + 1) as f64 / recipe.warmup_steps as f64;
    }
    let done = (step - recipe.warmup_steps) as f64 / (steps - recipe.warmup_steps).max(1) as f64;
    recipe.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// The symmetric cross-entropy of a batch.
fn loss(pairs: &Pairs, batch: &[usize], image: &VisionTransformer, text: &TextTower, logit_scale: &Tensor) -> Tensor {
    let index: Vec<i64> = batch.iter().map(|&i| i as i64).collect();
    let pixels = pairs.pixels.index_select(0, &Tensor::from_slice(&index));
    let longest = batch.iter().map(|&i| pairs.tokens[i].len()).max().unwrap_or(0);
    let padded = batch.iter().flat_map(|&i| pairs.tokens[i].iter().copied().chain(std::iter::repeat(0)).take(longest));
    let tokens = Tensor::from_slice(&padded.collect::<Vec<i64>>()).view([batch.len() as i64, longest as i64]);
    // The end token has the highest number, among rows as among tokens.
    let texts = text.forward_tokens(&tokens);
    let unit = |x: &Tensor| x / x.norm_scalaropt_dim(2.0, [-1], true);
    let logits = unit(&image.forward(&pixels)).matmul(&unit(&texts).tr()) * logit_scale.exp();
    let targets = Tensor::arange(batch.len() as i64, (Kind::Int64, Device::Cpu));
    (logits.cross_entropy_for_logits(&targets) + logits.tr().cross_entropy_for_logits(&targets)) / 2.0
}

fn draw_pairs(recipe: &Recipe) -> Pairs {
    let side = recipe.image.side;
    let drawn: Vec<(Vec<f32>, Vec<i64>)> = (0..recipe.pairs as u64)
        .into_par_iter()
        .map(|number| {
            let pair = pair(recipe.seed, number, side as usize);
            let bytes = pair.picture.bytes();
            let plane =
                |c: usize| bytes.iter().skip(c).step_by(3).map(move |&b| (f32::from(b) / 255.0 - MEAN[c]) / STD[c]);
            let mut tokens = vec![START];
            tokens.extend(Tokenizer::clip().encode(&pair.caption));
            tokens.push(END);
            ((0..3).flat_map(plane).collect(), tokens)
        })
        .collect();
    let mut rows: Vec<i64> = drawn.iter().flat_map(|(_, tokens)| tokens.iter().copied()).collect();
    rows.sort_unstable();
    rows.dedup();
    let pixels: Vec<f32> = drawn.iter().flat_map(|(pixels, _)| pixels.iter().copied()).collect();
    let row = |token: &i64| rows.partition_point(|r| r < token) as i64;
    Pairs {
        pixels: Tensor::from_slice(&pixels).view([recipe.pairs as i64, 3, side, side]),
        tokens: drawn.iter().map(|(_, tokens)| tokens.iter().map(row).collect()).collect(),
        rows,
    }
}

/// The initial weights, after `CLIP.initialize_parameters` of openai/CLIP.
fn initial_weights(recipe: &Recipe) -> BTreeMap<String, Tensor> {
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
