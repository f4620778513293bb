//! `nemesis compare` trusts no names: what is not known to be the published backbone or split is said not to be.

use crate::command::assert_command;
use crate::synthetic::{Synthetic, Trained};
use nemesis_core::dataset::ClassSubset;
use std::path::Path;

const COOP: (&str, &str) = ("coop", "CoOp");

fn records(folder: &Path) -> Synthetic {
    let mut records = Synthetic::plain(folder);
    records.few_shot(COOP, "dtd", 16, &[62.6, 64.0, 64.2]);
    records.few_shot(COOP, "eurosat", 16, &[82.0, 85.0, 83.0]);
    records
}

#[test]
fn a_backbone_by_name_alone_compares_with_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = records(folder.path());
    records.published = None;
    records.save();
    assert_command!(folder.path(), &["compare", "--against", "ape-coop-few-shot"]);
}

#[test]
fn a_backbone_by_the_users_word_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = records(folder.path());
    (records.backbone, records.published) = ("converted", None);
    records.save();
    assert_command!(folder.path(), &["compare", "--against", "ape-coop-few-shot", "--as", "RN50"]);
}

#[test]
fn a_word_against_what_is_known_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = records(folder.path());
    records.published = Some("ViT-B/32");
    records.save();
    assert_command!(folder.path(), &["compare", "--against", "ape-coop-few-shot", "--as", "RN50"]);
}

#[test]
fn a_split_of_ones_own_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = records(folder.path());
    records.own_splits = vec!["dtd"];
    records.save();
    assert_command!(folder.path(), &["compare", "--against", "ape-coop-few-shot"]);
    records.own_splits = vec!["dtd", "eurosat"];
    records.save();
    assert_command!(folder.path(), &["compare", "--against", "ape-coop-few-shot"]);
}

#[test]
fn the_mini_suites_weights_on_other_data_are_called_that() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = records(folder.path());
    (records.backbone, records.mini_data) = ("mini", false);
    records.save();
    assert_command!(folder.path(), &["compare", "--as", "RN50"]);
}

#[test]
fn plans_of_earlier_versions_are_read_and_do_not_say_what_they_ran_on() {
    let folder = tempfile::tempdir().unwrap();
    let records = records(folder.path());
    records.save();
    let file = folder.path().join("out/plans/few-shot.json");
    let mut plan: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    plan.as_object_mut().unwrap().remove("asked");
    std::fs::write(&file, plan.to_string()).unwrap();
    assert_command!(folder.path(), &["report", "--format", "csv"]);
    assert_command!(folder.path(), &["compare", "--against", "ape-coop-few-shot", "--as", "RN50"]);
}

/// Base and new classes are tested after one training.
#[test]
fn the_halves_of_a_data_set_are_one_data_set_in_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    for (method, more) in [(COOP, 0.0), (("nemesis-pen", "Nemesis-PEN"), 1.0)] {
        for (seed, dataset) in [(1u64, "dtd"), (2, "dtd"), (1, "eurosat"), (2, "eurosat")] {
            let trained = Trained { method, on: dataset, classes: ClassSubset::Base, shots: 16, seeds: seed.into() };
            records.trained(trained, dataset, ClassSubset::Base, 60.0 + more * seed as f64);
            records.trained(trained, dataset, ClassSubset::New, 50.0 - more / 2.0);
        }
    }
    records.save();
    assert_command!(folder.path(), &["report", "--paired", "coop,nemesis-pen"]);
    assert_command!(folder.path(), &["report", "--seeds", "9"]);
    assert_command!(folder.path(), &["report", "--shots", "3"]);
    // The same seeds twice are the same runs.
    assert_command!(folder.path(), &["report", "--statistics", "--seeds", "1,1-2", "--format", "csv"]);
}

#[test]
fn labels_with_commas_can_be_paired() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    let (low, high) = ("Nemesis-PEN, alpha 0.1", "Nemesis-PEN, alpha 1.0");
    records.few_shot(COOP, "dtd", 16, &[62.6, 64.0, 64.2]);
    records.few_shot(("nemesis-pen", low), "dtd", 16, &[63.6, 64.5, 64.2]);
    records.few_shot(("nemesis-pen", high), "dtd", 16, &[63.0, 64.1, 64.2]);
    records.save();
    let paired = |arguments: &[&str]| {
        let output = crate::command::nemesis(folder.path(), &[&["report"], arguments].concat()).output().unwrap();
        assert!(output.status.success(), "{}", crate::command::told(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let twice = paired(&["--paired", low, "--paired", high]);
    assert_eq!(paired(&["--paired", &format!("{low},{high}")]), twice);
    assert_eq!(paired(&["--paired", &format!("\"{low}\", \"{high}\"")]), twice);
    assert_eq!(paired(&["--paired", "Nemesis-PEN\\, alpha 0.1,Nemesis-PEN\\, alpha 1.0"]), twice);
    assert!(paired(&["--paired", &format!("coop,{high}")]).contains("CoOp (first)"));
    assert_command!(folder.path(), &["report", "--paired", "Nemesis-PEN, alpha 0.2,coop"]);
    assert_command!(folder.path(), &["report", "--paired", "coop", "--paired", "Nemesis-PEN, alpha 2"]);
    assert_command!(folder.path(), &["report", "--paired", "coop"]);
}
