//! A training step of each of the project's methods, through its plugin, and a call of a plugin that does nothing.
//!
//! The plugins are those beside the program, as `cargo build --release` makes them; without them there is nothing to
//! measure, and the benches say so.

#[path = "../../nemesis-core/benches/common/mod.rs"]
mod common;

use common::{class_names, is_trial, random_clip};
use criterion::{Criterion, criterion_group, criterion_main};
use nemesis_bench::plugins::Plugins;
use nemesis_core::backbone::Backbone;
use nemesis_core::engine::task;
use nemesis_core::method::Batch;
use nemesis_core::method::testing::ToyHost;
use nemesis_core::train::{Optimiser, Precision, Recompute, ResolvedProtocol, Services, step};
use serde_json::Map;
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use tch::{Device, Kind, Tensor};

const METHODS: [&str; 3] = ["coop", "nemesis-pen", "nemesis-pan"];

/// The plugins of the build that the bench, which lies in a folder `deps` of it, belongs to.
fn plugins() -> Option<Plugins> {
    let program = std::env::current_exe().ok()?;
    let mut plugins = Plugins::find(&[program.parent()?.parent()?.to_owned()]).ok()?;
    let there = METHODS.iter().all(|method| plugins.load(method).is_ok());
    if !there {
        eprintln!("no step is measured: build the plugins with `cargo build --release` first");
    }
    there.then_some(plugins)
}

fn steps(criterion: &mut Criterion) {
    let Some(mut plugins) = plugins() else { return };
    let clip = random_clip();
    let names = class_names(if is_trial() { 3 } else { 100 });
    let classes = clip.class_prompts(&names, 16).expect("the names are short");
    let cancelled = AtomicBool::new(false);
    let protocol = ResolvedProtocol { momentum: 0.9, weight_decay: 5e-4, ..ResolvedProtocol::default() };
    let batch = Batch {
        items: (0..32).collect(),
        labels: Tensor::randint(names.len() as i64, [32], (Kind::Int64, Device::Cpu)),
        features: Some(Tensor::randn([32, clip.spec().embed_dim], (Kind::Float, Device::Cpu))),
        dense: None,
        pixels: None,
        epoch: 0,
        epochs: 1,
        step: 0,
        steps: 1,
    };
    let mut group = criterion.benchmark_group(format!("training step, {} classes", names.len()));
    group.sample_size(10);
    for id in METHODS {
        let services = Services::new(&clip, &classes, 1, Recompute::Never, &cancelled);
        let task = task(clip.spec(), names.clone(), "a photo of a {}.", 1, Precision::Fp32);
        let plugin = plugins.load(id).expect("all are there");
        let mut method = plugin.create(&task, &Map::new(), &services).expect("the defaults are good");
        let parameters = method.parameters().expect("a method has parameters");
        let mut optimiser = Optimiser::new(parameters, &protocol).expect("the options are the protocol's");
        group.bench_function(id, |b| {
            b.iter(|| {
                let loss = step(&mut *method, &mut optimiser, 1e-6, &batch, &services);
                services.end_step();
                black_box(loss.expect("the loss is finite"))
            });
        });
    }
    group.finish();
}

fn crossing(criterion: &mut Criterion) {
    let Some(mut plugins) = plugins() else { return };
    let host = ToyHost::new(5);
    let batch = host.batch(8, 0);
    let plugin = plugins.load("coop").expect("all are there");
    let mut method = plugin.create(&host.task(), &Map::new(), &host).expect("the defaults are good");
    criterion.bench_function("a call of a plugin", |b| {
        b.iter(|| method.compute_gradients(black_box(&batch), &host).is_ok());
    });
}

criterion_group!(benches, steps, crossing);
criterion_main!(benches);
