//! Tokenizer, image towers, and the text tower's ways forward and backward, at 10 to 1000 classes.

mod common;
#[path = "common/resnet.rs"]
mod resnet;

use common::{class_names, is_trial, random_clip};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nemesis_core::backbone::Backbone;
use nemesis_core::backbone::clip::{TextPath, Tokenizer};
use nemesis_core::method::ClassPosition;
use resnet::random_resnet;
use std::hint::black_box;
use tch::{Device, Kind, Tensor};

fn tokenizer(criterion: &mut Criterion) {
    let names = class_names(1000);
    let tokenizer = Tokenizer::clip();
    let mut group = criterion.benchmark_group("tokenizer");
    group.throughput(Throughput::Elements(names.len() as u64));
    group.bench_function("1000 class names", |b| {
        b.iter(|| names.iter().map(|name| black_box(tokenizer.encode(name)).len()).sum::<usize>());
    });
    group.finish();
}

/// The images that go through a tower at a time, of which the engine's is one: see `batch` in `train::features`.
fn image_towers(criterion: &mut Criterion) {
    let (vit, resnet) = (random_clip(), random_resnet());
    let batches: &[i64] = if is_trial() { &[1] } else { &[8, 16, 32, 64, 128] };
    let mut group = criterion.benchmark_group("image tower");
    group.sample_size(10);
    for batch in batches {
        let pixels = Tensor::randn([*batch, 3, 224, 224], (Kind::Float, Device::Cpu));
        group.throughput(Throughput::Elements(*batch as u64));
        group.bench_with_input(BenchmarkId::new("ViT-B/32", batch), &pixels, |b, pixels| {
            b.iter(|| black_box(vit.encode_images(pixels).expect("the shape fits")));
        });
        group.bench_with_input(BenchmarkId::new("RN50", batch), &pixels, |b, pixels| {
            b.iter(|| tch::no_grad(|| black_box(resnet.forward(pixels))));
        });
    }
    group.finish();
}

fn text_tower(criterion: &mut Criterion) {
    let mut clip = random_clip();
    let contexts = Tensor::randn([1, 1, 16, clip.spec().width], (Kind::Float, Device::Cpu)) * 0.02;
    let contexts = contexts.set_requires_grad(true);
    let counts: &[usize] = if is_trial() { &[3] } else { &[10, 100, 397, 1000] };
    let mut group = criterion.benchmark_group("text tower, forward and backward");
    group.sample_size(10);
    for (name, path) in [("shared", TextPath::Shared), ("cut", TextPath::Cut), ("plain", TextPath::Plain)] {
        clip = clip.with_text_path(path);
        for count in counts {
            if path == TextPath::Plain && *count > 397 {
                // 24 GB of activations.
                continue;
            }
            let classes = clip.class_prompts(&class_names(*count), 16).expect("the names are short");
            group.throughput(Throughput::Elements(*count as u64));
            group.bench_with_input(BenchmarkId::new(name, count), &classes, |b, classes| {
                b.iter(|| {
                    let features = clip.encode_contexts(classes, &contexts, ClassPosition::End);
                    features.expect("the shapes fit").square().sum(None::<Kind>).backward();
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, tokenizer, image_towers, text_tower);
criterion_main!(benches);
