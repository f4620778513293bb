//! Protocols: what a patch changes, what is resolved, what enters an id, and what is refused.

use nemesis_core::method::ProtocolPatch;
use nemesis_core::train::{Protocol, ResolvedProtocol};
use nemesis_core::{Result, yaml};
use serde_json::{Value, json};
use std::path::Path;

const PAPER: &str = "name: paper
optimiser: sgd
learning_rate: 0.002
momentum: 0.9
weight_decay: 5.0e-4
warmup_epochs: 1
warmup_learning_rate: 1.0e-5
batch_size: 32
epochs: {1: 50, 2: 100, 8: 200}
epochs_by_dataset: {imagenet: 50}
precision: fp32
";

fn paper() -> Protocol {
    yaml::parse(PAPER, Path::new("paper.yaml")).unwrap()
}

fn patch(parts: Value) -> ProtocolPatch {
    serde_json::from_value(parts).unwrap()
}

fn patched(parts: Value) -> Result<Protocol> {
    paper().patched(&patch(parts))
}

fn resolved(parts: Value, shots: u32, images: u64) -> ResolvedProtocol {
    patched(parts).unwrap().resolve("dtd", shots, images).unwrap()
}

/// The words of a refusal.
fn refused(parts: Value) -> String {
    patched(parts).unwrap_err().to_string()
}

#[test]
fn what_enters_an_id_is_what_it_was_before_methods_had_protocols() {
    let resolved = paper().resolve("dtd", 1, 47).unwrap();
    let before = r#"{"name":"paper","optimiser":"sgd","learning_rate":0.002,"momentum":0.9,"weight_decay":0.0005,"warmup_epochs":1,"warmup_learning_rate":0.00001,"batch_size":32,"epochs":50,"views":50}"#;
    let before: Value = serde_json::from_str(before).unwrap();
    assert_eq!(serde_json::to_value(&resolved).unwrap(), before);
    assert_eq!(serde_json::from_value::<ResolvedProtocol>(before).unwrap(), resolved);
}

#[test]
fn epochs_depend_on_shots_and_data_set() {
    let epochs = |dataset, shots| paper().resolve(dataset, shots, 100).unwrap().epochs;
    assert_eq!([1, 2, 4, 8, 16].map(|shots| epochs("dtd", shots)), [50, 100, 100, 200, 200]);
    assert_eq!(epochs("imagenet", 16), 50);
    let few = patched(json!({ "epochs": { "4": 7 } })).unwrap().resolve("dtd", 2, 100).unwrap_err();
    assert_eq!(few.option(), Some("epochs"));
}

#[test]
fn the_last_partial_batch_is_dropped_only_behind_a_whole_one() {
    let steps = |parts: Value| {
        let resolved = resolved(parts, 1, 100);
        // EuroSAT, OxfordPets, DTD, StanfordCars, SUN397 and ImageNet with one shot.
        [10, 37, 47, 196, 397, 1000].map(|images| resolved.steps_per_epoch(images))
    };
    assert_eq!(steps(json!({})), [1, 1, 1, 6, 12, 31]);
    assert_eq!(steps(json!({ "drop_last": false })), [1, 2, 2, 7, 13, 32]);
}

