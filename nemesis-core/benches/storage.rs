//! What lies on the disk: a part of the feature pool, and a store of ten thousand records.

#[path = "common/provenance.rs"]
mod provenance;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nemesis_core::dataset::ClassSubset;
use nemesis_core::pool::{PartKey, Pool, View};
use nemesis_core::record::{BackboneKey, MethodKey, Store, Trained, TrainingCell};
use provenance::provenance;
use serde_json::Map;
use std::collections::BTreeMap;
use std::hint::black_box;
use tch::{Device, Kind, Tensor};

fn pool(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let pool = Pool::open(folder.path(), u64::MAX).expect("the folder is new");
    let key = PartKey {
        images: "images".to_owned(),
        weights: "weights".to_owned(),
        assumed: None,
        preprocess: "preprocess".to_owned(),
        precision: "Float".to_owned(),
        code: "code".to_owned(),
        view: View::Test,
    };
    let features = || Ok(Tensor::zeros([1600, 1024], (Kind::Float, Device::Cpu)));
    let _ = pool.get_or_compute(&key, features).expect("the folder can be written");
    let mut group = criterion.benchmark_group("pool");
    group.throughput(Throughput::Bytes(1600 * 1024 * 4));
    group.bench_function("read", |b| b.iter(|| black_box(pool.get_or_compute(&key, || unreachable!("it is stored")))));
    group.finish();
}

fn cell(seed: u64) -> TrainingCell {
    TrainingCell {
        dataset: "dtd".to_owned(),
        manifest: "manifest".to_owned(),
        images: "manifest".to_owned(),
        classes: ClassSubset::All,
        method: MethodKey { id: "coop".to_owned(), options: Map::new(), source: "source".to_owned() },
        backbone: BackboneKey { weights: "weights".to_owned(), assumed: None },
        shots: 16,
        seed,
        initialisation: None,
        protocol: Map::new(),
        precision: "fp32".to_owned(),
        engine: "engine".to_owned(),
        kept_epochs: Vec::new(),
        sample: None,
    }
}

fn store(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let store = Store::open(folder.path()).expect("the folder is new");
    let provenance = provenance();
    let state = vec![("ctx".to_owned(), Tensor::zeros([16, 8], (Kind::Float, Device::Cpu)))];
    // `cargo bench -- --test` and `cargo test --benches` only try the benches out.
    let is_given = |flag: &str| std::env::args().any(|argument| argument == flag);
    let records = if is_given("--bench") && !is_given("--test") { 10_000 } else { 10 };
    for seed in 0..records {
        let trained = Trained { epochs: Vec::new(), state: &state, classes: &[], kept: BTreeMap::new() };
        let put = store.put_training(&cell(seed), trained, provenance.clone());
        put.expect("the folder can be written");
    }
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10).throughput(Throughput::Elements(records));
    group.bench_function(format!("read {records} records"), |b| {
        b.iter(|| {
            let ids = store.ids().expect("the folder can be read");
            ids.iter().filter(|id| store.get::<TrainingCell>(id).is_ok_and(|record| record.is_some())).count()
        });
    });
    group.finish();
}

criterion_group!(benches, pool, store);
criterion_main!(benches);
