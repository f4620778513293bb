//! A method's own protocol: published, in a suite, or set by the user; what it changes, and what is said of it.

use crate::command::{assert_command, library, nemesis, told};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const SOME: [&str; 6] = ["--datasets", "dtd", "--shots", "1", "--seeds", "1"];

/// The protocols that trainings of a plan have, by their columns.
fn protocols(folder: &Path, arguments: &[&str]) -> Vec<(String, Value)> {
    let output = nemesis(folder, &[&["plan", "--json"], &SOME[..], arguments].concat()).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let cells: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let trainings = cells.iter().filter(|planned| planned["cell"].get("method").is_some());
    trainings.map(|p| (p["column"].as_str().unwrap().to_owned(), p["cell"]["protocol"].clone())).collect()
}

/// What every training of the mini suite had before methods had protocols of their own.
fn mini() -> Value {
    json!({
        "name": "mini", "optimiser": "sgd", "learning_rate": 0.002, "momentum": 0.9, "weight_decay": 5e-4,
        "warmup_epochs": 1, "warmup_learning_rate": 1e-3, "batch_size": 32, "epochs": 40, "views": 8,
    })
}

fn with(mut protocol: Value, parts: &Value) -> Value {
    protocol.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    protocol
}

fn suite(folder: &Path, entries: &str) {
    let text = format!(
        "name: mine\ntitle: Mine\ntable: few-shot\ndatasets: [dtd]\nshots: [1]\nseeds: [1]\nmethods:\n{entries}"
    );
    fs::write(folder.join("mine.yaml"), text).unwrap();
}

#[test]
fn a_published_protocol_is_its_methods_alone() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = library("nemesis_onlooker_plugin");
    let both = ["--plugin", &plugin, "--methods", "coop,onlooker"];
    // The mini suite keeps its own number of epochs.
    let expected = [("CoOp".to_owned(), mini()), ("Onlooker".to_owned(), with(mini(), &json!({ "batch_size": 8 })))];
    assert_eq!(protocols(folder.path(), &both), expected);
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols/mini.yaml")).unwrap();
    let own = text.replace("name: mini\n", "name: mine\n").replace("overrides: [epochs, views]\n", "");
    fs::write(folder.path().join("mine.yaml"), own).unwrap();
    let found = protocols(folder.path(), &[&["--protocol", "mine.yaml"], &both[..]].concat());
    let published = json!({ "name": "mine", "batch_size": 8, "epochs": 3, "views": 3 });
    assert_eq!(found[1].1, with(mini(), &published));
    assert_eq!(found[0].1, with(mini(), &json!({ "name": "mine" })));
    let described = nemesis(folder.path(), &["plugin", "describe", "onlooker", "--plugin", &plugin]).output().unwrap();
    let described = String::from_utf8(described.stdout).unwrap();
    let start = described.find("Published").unwrap();
    insta::assert_snapshot!(&described[start..], @r#"
    Published protocol, over that of a run; change it with --set onlooker.protocol.KEY=VALUE:
      batch_size = 8
      epochs = {"1":3}
    It has no options.
    "#);
}

#[test]
fn a_suite_and_the_user_change_parts_of_it() {
    let folder = tempfile::tempdir().unwrap();
    suite(
        folder.path(),
        "  - method: coop\n  - method: coop\n    label: Adam\n    protocol: {optimiser: adam, epochs: 3}\n",
    );
    let own = ["--suite", "mine.yaml"];
    let adam =
        json!({ "optimiser": "adam", "momentum": 0.0, "betas": [0.9, 0.999], "eps": 1e-8, "epochs": 3, "views": 3 });
    let expected = [("CoOp".to_owned(), mini()), ("Adam".to_owned(), with(mini(), &adam))];
    assert_eq!(protocols(folder.path(), &own), expected);
    let set = ["--set", "coop.protocol.epochs=2", "--set", "coop.protocol.groups.default.lr_scale=0.5"];
    let found = protocols(folder.path(), &[&own[..], &set].concat());
    let halved = json!({ "default": { "lr_scale": 0.5 } });
    assert_eq!(found[0].1, with(mini(), &json!({ "epochs": 2, "views": 2, "groups": halved })));
    assert_eq!((&found[1].1["epochs"], &found[1].1["optimiser"]), (&json!(2), &json!("adam")));
    // What was set in a file counts less than what is said on the command line.
    fs::write(folder.path().join("nemesis.yaml"), "set: {coop.protocol.epochs: 4, coop.protocol.batch_size: 5}\n")
        .unwrap();
    let found = protocols(folder.path(), &[&own[..], &["--set", "coop.protocol.epochs=6"]].concat());
    assert_eq!((&found[0].1["epochs"], &found[0].1["batch_size"]), (&json!(6), &json!(5)));
}

