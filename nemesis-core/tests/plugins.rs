//! The methods of this workspace as plugins: what crosses the border is what was meant, and what does not fit is refused.

mod common;

use common::plugin;
use nemesis_core::method::corruption::rescaled_copies;
use nemesis_core::method::norm::{NormKind, position_norms};
use nemesis_core::method::omega::Omega;
use nemesis_core::method::prompt::{PromptLearner, PromptOptions};
use nemesis_core::method::testing::ToyHost;
use nemesis_core::method::{Batch, ClassPosition, Host, Method};
use nemesis_core::plugin::{Plugin, PluginFile, Registry, check_options};
use object::Object;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use tch::{Kind, Reduction, Tensor, no_grad};

const IDS: [&str; 3] = ["coop", "nemesis-pen", "nemesis-pan"];

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn create(id: &str, options: &Value, host: &ToyHost) -> Box<dyn Method> {
    Plugin::load(&plugin(id)).unwrap().create(&host.task(), object(options), host).unwrap()
}

/// The same prompt learner on this side of the border.
fn local(class_specific: bool, host: &ToyHost) -> PromptLearner {
    let options =
        PromptOptions { n_ctx: 4, ctx_init: String::new(), csc: class_specific, class_position: ClassPosition::End };
    PromptLearner::new(&host.task(), &options, host).unwrap()
}

fn cross_entropy(prompt: &PromptLearner, batch: &Batch, host: &ToyHost) -> Tensor {
    let logits = prompt.logits(batch.features().unwrap(), host).unwrap();
    logits.cross_entropy_loss::<Tensor>(&batch.labels, None, Reduction::Mean, -100, 0.0)
}

#[track_caller]
fn assert_close(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.size(), expected.size());
    assert!(found.allclose(expected, 1e-12, 1e-12, false), "found {found:?}, expected {expected:?}");
}

/// Compares loss and gradient of a plugin with `expected`, computed on this side.
fn compare_step(id: &str, options: &Value, expected: impl Fn(&PromptLearner, &Batch, &ToyHost) -> Tensor) {
    let host = ToyHost::new(5);
    let batch = host.batch(16, 2);
    let mut method = create(id, options, &host);
    let loss = method.loss(&batch, &host).unwrap();
    let parameters = method.parameters().unwrap();
    assert_eq!(parameters.iter().map(|parameter| parameter.name.as_str()).collect::<Vec<_>>(), ["ctx"]);
    host.backward(&loss).unwrap();

    let prompt = local(options["csc"] == json!(true), &host);
    let expected = expected(&prompt, &batch, &host);
    expected.backward();
    assert_close(&loss, &expected);
    assert_close(&parameters[0].tensor.grad(), &prompt.context().grad());
    assert_close(
        &method.logits(&batch, &host).unwrap(),
        &no_grad(|| prompt.logits(batch.features().unwrap(), &host)).unwrap(),
    );
}

#[test]
fn coop_learns_by_cross_entropy() {
    for class_specific in [false, true] {
        compare_step("coop", &json!({ "n_ctx": 4, "csc": class_specific }), cross_entropy);
    }
}

#[test]
fn pen_adds_the_mean_norm() {
    for class_specific in [false, true] {
        let options = json!({ "n_ctx": 4, "csc": class_specific, "alpha": 3.0, "norm": "one" });
        compare_step("nemesis-pen", &options, |prompt, batch, host| {
            // With class-specific contexts, summed over classes: the authors divide by the number of positions alone.
            let norms = position_norms(prompt.context(), NormKind::One).sum(Kind::Double) / 4.0;
            cross_entropy(prompt, batch, host) + norms * 3.0 * Omega::Logistic.weight(2, 4)
        });
    }
}

#[test]
fn pan_adds_the_norms_whose_corruption_helps() {
    let options = json!({ "n_ctx": 4, "alpha": 2.0, "tau": 0.1, "positions": 4, "omega": "none", "beta": 0.25 });
    compare_step("nemesis-pan", &options, |prompt, batch, host| {
        let features = batch.features().unwrap();
        let right =
            |logits: &Tensor| logits.argmax(-1, false).eq_tensor(&batch.labels).sum(Kind::Int64).int64_value(&[]);
        let uncorrupted = right(&prompt.logits(features, host).unwrap());
        let copies = no_grad(|| rescaled_copies(prompt.context(), &[0, 1, 2, 3], 0.1)).unwrap();
        let logits = no_grad(|| prompt.logits_of(&copies, features, host)).unwrap();
        let helped: Vec<i64> = (0..4).filter(|position| right(&logits.get(*position)) > uncorrupted).collect();
        let norms = position_norms(prompt.context(), NormKind::Two);
        let aware: Tensor = helped.iter().map(|position| norms.get(*position)).sum();
        let aware = aware * 2.0 / helped.len().max(1) as f64;
        cross_entropy(prompt, batch, host) + norms.mean(Kind::Double) * 2.0 * 0.25 + aware * 0.75
    });
}

#[test]
fn pan_reports_the_positions_that_it_chose() {
    let host = ToyHost::new(5);
    let options = json!({ "n_ctx": 4, "alpha_pan": 50.0, "positions": "random2" });
    let mut method = create("nemesis-pan", &options, &host);
    let mut chosen = Vec::new();
    for step in 0..8 {
        let _loss = method.loss(&host.batch(4, step), &host).unwrap();
        let reports = host.take_reports();
        let names: Vec<_> = reports.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cross_entropy", "norm_loss", "omega", "alpha", "context_norm"]);
        let alpha: Vec<f64> = Vec::try_from(&reports[3].1).unwrap();
        assert_eq!(alpha.iter().sum::<f64>().to_bits(), 100f64.to_bits());
        chosen.push(alpha);
    }
    chosen.dedup();
    assert!(chosen.len() > 1, "the positions change from step to step");
}

