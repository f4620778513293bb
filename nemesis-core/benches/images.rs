//! How fast images are decoded, resized and cropped, one at a time and on all threads.
//!
//! `NEMESIS_BENCH_IMAGES=FOLDER` takes the JPEG files below a folder in place of the two small ones of the tests, and
//! `RAYON_NUM_THREADS` bounds the threads. `peer_images.py` measures the same work in Pillow and torchvision.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nemesis_core::backbone::clip;
use nemesis_core::image::{Rgb8, decode};
use rayon::prelude::*;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};

/// The bytes of at most a thousand images, spread evenly over the folder's files in order of their names.
fn images() -> Vec<Vec<u8>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity/preprocess");
    let mut files = vec![];
    collect(&std::env::var_os("NEMESIS_BENCH_IMAGES").map_or(fixtures, PathBuf::from), &mut files);
    files.sort();
    let step = files.len().div_ceil(1000).max(1);
    files.iter().step_by(step).map(|file| fs::read(file).expect("the file was listed")).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("NEMESIS_BENCH_IMAGES is a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "jpg") {
            files.push(path);
        }
    }
}

fn bench(criterion: &mut Criterion) {
    let files = images();
    let decoded: Vec<Rgb8> = files.iter().map(|bytes| decode(bytes).expect("an image")).collect();
    let preprocess = clip::preprocess(224);
    let mut group = criterion.benchmark_group("images");
    group.sample_size(10).throughput(Throughput::Elements(files.len() as u64));
    group.bench_function("decode", |b| b.iter(|| files.iter().map(|bytes| decode(bytes).is_ok()).all(black_box)));
    group.bench_function("test image", |b| {
        b.iter(|| decoded.iter().for_each(|image| drop(black_box(preprocess.eval(image)))));
    });
    group.bench_function("training image", |b| {
        let train = |(n, image)| drop(black_box(preprocess.train(image, 1, 0, n as u32)));
        b.iter(|| decoded.iter().enumerate().for_each(train));
    });
    group.bench_function("decode, test image, all threads", |b| {
        b.iter(|| {
            let made = files.par_iter().map(|bytes| preprocess.eval(&decode(bytes).expect("an image")));
            made.for_each(|image| drop(black_box(image)));
        });
    });
    group.bench_function("decode, training image, all threads", |b| {
        b.iter(|| {
            files.par_iter().enumerate().for_each(|(n, bytes)| {
                drop(black_box(preprocess.train(&decode(bytes).expect("an image"), 1, 0, n as u32)));
            });
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
