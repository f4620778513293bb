//! `nemesis compare` on records made without training: tables, reasons and exit codes.

use crate::command::assert_command;
use crate::synthetic::{Synthetic, Trained};
use nemesis_core::dataset::ClassSubset;

const COOP: (&str, &str) = ("coop", "CoOp");
const PEN: (&str, &str) = ("nemesis-pen", "Nemesis-PEN");

/// The eleven data sets, with CoOp's published accuracies at 16 shots and ours some points off.
const ELEVEN: [(&str, f64); 11] = [
    ("imagenet", 62.97),
    ("caltech101", 92.07),
    ("oxford_pets", 86.30),
    ("stanford_cars", 73.33),
    ("oxford_flowers", 94.73),
    ("food101", 74.47),
    ("fgvc_aircraft", 31.67),
    ("sun397", 69.40),
    ("dtd", 63.70),
    ("eurosat", 83.27),
    ("ucf101", 76.07),
];

fn some_data_sets(folder: &std::path::Path) -> Synthetic {
    let mut records = Synthetic::new(folder);
    records.zero_shot("dtd", 42.0);
    records.zero_shot("eurosat", 37.5);
    records.few_shot(COOP, "dtd", 16, &[62.6, 64.0, 64.2]);
    records.few_shot(COOP, "eurosat", 16, &[82.0, 85.0]);
    records.few_shot(COOP, "dtd", 1, &[44.0]);
    records.few_shot(COOP, "oxford_flowers", 16, &[44.5, 93.8, 94.9]);
    records
}

#[test]
fn a_collapsed_run_is_flagged_and_beyond_the_tolerance() {
    let folder = tempfile::tempdir().unwrap();
    some_data_sets(folder.path()).save();
    assert_command!(folder.path(), &["compare", "--against", "ape-coop-few-shot,coop-author-runs"]);
}

#[test]
fn within_a_wide_tolerance() {
    let folder = tempfile::tempdir().unwrap();
    some_data_sets(folder.path()).save();
    let arguments = ["compare", "--against", "coop-author-runs", "--tolerance", "20", "--format", "markdown"];
    assert_command!(folder.path(), &arguments);
}

#[test]
fn averages_over_eleven_data_sets_with_a_reading_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    for (dataset, accuracy) in ELEVEN {
        records.few_shot(COOP, dataset, 16, &[accuracy - 0.5, accuracy, accuracy + 0.5]);
        records.few_shot(PEN, dataset, 16, &[accuracy + 0.6, accuracy + 0.7, accuracy + 0.5]);
    }
    records.save();
    assert_command!(folder.path(), &["compare", "--against", "nemesis-few-shot", "--format", "csv"]);
}

#[test]
fn averages_of_fewer_data_sets_compare_with_nothing() {
    let folder = tempfile::tempdir().unwrap();
    some_data_sets(folder.path()).save();
    assert_command!(folder.path(), &["compare", "--against", "nemesis-few-shot"]);
}

#[test]
fn a_mini_run_compares_with_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = some_data_sets(folder.path());
    records.backbone = "mini";
    records.save();
    assert_command!(folder.path(), &["compare"]);
}

#[test]
fn a_limited_run_compares_with_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    records.limit = Some(10);
    records.few_shot(COOP, "dtd", 16, &[63.0]);
    records.save();
    assert_command!(folder.path(), &["compare", "--against", "ape-coop-few-shot"]);
}

#[test]
fn base_to_new_is_blank_for_methods_on_top_of_coop() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    records.suite = "base-to-new";
    records.backbone = "mine";
    records.published = Some("ViT-B/16");
    for (method, better) in [(COOP, 0.0), (PEN, 0.5)] {
        for (dataset, accuracy) in ELEVEN {
            let trained = Trained { method, on: dataset, classes: ClassSubset::Base, shots: 16, seeds: 1.into() };
            records.trained(trained, dataset, ClassSubset::Base, accuracy + 8.0 + better);
            records.trained(trained, dataset, ClassSubset::New, accuracy - 10.0 + better);
        }
    }
    records.save();
    let arguments = ["compare", "--against", "nemesis-base-to-new,maple-base-to-new"];
    assert_command!(folder.path(), &arguments);
}

#[test]
fn domain_generalization_matches_the_options_of_the_method() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    records.suite = "domain-generalization";
    for method in [COOP, PEN] {
        for (dataset, accuracy) in [("imagenet", 62.5), ("imagenetv2", 55.3), ("imagenet_r", 55.9)] {
            let trained = Trained { method, on: "imagenet", classes: ClassSubset::All, shots: 16, seeds: 1.into() };
            records.trained(trained, dataset, ClassSubset::All, accuracy);
            records.trained(Trained { seeds: 2.into(), ..trained }, dataset, ClassSubset::All, accuracy + 0.3);
        }
    }
    records.save();
    assert_command!(folder.path(), &["compare", "--against", "nemesis-domain-generalization"]);
}

#[test]
fn published_numbers_of_the_users_own() {
    let folder = tempfile::tempdir().unwrap();
    some_data_sets(folder.path()).save();
    let text = "title: Ours of last year
source: the lab's notebook
table: few-shot
backbone: RN50
protocol: as now
arithmetic: fp32
seeds: 5
decimals: 1
groups: [16]
methods:
  - method: coop
    rows:
      dtd: [{value: 63.5, deviation: 0.9}]
      EuroSat: [80.1]
";
    std::fs::write(folder.path().join("mine.yaml"), text).unwrap();
    assert_command!(folder.path(), &["compare", "--published", "mine.yaml", "--against", "mine", "--format", "json"]);
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["compare", "--against", "nemesis-fewshot"]);
}

#[test]
fn a_comparison_without_records() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["compare"]);
    assert!(!folder.path().join("out").exists(), "nothing is written");
}