#[test]
fn a_saved_state_gives_the_same_logits_in_another_instance() {
    let host = ToyHost::new(5);
    let batch = host.batch(6, 0);
    for id in IDS {
        let other = ToyHost::new(5).seeded(2);
        let (mut one, mut two) =
            (create(id, &json!({ "n_ctx": 4 }), &host), create(id, &json!({ "n_ctx": 4 }), &other));
        assert_ne!(one.logits(&batch, &host).unwrap(), two.logits(&batch, &host).unwrap());
        two.load_state(&one.state().unwrap()).unwrap();
        assert_eq!(one.logits(&batch, &host).unwrap(), two.logits(&batch, &host).unwrap());
    }
}

#[test]
fn every_descriptor_agrees_with_its_file() {
    for id in IDS {
        let plugin = Plugin::load(&plugin(id)).unwrap();
        let (descriptor, metadata) = (plugin.descriptor(), plugin.file().metadata());
        assert_eq!((descriptor.id.as_str(), &descriptor.source), (id, &metadata.source));
        assert_eq!(descriptor.options[0].name, "n_ctx");
        assert_eq!(descriptor.options[0].default, json!(16));
        assert_eq!(descriptor.source.len(), 65);
    }
}

#[test]
fn wrong_options_are_named() {
    let host = ToyHost::new(5);
    let message = |options: Value| {
        let plugin = Plugin::load(&plugin("nemesis-pan")).unwrap();
        plugin.create(&host.task(), object(&options), &host).err().unwrap().to_string()
    };
    insta::assert_snapshot!(message(json!({ "aplha": 1.0 })), @r"
    method `nemesis-pan`: option `aplha` is unknown; did you mean `alpha`?
      help: `nemesis plugin describe nemesis-pan` lists its options
    ");
    insta::assert_snapshot!(message(json!({ "alpha": "big" })), @r#"
    method `nemesis-pan`: option `alpha`: invalid type: string "big", expected f64 (number, for instance 1.0)
      help: `nemesis plugin describe nemesis-pan` lists its options
    "#);
    insta::assert_snapshot!(message(json!({ "positions": 17 })), @r"
    method `nemesis-pan`: option `positions`: 17 positions cannot be drawn from 16 context vectors
      help: `nemesis plugin describe nemesis-pan` lists its options
    ");
    insta::assert_snapshot!(message(json!({ "tau": 1.5 })), @r"
    method `nemesis-pan`: option `tau`: 1.5 is not between 0 and 1
      help: `nemesis plugin describe nemesis-pan` lists its options
    ");
    let known = Plugin::load(&plugin("coop")).unwrap();
    let error = check_options(known.descriptor(), [&"nctx".to_owned()]).unwrap_err();
    insta::assert_snapshot!(error, @r"
    the method `coop` has no option `nctx`
      help: did you mean `n_ctx`?
    ");
}

/// A copy of a plugin's file in which `from` reads `to`.
fn patched(folder: &tempfile::TempDir, from: &str, to: &str) -> PathBuf {
    let mut bytes = std::fs::read(plugin("coop")).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    let path = folder.path().join("libnemesis_method_coop.so");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_plugin_for_another_interface_or_libtorch_is_not_loaded() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [("abi=1.1\n", "abi=9.1\n"), ("libtorch=2.11.0\n", "libtorch=2.12.0\n")] {
        let path = patched(&folder, from, to);
        let refused = PluginFile::inspect(&path).unwrap().compatible().unwrap_err();
        assert_eq!(Plugin::load(&path).unwrap_err(), refused);
        for side in [from, to] {
            let version = side.trim().split_once('=').unwrap().1;
            assert!(refused.to_string().contains(version), "{refused}");
        }
    }
}

#[test]
fn a_truncated_file_is_not_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libnemesis_method_coop.so");
    let bytes = std::fs::read(plugin("coop")).unwrap();
    for length in [0, 10, 1000, bytes.len() / 2] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(Plugin::load(&path).is_err(), "{length} bytes");
    }
}

#[test]
fn plugins_export_their_entry_alone() {
    for id in IDS {
        let bytes = std::fs::read(plugin(id)).unwrap();
        let library = object::File::parse(&*bytes).unwrap();
        let exports: Vec<_> = library.exports().unwrap().iter().map(object::Export::name).collect();
        assert_eq!(exports, [b"nemesis_plugin_entry_v1"], "{id}");
    }
}

#[test]
fn methods_are_found_by_id_and_clashes_name_both_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = patched(&folder, "version=0.1.0", "version=0.1.9");
    let built = plugin("coop").parent().unwrap().to_owned();
    let registry = Registry::scan(std::slice::from_ref(&built)).unwrap();
    for id in IDS {
        assert_eq!(registry.find(id).unwrap().metadata().id, id);
    }
    assert!(registry.find("coo").unwrap_err().to_string().contains("did you mean `coop`?"));

    // The same file twice is no clash.
    assert!(Registry::scan(&[built.clone(), plugin("coop")]).unwrap().find("coop").is_ok());
    let clash = Registry::scan(&[built, path.clone()]).unwrap().find("coop").unwrap_err().to_string();
    assert!(clash.contains(path.to_str().unwrap()) && clash.contains(plugin("coop").to_str().unwrap()), "{clash}");

    let nowhere = Registry::scan(&[folder.path().join("nowhere")]).unwrap_err();
    assert!(nowhere.to_string().contains("nowhere"), "{nowhere}");
}
