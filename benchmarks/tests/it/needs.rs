//! What a method asks for reaches it: pixels, dense features, the validation sample; and nothing that it does not ask for.

use crate::command::{library, nemesis, told};
use nemesis_core::backbone::{Backbone, clip::Clip};
use nemesis_core::dataset::few_shot::draw;
use nemesis_core::dataset::{Registry, Sample, limited_test};
use nemesis_core::image::read;
use nemesis_core::method::ClassPosition;
use nemesis_core::record::{Cell, EvaluationCell, Store, TrainingCell};
use nemesis_core::train::encode_images;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor, no_grad};

fn paths(folder: &Path, samples: &[Sample]) -> Vec<PathBuf> {
    samples.iter().map(|sample| folder.join(&sample.path)).collect()
}

fn labels(samples: &[Sample]) -> Tensor {
    Tensor::from_slice(&samples.iter().map(|sample| i64::from(sample.label)).collect::<Vec<_>>())
}

fn unit(vectors: &Tensor) -> Tensor {
    vectors / vectors.norm_scalaropt_dim(2.0, [-1_i64].as_slice(), true)
}

#[track_caller]
fn assert_close(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.size(), expected.size());
    assert!(found.allclose(expected, 1e-9, 1e-9, false), "found {found:?}, expected {expected:?}");
}

#[test]
fn a_method_sees_what_it_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = library("nemesis_onlooker_plugin");
    let cells = ["--datasets", "dtd", "--shots", "2", "--seeds", "3", "--limit", "10"];
    let run = ["run", "--plugin", &plugin, "--methods", "onlooker"];
    let output = nemesis(folder.path(), &[&run[..], &cells].concat()).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    // Its features come with the dense ones, and only the first view's are looked at besides: with the test images of
    // zero-shot CLIP and the validation sample there are three parts in the pool.
    let pooled = std::fs::read_dir(folder.path().join("out/pool")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(pooled.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).count(), 3);

    let store = Store::open(folder.path().join("out")).unwrap();
    let plan = nemesis(folder.path(), &[&["plan", "--json"], &run[1..], &cells].concat()).output().unwrap();
    let plan: Vec<serde_json::Value> = serde_json::from_slice(&plan.stdout).unwrap();
    let cells = plan.iter().map(|planned| serde_json::from_value::<Cell>(planned["cell"].clone()).unwrap());
    let (mut training, mut evaluation) = (None, None);
    for cell in cells {
        match cell {
            Cell::Training(_) => training = store.get::<TrainingCell>(&cell.id()).unwrap(),
            Cell::Evaluation(_) => evaluation = store.get::<EvaluationCell>(&cell.id()).unwrap(),
        }
    }
    let state: BTreeMap<_, _> = store.learned(&training.unwrap(), None).unwrap().into_iter().collect();

    let root = folder.path().join("out/mini");
    let dataset = Registry::load(&root).unwrap().get("dtd").unwrap().open(&root).unwrap();
    let clip = Clip::load(&folder.path().join("out/mini-clip.safetensors"), Device::Cpu, Kind::Double).unwrap();
    let sample = draw(&*dataset, 2, 3);
    assert!(!sample.val.is_empty());

    // The sample, and the validation sample under the preprocessing of test images.
    assert_eq!(state["train_labels"], labels(&sample.train));
    assert_eq!(state["validation_labels"], labels(&sample.val));
    assert_close(&state["validation"], &encode_images(&clip, &paths(dataset.folder(), &sample.val)).unwrap());
    // The first batch: what its pixels give is what it was shown, and those of the images that it names.
    let (features, dense) = clip.encode_places(&state["pixels"]).unwrap();
    assert_close(&state["features"], &features);
    assert_close(&state["dense"], &dense);
    assert_close(&features, &state["train"].index_select(0, &state["items"]));
    assert_eq!(dense.size()[1], 16);

    // The predictions are those of the learned context, by the mean logits of all places.
    let limited = limited_test(&*dataset, Some(10));
    assert!(limited.len() > 64, "{} images are no two batches", limited.len());
    let preprocess = clip.spec().preprocess.clone();
    let images: Vec<_> = paths(dataset.folder(), &limited).iter().map(|p| preprocess.eval(&read(p).unwrap())).collect();
    let (_, dense) = clip.encode_places(&preprocess.tensor(&images, Kind::Double).unwrap()).unwrap();
    let prompts = clip.class_prompts(dataset.class_names(), 2).unwrap();
    let context = state["ctx"].view([1, 1, 2, -1]);
    let text = no_grad(|| clip.encode_contexts(&prompts, &context, ClassPosition::End)).unwrap().squeeze_dim(0);
    let logits = unit(&dense).matmul(&unit(&text).tr()).mean_dim(1, false, None);
    let expected: Vec<i64> = Vec::try_from(&logits.argmax(-1, false)).unwrap();
    let predicted = store.predictions(&evaluation.unwrap()).unwrap();
    assert_eq!(predicted, expected.iter().map(|class| *class as u32).collect::<Vec<_>>());
}

#[test]
fn a_method_that_asks_for_everything_passes_every_check_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = library("nemesis_onlooker_plugin");
    let checks = super::plugin::untimed_checks();
    let output = nemesis(folder.path(), &["plugin", "check", &plugin, "--only", &checks]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let output = nemesis(folder.path(), &["plugin", "describe", &plugin]).output().unwrap();
    let needs = "needs   image features, dense image features, pixels, features of the validation sample";
    assert!(told(&output).contains(needs), "{}", told(&output));
}

#[test]
fn towers_and_views_are_named_among_the_needs() {
    let folder = tempfile::tempdir().unwrap();
    let needs = |method: &str| {
        let output = nemesis(folder.path(), &["plugin", "describe", method]).output().unwrap();
        told(&output).lines().find(|line| line.starts_with("  needs")).unwrap_or_default().to_owned()
    };
    assert_eq!(needs("vpt"), "  needs   pixels, the image and text towers");
    let views = "10 views of the training sample";
    assert_eq!(needs("tip-adapter"), format!("  needs   image features, features of the validation sample, {views}"));
}
