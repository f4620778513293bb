//! The training steps of `towers.py` through the host's services: methods that learn inside of the towers, or from many
//! texts.

use crate::steps::Steps;
use nemesis_core::backbone::clip::Clip;
use nemesis_core::backbone::{Assumption, Backbone};
use nemesis_core::method::prompt::unit;
use nemesis_core::method::towers::{Changes, Dropout, LayerPrompt, LowRank, Towers};
use nemesis_core::method::{ClassPosition, Host, Needs};
use nemesis_core::train::{Recompute, Services};
use nemesis_core::{Error, Result};
use nemesis_parity::{Fixtures, Tensors};
use serde::Deserialize;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use tch::nn::{self, OptimizerConfig};
use tch::{Device, Kind, Tensor};

/// What the reference says of its steps in `towers.json`.
#[derive(Clone, Debug, Deserialize)]
struct Inputs {
    method: String,
    steps: usize,
    n_ctx: usize,
    dropout: f64,
    class_names: Vec<String>,
}

/// A method at work: what it learns, and what it looks at.
struct Work<'a> {
    clip: &'a Clip,
    services: &'a Services<'a>,
    inputs: &'a Inputs,
    learned: &'a dyn Fn(&str) -> Tensor,
    images: Tensor,
    labels: Tensor,
}

/// Takes the steps whose inputs lie in `folder`.
///
/// # Errors
///
/// When a file is missing or malformed.
pub(crate) fn steps(folder: &Path, threads: usize, recompute: Recompute) -> Result<Steps> {
    tch::set_num_threads(threads as i32);
    let fixtures = Fixtures::open(folder)?;
    let inputs: Inputs = fixtures.json("towers.json")?;
    let tensors = fixtures.tensors("inputs.safetensors")?;
    let weights = fixtures.path("weights.safetensors");
    let clip = Clip::load_assuming(&weights, Some(Assumption::OpenAi), Device::Cpu, Kind::Float)?;
    let classes = clip.class_prompts(&inputs.class_names, inputs.n_ctx)?;
    let cancelled = AtomicBool::new(false);
    let needs = Needs { towers: true, ..Needs::default() };
    let services = Services::new(&clip, &classes, 0, recompute, &cancelled).with_towers(needs);

    let store = nn::VarStore::new(Device::Cpu);
    for name in learned_names(&tensors) {
        let _ = store.root().var_copy(&name.replace('.', "/"), &tensors.get(&format!("learned.{name}"))?);
    }
    let variables = store.variables();
    let learned = |name: &str| variables[&name.replace('.', "/")].shallow_clone();
    let mut optimiser = if inputs.method == "clip-lora" {
        nn::AdamW { wd: 0.01, ..nn::AdamW::default() }.build(&store, 2e-4)?
    } else {
        nn::Sgd { momentum: 0.9, wd: 5e-4, ..nn::Sgd::default() }.build(&store, 0.002)?
    };
    let images = tensors.get(if inputs.method == "cocoop" { "features" } else { "pixels" })?;
    let labels = tensors.get("labels")?;
    let work = Work { clip: &clip, services: &services, inputs: &inputs, learned: &learned, images, labels };
    let (mut seconds, mut losses) = (Vec::new(), Vec::new());
    for step in 0..inputs.steps as u64 {
        let started = Instant::now();
        let loss = work.loss(step)?;
        optimiser.zero_grad();
        services.backward(&loss)?;
        optimiser.step();
        services.end_step();
        seconds.push(started.elapsed().as_secs_f64());
        losses.push(loss.double_value(&[]));
    }
    let comparable = if inputs.dropout == 0.0 { losses.len() } else { 0 };
    Ok(Steps::new(inputs.method.clone(), inputs.class_names.len(), seconds, losses, comparable))
}

fn learned_names(tensors: &Tensors) -> Vec<String> {
    tensors.iter().filter_map(|(name, _)| name.strip_prefix("learned.").map(str::to_owned)).collect()
}

impl Work<'_> {
    fn loss(&self, step: u64) -> Result<Tensor> {
        let (images, text) = match &*self.inputs.method {
            "maple" => self.maple()?,
            "cocoop" => self.cocoop()?,
            "clip-lora" => self.clip_lora(step)?,
            other => return Err(Error::new(format!("the reference's method `{other}` is unknown"))),
        };
        // Text features are those of all images, or of each one.
        let logits = (unit(&images).unsqueeze(1) * unit(&text)).sum_dim_intlist(-1, false, Kind::Float);
        Ok((logits * self.clip.spec().logit_scale).cross_entropy_for_logits(&self.labels))
    }

    fn maple(&self) -> Result<(Tensor, Tensor)> {
        let learned = self.learned;
        let (mut text, mut image) = (Changes::default(), Changes::default());
        for layer in 0..9 {
            let tokens = learned(&format!("text.{layer}"));
            let [weight, bias] = ["weight", "bias"].map(|kind| learned(&format!("map.{layer}.{kind}")));
            image.prompts.push(LayerPrompt { layer, tokens: tokens.linear(&weight, Some(&bias)).unsqueeze(0) });
            if layer > 0 {
                text.prompts.push(LayerPrompt { layer, tokens: tokens.unsqueeze(0).unsqueeze(0) });
            }
        }
        let contexts = learned("text.0").unsqueeze(0).unsqueeze(0);
        let text = Towers::encode_contexts(self.services, &contexts, ClassPosition::End, &text)?.squeeze_dim(0);
        Ok((self.services.encode_images(&self.images, &image, false)?.global, text))
    }

    fn cocoop(&self) -> Result<(Tensor, Tensor)> {
        let learned = self.learned;
        let layer = |x: &Tensor, number: usize| {
            let [weight, bias] = ["weight", "bias"].map(|kind| learned(&format!("meta.{number}.{kind}")));
            x.linear(&weight, Some(&bias))
        };
        let shifts = layer(&layer(&unit(&self.images), 0).relu(), 1);
        let contexts = (learned("ctx") + shifts.unsqueeze(1)).unsqueeze(1);
        let text = Host::encode_contexts(self.services, &contexts, ClassPosition::End)?;
        Ok((self.images.shallow_clone(), text))
    }

    fn clip_lora(&self, step: u64) -> Result<(Tensor, Tensor)> {
        let changes = |tower: &str| {
            let mut changes = Changes::default();
            for layer in 0..12 {
                for part in ["q", "k", "v"] {
                    let name = format!("{tower}.{layer}.{part}");
                    let [down, up] = ["down", "up"].map(|kind| (self.learned)(&format!("{name}.{kind}")));
                    let probability = self.inputs.dropout;
                    let dropout = (probability > 0.0).then_some(Dropout { probability, index: step, mask: None });
                    changes.low_rank.push(LowRank { name, down, up, scale: 0.5_f64.sqrt(), dropout });
                }
            }
            changes
        };
        let prompts: Vec<String> = self.inputs.class_names.iter().map(|name| format!("a photo of a {name}.")).collect();
        let text = Towers::encode_strings(self.services, &prompts, &changes("text"))?;
        Ok((self.services.encode_images(&self.images, &changes("image"), false)?.global, text))
    }
}
