//! `nemesis compare` on records made without training: tables, reasons and exit codes.

use crate::command::{assert_command, nemesis, told};
use crate::synthetic::{Synthetic, Trained};
use nemesis_core::dataset::ClassSubset;
use serde_json::json;

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
    let mut records = Synthetic::plain(folder);
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
    let mut records = Synthetic::plain(folder.path());
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
    let mut records = Synthetic::plain(folder.path());
    records.limit = Some(10);
    records.few_shot(COOP, "dtd", 16, &[63.0]);
    records.save();
    assert_command!(folder.path(), &["compare", "--against", "ape-coop-few-shot"]);
}

#[test]
fn base_to_new_is_blank_for_methods_on_top_of_coop() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::plain(folder.path());
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
    let mut records = Synthetic::plain(folder.path());
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

/// What is printed, and the exit code before it.
fn said(records: &Synthetic, folder: &std::path::Path, arguments: &[&str]) -> String {
    records.save();
    told(&nemesis(folder, &[&["compare"], arguments].concat()).output().unwrap())
}

/// With a norm loss it is another method than the one whose numbers are published.
#[test]
fn a_method_with_a_norm_loss_is_not_set_beside_the_one_without() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut records = Synthetic::plain(folder);
    records.published = Some("ViT-B/16");
    records.few_shot(("maple", "MaPLe"), "eurosat", 4, &[84.0]);
    records.options.insert("norm_loss".to_owned(), json!("pen"));
    records.few_shot(("maple", "MaPLe + PEN"), "eurosat", 4, &[60.0]);
    let said = said(&records, folder, &["--against", "promptsrc-eurosat-4-shots"]);
    assert!(said.starts_with("exit code 0") && said.contains("0 of 1") && !said.contains("MaPLe + PEN"), "{said}");
}

/// Base classes of one seed and new classes of another have no harmonic mean.
#[test]
fn base_and_new_classes_of_other_seeds_have_no_harmonic_mean() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut records = Synthetic::plain(folder);
    records.published = Some("ViT-B/16");
    for (seed, classes, accuracy) in [(1u64, ClassSubset::Base, 94.0), (2, ClassSubset::New, 73.0)] {
        let method = ("maple", "MaPLe");
        let trained = Trained { method, on: "eurosat", classes: ClassSubset::Base, shots: 16, seeds: seed.into() };
        records.trained(trained, "eurosat", classes, accuracy);
    }
    let said = said(&records, folder, &["--against", "maple-eurosat-base-to-new", "--format", "csv"]);
    assert!(said.starts_with("exit code 0"), "{said}");
    assert!(said.contains(",base,94.0000,") && said.contains(",new,73.0000,") && !said.contains(",h,"), "{said}");
}

/// Two sources contradict each other, and one of them counts.
#[test]
fn a_rerun_is_shown_and_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut records = Synthetic::plain(folder);
    records.zero_shot("dtd", 42.2);
    records.zero_shot("imagenet", 58.2);
    let told = said(&records, folder, &["--format", "markdown"]);
    assert!(told.starts_with("exit code 0"), "{told}");
    assert!(told.contains("| not counted [1] |") && told.contains("does not count: Tip-Adapter's authors"), "{told}");
    // The number of an ensemble of templates is not that of one.
    assert!(!told.contains("| 60.3"), "{told}");
    let told = said(&records, folder, &["--against", "ape-zero-shot"]);
    assert!(told.starts_with("exit code 0") && told.contains("0 of 0"), "{told}");
}

#[test]
fn a_changed_protocol_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut records = some_data_sets(folder);
    let arguments = ["--against", "ape-coop-few-shot", "--format", "markdown"];
    assert!(!said(&records, folder, &arguments).contains("Not like with like"));
    records.set.insert("coop.protocol.epochs".to_owned(), json!(1));
    records.notes.push("CoOp departs from this protocol: 1 epoch".to_owned().into());
    let said = said(&records, folder, &arguments);
    assert!(said.contains("\nCoOp departs from this protocol: 1 epoch.\n"), "{said}");
    assert!(said.contains("Not like with like: the suite or `--set` changes the protocol of CoOp.\n"), "{said}");
}

#[test]
fn a_list_takes_no_options_that_would_do_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for more in [["--format", "json"], ["--suite", "few-shot"], ["--tolerance", "2"], ["--as", "RN50"]] {
        let output = nemesis(folder.path(), &[&["compare", "--list"], &more[..]].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{more:?}");
    }
}
