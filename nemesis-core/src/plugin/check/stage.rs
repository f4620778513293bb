//! The toy setting that checks run in: a backbone with one small layer, behind the services of real runs.

use crate::Result;
use crate::backbone::{Backbone, BackboneSpec, ClassPrompts, Origin};
use crate::image::{Interpolation, Preprocess, RandomCrop, ResizeMode};
use crate::method::testing::{ToyHost, ToyTower};
use crate::method::towers::Changes;
use crate::method::{Batch, ClassPosition, Needs, Task};
use crate::train::{Recompute, Services};
use std::sync::atomic::AtomicBool;
use tch::{Device, Kind, Tensor};

/// A task, its backbone and its services.
pub(super) struct Stage {
    host: ToyHost,
    backbone: ToyBackbone,
    prompts: ClassPrompts,
    cancelled: AtomicBool,
}

impl Stage {
    pub(super) fn new(classes: usize, kind: Kind) -> Self {
        let host = ToyHost::new(classes).of_kind(kind);
        let task = host.task();
        let spec = BackboneSpec {
            preprocess: Preprocess {
                size: ToyTower::SIDE as usize,
                mean: [0.0; 3],
                std: [1.0; 3],
                resize: ResizeMode::Squash,
                interpolation: Interpolation::Bilinear,
                crop: RandomCrop::COOP,
            },
            embed_dim: task.embed_dim,
            width: task.width,
            context_length: ToyTower::CONTEXT_LENGTH,
            logit_scale: task.logit_scale,
            device: task.device,
            kind,
            rounds_to: kind,
            weights_hash: String::new(),
            origin: Origin::Script,
            shape: String::new(),
        };
        let backbone = ToyBackbone { spec, tower: ToyTower { kind, seed: 1 } };
        let prompts = name_prompts(&task.class_names);
        Self { host, backbone, prompts, cancelled: AtomicBool::new(false) }
    }

    pub(super) fn task(&self) -> Task {
        self.host.task()
    }

    pub(super) fn services(&self, seed: u64, recompute: Recompute) -> Services<'_> {
        Services::new(&self.backbone, &self.prompts, seed, recompute, &self.cancelled)
    }

    /// A batch with only what a method asks for.
    pub(super) fn batch(&self, images: usize, step: u64, needs: Needs) -> Batch {
        let batch = self.host.batch(images, step);
        Batch {
            features: batch.features.filter(|_| needs.features),
            dense: batch.dense.filter(|_| needs.dense),
            pixels: batch.pixels.filter(|_| needs.pixels),
            ..batch
        }
    }
}

/// A batch without labels, as in an evaluation.
pub(super) fn without_labels(batch: &Batch) -> Batch {
    Batch {
        items: batch.items.clone(),
        labels: Tensor::zeros([0], (Kind::Int64, Device::Cpu)),
        features: batch.features.as_ref().map(Tensor::shallow_clone),
        dense: batch.dense.as_ref().map(Tensor::shallow_clone),
        pixels: batch.pixels.as_ref().map(Tensor::shallow_clone),
        epoch: 0,
        epochs: 0,
        step: 0,
        steps: 0,
    }
}

struct ToyBackbone {
    spec: BackboneSpec,
    tower: ToyTower,
}

/// The bytes of each name are its tokens.
fn name_prompts(class_names: &[String]) -> ClassPrompts {
    let tokens: Vec<Vec<i64>> = class_names.iter().map(|name| name.bytes().map(i64::from).collect()).collect();
    let name_lengths = tokens.iter().map(Vec::len).collect();
    ClassPrompts { tokens, name_lengths }
}

impl Backbone for ToyBackbone {
    fn spec(&self) -> &BackboneSpec {
        &self.spec
    }

    fn encode_images(&self, pixels: &Tensor) -> Result<Tensor> {
        let images = pixels.size()[0];
        Ok(pixels.f_reshape([images, -1])?.narrow(1, 0, self.spec.embed_dim))
    }

    fn encode_places(&self, pixels: &Tensor) -> Result<(Tensor, Tensor)> {
        let places = pixels.f_reshape([pixels.size()[0], 4, -1])?;
        Ok((self.encode_images(pixels)?, places.narrow(2, 0, self.spec.embed_dim)))
    }

    fn encode_strings(&self, prompts: &[String]) -> Result<Tensor> {
        Ok(self.tower.encode_strings(prompts, &Changes::default())?)
    }

    fn embed_text(&self, text: &str) -> Result<Tensor> {
        Ok(self.tower.embeddings(&text.split_whitespace().collect::<Vec<_>>())?)
    }

    fn embed_tokens(&self, tokens: &[i64]) -> Result<Tensor> {
        self.embed_text(&tokens.iter().map(|token| char::from(*token as u8)).collect::<String>())
    }

    fn start_token(&self) -> i64 {
        0
    }

    fn class_prompts(&self, class_names: &[String], _context_vectors: usize) -> Result<ClassPrompts> {
        Ok(name_prompts(class_names))
    }

    fn encode_contexts(&self, classes: &ClassPrompts, contexts: &Tensor, position: ClassPosition) -> Result<Tensor> {
        let text = |tokens: &Vec<i64>| tokens.iter().map(|token| char::from(*token as u8)).collect();
        let names: Vec<String> = classes.tokens.iter().map(text).collect();
        Ok(self.tower.encode_contexts(&names, contexts, position, &Changes::default())?)
    }

    fn graph_bytes(&self, classes: &ClassPrompts, contexts: &Tensor, _position: ClassPosition) -> u64 {
        (classes.len() * contexts.numel() * contexts.kind().elt_size_in_bytes()) as u64
    }
}
