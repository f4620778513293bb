//! Readers of our own files, which others may have damaged or written, and of what plugins say.

use super::data::put;
use super::source;
use nemesis_bench::clean::leftovers;
use nemesis_bench::status::runs;
use nemesis_core::leases::{self, Places, RunState};
use nemesis_core::method::Descriptor;
use nemesis_core::plugin::PluginFile;
use nemesis_core::pool::{PartKey, Pool, View};
use nemesis_core::record::{CellId, EvaluationCell, Store, TrainingCell, from_safetensors, to_safetensors};
use nemesis_core::{Error, Result};
use std::fs;
use std::path::Path;
use tch::{Device, Kind, Tensor};

pub(super) fn plugin(folder: &Path, input: &[u8]) -> Result<()> {
    let file = folder.join("libnemesis_method_x.so");
    put(&file, input)?;
    PluginFile::inspect(&file).and_then(|plugin| plugin.compatible())
}

pub(super) fn descriptors() -> Vec<Vec<u8>> {
    vec![fs::read(source("benchmarks/fuzz/seeds/descriptor.json")).unwrap_or_default()]
}

pub(super) fn descriptor(_: &Path, input: &[u8]) -> Result<()> {
    let read: Result<Descriptor, _> = serde_json::from_slice(input);
    read.map(drop).map_err(|e| Error::new(e.to_string()))
}

pub(super) fn records() -> Vec<Vec<u8>> {
    ["training", "evaluation"]
        .iter()
        .filter_map(|kind| fs::read(source("benchmarks/fuzz/seeds").join(format!("{kind}.json"))).ok())
        .collect()
}

/// Under the id that it gives itself, as a record of either kind and as the note of a failure.
pub(super) fn record(folder: &Path, input: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(input);
    let own = text.split_once("\"id\": \"").and_then(|(_, rest)| rest.get(..64)?.parse::<CellId>().ok());
    let id = own.unwrap_or_else(|| "0".repeat(64).parse().expect("it is an id"));
    put(&folder.join(format!("out/records/{id}.json")), input)?;
    put(&folder.join(format!("out/failures/{id}.json")), input)?;
    let store = Store::open(folder.join("out"))?;
    let training = store.get::<TrainingCell>(&id).map(drop);
    let evaluation = store.get::<EvaluationCell>(&id).map(drop);
    let failure = store.failure(&id).map(drop);
    let _ = fs::remove_dir_all(folder.join("out"));
    training.or(evaluation).or(failure)
}

pub(super) fn leases() -> Vec<Vec<u8>> {
    let run = r#"{"run":"0123456789abcdef","host":"here","boot":"b","process":4711,"locked":true,"every":0.25,"beat":17,"seconds":12,"activity":{"question":"few-shot","work":[{"worker":0,"cell":"eurosat, coop","since":3,"part":0.5}],"computed":3,"failed":0}}"#;
    let job = r#"{"run":"0123456789abcdef","group":"eurosat","what":"eurosat, 1 shot, seed 1"}"#;
    vec![run.into(), job.into()]
}

/// As a heartbeat and as a lease, shown by `status` and looked at by `clean`.
pub(super) fn lease(folder: &Path, input: &[u8]) -> Result<()> {
    let out = folder.join("out");
    let places = Places::of(&out);
    put(&places.run("0123456789abcdef"), input)?;
    put(&places.jobs_folder().join("job-1.json"), input)?;
    put(&places.jobs_folder().join("job-18446744073709551615.json"), input)?;
    let states = RunState::all(&places)?;
    let is_known = !states.is_empty() || leases::leases(&out)?.iter().any(|lease| lease.run.is_some());
    for state in states {
        state.heartbeat();
        state.has_died_here(&places);
    }
    let runs = runs(&out)?;
    let outcome = leftovers(&out, &folder.join("pool"), &runs, true, true);
    let _ = fs::remove_dir_all(out);
    outcome?;
    // What cannot be read harms nobody; here the two are to be told apart.
    if is_known { Ok(()) } else { Err(Error::new("it is neither a heartbeat nor a lease")) }
}

fn key() -> PartKey {
    let text = |text: &str| text.to_owned();
    let (images, weights, preprocess) = (text("images"), text("weights"), text("preprocess"));
    PartKey {
        images,
        weights,
        assumed: None,
        preprocess,
        precision: text("float32"),
        code: text("code"),
        view: View::Test,
    }
}

/// A part of the pool, and a learned state.
pub(super) fn parts() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let features = Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]);
    let state =
        to_safetensors(&vec![("context".to_owned(), features.shallow_clone())], &[("classes", "[\"a\"]".to_owned())]);
    let pool = Pool::open(folder.path(), 1 << 20).and_then(|pool| pool.get_or_compute(&key(), || Ok(features)));
    drop(pool);
    let part = fs::read(folder.path().join(key().id()).with_extension("safetensors"));
    part.into_iter().chain(state).collect()
}

/// As each of the files that hold tensors of ours.
pub(super) fn part(folder: &Path, input: &[u8]) -> Result<()> {
    let pool = Pool::open(&folder.join("pool"), 1 << 20)?;
    put(&folder.join("pool").join(key().id()).with_extension("safetensors"), input)?;
    pool.list()?;
    drop(pool.get_or_compute(&key(), || Ok(Tensor::zeros([2, 3], (Kind::Float, Device::Cpu))))?);
    let store = Store::open(folder.join("out"))?;
    let id: CellId = "0".repeat(64).parse().expect("it is an id");
    let hash = blake3::hash(input).to_hex();
    let checkpoint = [format!("{hash}\n").as_bytes(), input].concat();
    put(&folder.join(format!("out/checkpoints/{id}.checkpoint")), &checkpoint)?;
    store.checkpoint(&id)?;
    put(&store.state_path(&hash), input)?;
    let classes = store.classes_of_state(&hash).map(drop);
    let state = store.state(&hash).map(drop);
    let _ = fs::remove_file(store.state_path(&hash));
    from_safetensors(input).map(drop).and(classes).and(state)
}
