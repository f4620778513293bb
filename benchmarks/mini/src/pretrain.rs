//! Pre-training of the small CLIP, contrastively, as CLIP was.
//!
//! Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021), section 2.3 and
//! figure 3: the symmetric cross-entropy over the cosine similarities of a batch.

use super::captions::{Pair, pair};
use super::initial::initial_weights;
use super::recipe::Recipe;
use nemesis_core::backbone::clip::{END, START, TextTower, Tokenizer, VisionTransformer, Weights, preprocess};
use nemesis_core::image::Rgb8;
use nemesis_core::method::{State, random};
use nemesis_core::{Error, Result, threads};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tch::nn::{self, OptimizerConfig};
use tch::{Device, Kind, Tensor};

/// The number that CLIP's factor on cosine similarities may not exceed.
const MOST_LOGIT_SCALE: f64 = 100.0;

/// After how many steps progress is told.
const REPORT_STEPS: usize = 10;

/// What all pairs of a pre-training are, drawn once.
struct Pairs {
    images: Vec<Rgb8>,
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
pub fn pretrain(recipe: &Recipe, mut progress: impl FnMut(usize, usize, f64)) -> Result<State> {
    let pairs = draw_pairs(recipe)?;
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
            let loss = loss(&pairs, batch, &image, &text, &logit_scale)?;
            optimizer.backward_step(&loss);
            tch::no_grad(|| {
                let _ = logit_scale.shallow_clone().clamp_max_(MOST_LOGIT_SCALE.ln());
            });
            step += 1;
            sum += loss.double_value(&[]);
            count += 1;
            if step.is_multiple_of(REPORT_STEPS) || step == steps {
                progress(step, steps, sum / f64::from(count));
                (sum, count) = (0.0, 0);
            }
        }
    }
    let _guard = tch::no_grad_guard();
    let embedding = whole.index_copy(0, &rows, &trained["token_embedding.weight"]);
    let result = trained.into_iter().map(|(name, tensor)| {
        let tensor = if name == "token_embedding.weight" { embedding.shallow_clone() } else { tensor.detach() };
        (name, tensor.to_kind(Kind::Half))
    });
    Ok(result.collect())
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
fn loss(
    pairs: &Pairs,
    batch: &[usize],
    image: &VisionTransformer,
    text: &TextTower,
    logit_scale: &Tensor,
) -> Result<Tensor> {
    let images: Vec<Rgb8> = batch.iter().map(|&i| pairs.images[i].clone()).collect();
    let pixels = preprocess(images[0].width()).tensor(&images, Kind::Float)?;
    let longest = batch.iter().map(|&i| pairs.tokens[i].len()).max().unwrap_or(0);
    let padded = batch.iter().flat_map(|&i| pairs.tokens[i].iter().copied().chain(std::iter::repeat(0)).take(longest));
    let tokens = Tensor::from_slice(&padded.collect::<Vec<i64>>()).view([batch.len() as i64, longest as i64]);
    // The end token has the highest number, among rows as among tokens.
    let texts = text.forward_tokens(&tokens);
    let unit = |x: &Tensor| x / x.norm_scalaropt_dim(2.0, [-1], true);
    let logits = unit(&image.forward(&pixels)).matmul(&unit(&texts).tr()) * logit_scale.exp();
    let targets = Tensor::arange(batch.len() as i64, (Kind::Int64, Device::Cpu));
    Ok((logits.cross_entropy_for_logits(&targets) + logits.tr().cross_entropy_for_logits(&targets)) / 2.0)
}

fn draw_pairs(recipe: &Recipe) -> Result<Pairs> {
    threads::ready()?;
    let drawn: Vec<(Rgb8, Vec<i64>)> = (0..recipe.pairs as u64)
        .into_par_iter()
        .map(|number| {
            let Pair { picture, caption } = pair(recipe.seed, number, recipe.image.side as usize);
            let mut tokens = vec![START];
            tokens.extend(Tokenizer::clip().encode(&caption));
            tokens.push(END);
            Ok((Rgb8::new(picture.width, picture.height, picture.bytes())?, tokens))
        })
        .collect::<Result<_>>()?;
    let (images, tokens): (Vec<_>, Vec<_>) = drawn.into_iter().unzip();
    let rows: BTreeSet<i64> = tokens.iter().flatten().copied().collect();
    let rows: Vec<i64> = rows.into_iter().collect();
    let row = |token: &i64| rows.partition_point(|r| r < token) as i64;
    let tokens = tokens.iter().map(|tokens| tokens.iter().map(row).collect()).collect();
    Ok(Pairs { images, tokens, rows })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_core::backbone::clip::Clip;
    use nemesis_core::backbone::{Assumption, Backbone};
    use nemesis_core::{files, record};
    use std::path::Path;

    const TINY: &str = "
        seed: 1
        pairs: 64
        epochs: 8
        batch_size: 16
        learning_rate: 0.003
        warmup_steps: 4
        weight_decay: 0.01
        image: {side: 16, patch: 8, width: 64, layers: 1}
        text: {vocabulary: 49408, context_length: 77, width: 64, layers: 1}
        embed_dim: 16";

    #[test]
    fn pretraining_learns_and_gives_a_checkpoint_of_clip() {
        let recipe = Recipe::parse(TINY, Path::new("tiny.yaml")).unwrap();
        let mut losses = Vec::new();
        let weights = pretrain(&recipe, |step, steps, loss| {
            assert_eq!(steps, 32);
            losses.push((step, loss));
        })
        .unwrap();
        assert!(losses[0].1 > losses[losses.len() - 1].1 + 0.1, "{losses:?}");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.safetensors");
        files::write_atomic(&path, &record::to_safetensors(&weights, &[]).unwrap()).unwrap();
        let clip = Clip::load_assuming(&path, Some(Assumption::OpenAi), Device::Cpu, Kind::Float).unwrap();
        assert_eq!((clip.spec().image_size(), clip.spec().width, clip.spec().embed_dim), (16, 64, 16));
        let initial = &initial_weights(&recipe)["token_embedding.weight"];
        let embedding = clip.embed_text("photo of a xylophone").unwrap();
        let moved = |word: &str, row: i64| {
            let token = Tokenizer::clip().encode(word)[0];
            let before = initial.get(token).to_kind(Kind::Half).to_kind(Kind::Float);
            (embedding.get(row) - before).abs().max().double_value(&[]) > 1e-3
        };
        assert!(moved("photo", 0) && !moved("xylophone", 3), "words of captions alone are trained");
    }
}