#[test]
fn steps_by_shots_end_within_an_epoch() {
    let resolved = resolved(json!({ "steps_per_shot": 5, "drop_last": false }), 4, 100);
    assert_eq!((resolved.steps, resolved.epochs, resolved.views), (Some(20), 5, 5));
    assert_eq!(resolved.total_steps(100), 20);
    let all = patched(json!({ "steps_per_shot": 5 })).unwrap().resolve("dtd", u32::MAX, 100).unwrap_err();
    insta::assert_snapshot!(all, @r"
    the protocol `paper` counts steps per shot, and `--shots all` is not a number of shots
      help: give a number of `epochs` or `steps` instead
    ");
}

#[test]
fn a_number_of_epochs_takes_the_place_of_whatever_said_how_long() {
    let of = |parts: Value| {
        let protocol = patched(parts).unwrap();
        ["dtd", "imagenet"].map(|dataset| {
            let resolved = protocol.resolve(dataset, 16, 320).unwrap();
            (resolved.epochs, resolved.steps)
        })
    };
    assert_eq!(of(json!({ "epochs": 5 })), [(5, None), (5, None)]);
    assert_eq!(of(json!({ "steps": 25 })), [(3, Some(25)), (3, Some(25))]);
    assert_eq!(of(json!({ "epochs_by_dataset": { "dtd": 3 } })), [(3, None), (200, None)]);
}

#[test]
fn what_an_optimiser_does_not_use_is_not_part_of_an_id() {
    let adam = resolved(json!({ "optimiser": "adam" }), 1, 32);
    assert_eq!((adam.momentum, adam.betas, adam.eps), (0.0, Some([0.9, 0.999]), Some(1e-8)));
    let published = patched(json!({ "optimiser": "adam", "eps": 1e-3 })).unwrap();
    let back = published.patched(&patch(json!({ "optimiser": "sgd" }))).unwrap();
    assert_eq!(back.resolve("dtd", 1, 32).unwrap(), paper().resolve("dtd", 1, 32).unwrap());
}

#[test]
fn groups_are_merged_setting_by_setting() {
    let published = patched(json!({ "groups": { "text": { "lr_scale": 0.1, "weight_decay": 0.0 } } })).unwrap();
    let more = patch(json!({ "groups": { "text": { "lr_scale": 0.5 }, "image": { "momentum": 0.5 } } }));
    let groups = serde_json::to_value(&published.patched(&more).unwrap().groups).unwrap();
    assert_eq!(groups, json!({ "text": { "lr_scale": 0.5, "weight_decay": 0.0 }, "image": { "momentum": 0.5 } }));
}

#[test]
fn overrides_hold_against_what_a_method_publishes() {
    let mini = Protocol { overrides: vec!["epochs".to_owned(), "views".to_owned()], ..paper() };
    let published = patch(json!({ "steps_per_shot": 500, "batch_size": 4, "views": 9 }));
    assert_eq!(mini.changeable(&published), patch(json!({ "batch_size": 4 })));
    assert_eq!(paper().changeable(&published), published);
    let fixed = Protocol { overrides: vec!["optimiser".to_owned()], ..paper() };
    let published = patch(json!({ "optimiser": "adam", "eps": 1e-3, "weight_decay": 0.1 }));
    assert_eq!(fixed.changeable(&published), patch(json!({ "weight_decay": 0.1 })));
    // Where there is to be no warm-up, nothing of a published one is left.
    let fixed = Protocol { overrides: vec!["warmup_epochs".to_owned()], warmup_epochs: Some(0), ..paper() };
    let published = patch(json!({ "warmup": "linear", "warmup_steps": 50, "warmup_learning_rate": 1e-5 }));
    assert_eq!(fixed.changeable(&published), ProtocolPatch::default());
}

#[test]
fn unaugmented_images_have_one_view() {
    assert_eq!(resolved(json!({ "augmentation": "none" }), 1, 32).views, 1);
}

#[test]
fn what_has_no_effect_is_refused() {
    insta::assert_snapshot!(refused(json!({ "betas": [0.9, 0.99] })), @r"
    `betas` has no effect without `optimiser: adam` or `adamw`
      help: leave out `betas`, or add `optimiser: adam` or `adamw`
    ");
    insta::assert_snapshot!(refused(json!({ "optimiser": "adam", "momentum": 0.5 })), @r"
    `momentum` has no effect without `optimiser: sgd`
      help: leave out `momentum`, or add `optimiser: sgd`
    ");
    insta::assert_snapshot!(refused(json!({ "gamma": 0.5 })), @r"
    `gamma` has no effect without `schedule: step`
      help: leave out `gamma`, or add `schedule: step`
    ");
    insta::assert_snapshot!(refused(json!({ "average_decay": 0.5 })), @r"
    `average_decay` has no effect without `average: moving`
      help: leave out `average_decay`, or add `average: moving`
    ");
    insta::assert_snapshot!(refused(json!({ "warmup_epochs": 0, "warmup_learning_rate": 1e-4 })), @r"
    `warmup_learning_rate` has no effect without `warmup_epochs` or `warmup_steps` above 0
      help: leave out `warmup_learning_rate`, or add `warmup_epochs` or `warmup_steps` above 0
    ");
    let none = patched(json!({ "warmup_steps": 0 })).unwrap().patched(&patch(json!({ "warmup": "linear" })));
    assert_eq!(none.unwrap_err().option(), Some("warmup"));
    insta::assert_snapshot!(refused(json!({ "epochs": 5, "steps": 5 })), @r"
    `epochs` and `steps` exclude each other
      help: leave out one of the two
    ");
}

#[test]
fn what_cannot_be_trained_with_is_refused() {
    for (parts, key) in [
        (json!({ "learning_rate": 0 }), "learning_rate"),
        (json!({ "learning_rate": -1 }), "learning_rate"),
        (json!({ "weight_decay": -1 }), "weight_decay"),
        (json!({ "batch_size": 0 }), "batch_size"),
        (json!({ "momentum": -0.1 }), "momentum"),
        (json!({ "nesterov": true, "momentum": 0.0 }), "nesterov"),
        (json!({ "nesterov": true, "dampening": 0.5 }), "nesterov"),
        (json!({ "optimiser": "adam", "betas": [0.9, 1.0] }), "betas"),
        (json!({ "optimiser": "adamw", "eps": -1 }), "eps"),
        (json!({ "clip_norm": 0 }), "clip_norm"),
        (json!({ "minimum_learning_rate": -1 }), "minimum_learning_rate"),
        (json!({ "schedule": "step", "step_size": 3 }), "gamma"),
        (json!({ "schedule": "step", "gamma": 0.1 }), "step_size"),
        (json!({ "schedule": "step", "gamma": 0.1, "step_size": 0 }), "step_size"),
        (json!({ "warmup_learning_rate": -1 }), "warmup_learning_rate"),
        (json!({ "steps": 0 }), "steps"),
        (json!({ "steps_per_shot": 0 }), "steps_per_shot"),
        (json!({ "epochs": 0 }), "epochs"),
        (json!({ "views": 0 }), "views"),
        (json!({ "average": "moving" }), "average_decay"),
        (json!({ "average": "moving", "average_decay": 1 }), "average_decay"),
        (json!({ "average": "gaussian", "average_deviation": 1 }), "average_mean"),
        (json!({ "average": "gaussian", "average_mean": 3, "average_deviation": 0 }), "average_deviation"),
        (json!({ "groups": { "text": { "lr_scale": -1 } } }), "groups"),
        (json!({ "groups": { "text": { "eps": 1 } } }), "groups"),
    ] {
        let error = patched(parts.clone()).expect_err(&parts.to_string());
        assert_eq!(error.option(), Some(key), "{parts}: {error}");
    }
    let infinite = ProtocolPatch { learning_rate: Some(f64::INFINITY), ..ProtocolPatch::default() };
    insta::assert_snapshot!(paper().patched(&infinite).unwrap_err(), @"`learning_rate` is not a finite number");
    insta::assert_snapshot!(refused(json!({ "learning_rate": 0 })), @r"
    `learning_rate` is 0.0
      expected: a number above 0
    ");
    insta::assert_snapshot!(refused(json!({ "average": "moving" })), @r"
    the protocol `paper` needs `average_decay`
      expected: a number from 0 on and below 1
    ");
}

#[test]
fn differences_are_told_in_words() {
    let words = |parts: Value| patched(parts).unwrap().differences(&paper()).join("; ");
    assert_eq!(words(json!({})), "");
    assert_eq!(words(json!({ "batch_size": 32, "warmup_epochs": 1 })), "");
    insta::assert_snapshot!(words(json!({ "batch_size": 128, "epochs": 100 })), @"batch size 128; 100 epochs");
    insta::assert_snapshot!(words(json!({
        "optimiser": "adamw", "learning_rate": 2e-4, "weight_decay": 0.01, "schedule_unit": "step",
        "minimum_learning_rate": 1e-6, "warmup_epochs": 0, "steps_per_shot": 500, "drop_last": false,
    })), @"AdamW; learning rate 2e-4; weight decay 0.01; a cosine to 1e-6, set every step; no warm-up; partial last batches used; 500 steps per shot");
    insta::assert_snapshot!(words(json!({
        "schedule": "step", "step_size": 10, "gamma": 0.1, "nesterov": true, "clip_norm": 1,
        "epochs_by_dataset": { "imagenet": 20, "dtd": 5 }, "augmentation": "none", "average": "gaussian",
        "average_mean": 15, "average_deviation": 1, "groups": { "text": { "lr_scale": 0.1 } },
        "warmup": "linear", "warmup_steps": 50,
    })), @"SGD with momentum 0.9, Nesterov's rule; gradients clipped to the norm 1; the rate times 0.1 every 10 epochs; a linear warm-up of 50 steps from 1e-5; epochs by shots {1: 50, 2: 100, 8: 200}, 5 on dtd, 20 on imagenet; no augmentation; a Gaussian average over epochs (mean 15, deviation 1); text: learning rate times 0.1");
}

#[test]
fn files_are_checked_as_a_whole() {
    let check = |more: &str| {
        let protocol: Protocol = yaml::parse(&format!("{PAPER}{more}"), Path::new("mine.yaml"))?;
        protocol.check_file()
    };
    check("").unwrap();
    check("overrides: [epochs, views]\n").unwrap();
    insta::assert_snapshot!(check("overrides: [epoch]\n").unwrap_err(), @r"
    `overrides` names `epoch`, which is not a part of a protocol
      help: did you mean `epochs`?
    ");
    insta::assert_snapshot!(check("steps: 5\n").unwrap_err(), @"`epochs` and `steps` exclude each other");
    insta::assert_snapshot!(check("eps: 0.1\n").unwrap_err(), @r"
    `eps` has no effect without `optimiser: adam` or `adamw`
      help: leave out `eps`, or add `optimiser: adam` or `adamw`
    ");
    let none: Protocol = yaml::parse(&PAPER.replace("momentum: 0.9\n", ""), Path::new("mine.yaml")).unwrap();
    insta::assert_snapshot!(none.check_file().unwrap_err(), @r"
    the protocol `paper` needs `momentum`
      expected: a number from 0 on
    ");
}
