//! The toy setting that checks run in: a small backbone behind the services of real runs.

use super::backbone::{ToyBackbone, name_prompts};
use crate::backbone::{BackboneSpec, ClassPrompts, Origin};
use crate::image::{Interpolation, Preprocess, RandomCrop, ResizeMode};
use crate::method::testing::{ToyHost, ToyTower};
use crate::method::{Batch, Needs, Task};
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

    /// All services. A plugin gets those that its descriptor asks for.
    pub(super) fn services(&self, seed: u64, recompute: Recompute) -> Services<'_> {
        let everything = Needs { towers: true, ..Needs::FEATURES };
        Services::new(&self.backbone, &self.prompts, seed, recompute, &self.cancelled).with_towers(everything)
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

#[cfg(test)]
mod tests;