#[test]
fn a_suite_may_name_another_protocol() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols/mini.yaml")).unwrap();
    let own = text.replace("name: mini\n", "name: slow\n").replace("epochs: {1: 40}", "epochs: 50");
    fs::write(folder.path().join("sub/slow.yaml"), own).unwrap();
    suite(&folder.path().join("sub"), "  - method: coop\n  - method: coop\n    label: Slow\n    protocol: slow.yaml\n");
    let found = protocols(folder.path(), &["--suite", "sub/mine.yaml"]);
    assert_eq!(found[1].1, with(mini(), &json!({ "name": "slow", "epochs": 50 })));
}

#[test]
fn a_table_says_whose_protocol_differs_and_reuses_the_records_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    suite(folder.path(), "  - method: coop\n");
    let run = ["run", "--suite", "mine.yaml"];
    let first = nemesis(folder.path(), &run).output().unwrap();
    assert!(first.status.success(), "{}", told(&first));
    suite(
        folder.path(),
        "  - method: coop\n  - method: coop\n    label: Adam
    protocol: {optimiser: adamw, learning_rate: 1.0e-3, epochs: 3, batch_size: 8, clip_norm: 1, average: moving,
      average_decay: 0.5, augmentation: none, schedule_unit: step}\n",
    );
    assert_command!(folder.path(), &run);
    for ending in [".md", ".json"] {
        let text = fs::read_to_string(folder.path().join(format!("out/mine{ending}"))).unwrap();
        assert!(text.contains("Adam departs from this protocol: AdamW; learning rate 0.001"), "{text}");
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let told_by = |entries: &str, set: &[&str]| {
        suite(folder.path(), entries);
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        told(&nemesis(folder.path(), &[&["plan", "--suite", "mine.yaml"], &set[..]].concat()).output().unwrap())
    };
    let plain = "  - method: coop\n";
    insta::assert_snapshot!(
        "in_a_suite",
        [
            told_by("  - method: coop\n    protocol:\n      epochs: 5\n      btach_size: 3\n", &[]),
            told_by("  - method: coop\n    protocol:\n      epochs: 5\n      betas: [0.9, 0.99]\n", &[]),
            told_by("  - method: coop\n    protocol:\n      batch_size: 0\n", &[]),
            told_by("  - method: coop\n    protocol: papre\n", &[]),
            told_by("  - method: coop\n    protocol: [1]\n", &[]),
        ]
        .join("\n")
    );
    insta::assert_snapshot!(
        "set",
        [
            told_by(plain, &["coop.protocol.epoch=5"]),
            told_by(plain, &["coop.protocol.epochs=many"]),
            told_by(plain, &["coop.protocol.momentum=-1"]),
            told_by(plain, &["coop.protocol.epochs=3", "coop.protocol.steps=3"]),
            told_by(plain, &["coop.protocol.groups.text.lr=3"]),
            told_by(plain, &["cop.protocol.epochs=3"]),
        ]
        .join("\n")
    );
    fs::write(
        folder.path().join("nemesis.yaml"),
        "suite: mine.yaml\nset:\n  coop.protocol.epochs: 3\n  coop.protocol.gamma: 0.1\n",
    )
    .unwrap();
    insta::assert_snapshot!("in_a_file", told_by(plain, &[]));
    fs::remove_file(folder.path().join("nemesis.yaml")).unwrap();
    // Which groups a method has is known only when it is trained.
    let ran = nemesis(folder.path(), &["run", "--suite", "mine.yaml", "--set", "coop.protocol.groups.text.lr_scale=3"]);
    let ran = told(&{ ran }.output().unwrap());
    assert!(ran.contains("the group `text`, which no parameter"), "{ran}");
}

#[test]
fn a_training_that_only_warms_up_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let told_by = |set: &str| {
        let arguments = [&["plan", "--methods", "coop", "--set", set][..], &SOME[..]].concat();
        told(&nemesis(folder.path(), &arguments).output().unwrap())
    };
    let warning = "the training of `CoOp` is no longer than its warm-up, so that it never reaches its learning rate";
    assert!(told_by("coop.protocol.epochs=1").contains(warning));
    assert!(!told_by("coop.protocol.epochs=2").contains(warning));
}
