//! `nemesis stats`: which differences between methods are shown, and which are not.

use crate::command::{assert_command, nemesis, told};
use crate::synthetic::{Synthetic, Trained};
use nemesis_bench::results::ELEVEN;
use nemesis_core::dataset::ClassSubset;
use nemesis_core::seeds::Seeds;
use std::path::Path;

const COOP: (&str, &str) = ("coop", "CoOp");
const PEN: (&str, &str) = ("nemesis-pen", "Nemesis-PEN");

/// Eleven data sets: the second method is half a point better on each, but for one.
fn eleven(folder: &Path) -> Synthetic {
    let mut records = Synthetic::new(folder);
    for (place, dataset) in ELEVEN.into_iter().enumerate() {
        let accuracy = 50.0 + 3.0 * place as f64;
        let gain = if place == 4 { -0.25 } else { 0.5 + 0.1 * place as f64 };
        records.zero_shot(dataset, accuracy - 5.0);
        records.few_shot(COOP, dataset, 16, &[accuracy - 0.5, accuracy, accuracy + 0.75]);
        records.few_shot(PEN, dataset, 16, &[accuracy + gain - 0.6, accuracy + gain, accuracy + gain + 0.9]);
    }
    records
}

#[test]
fn a_difference_on_eleven_data_sets_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    eleven(folder.path()).save();
    assert_command!(folder.path(), &["stats"]);
}

/// One data set makes the mean worse, and the test is of the ranks, by which the second method is better.
#[test]
fn what_is_shown_has_the_direction_of_the_test() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    for (place, dataset) in ELEVEN.into_iter().chain(["imagenetv2"]).enumerate() {
        let gain = if place == 4 { -40.0 } else { 0.5 + 0.1 * place as f64 };
        records.few_shot(COOP, dataset, 16, &[60.0]);
        records.few_shot(PEN, dataset, 16, &[60.0 + gain]);
    }
    records.save();
    let said = |format| {
        let output = nemesis(folder.path(), &["stats", "--only", "methods", "--format", format]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let table = said("csv");
    assert!(table.contains("CoOp,Nemesis-PEN,12,-") && table.contains("Nemesis-PEN is better"), "{table}");
    // No digit of a probability is cut off, whatever the format.
    assert!(table.contains(",0.0341796875,") && said("json").contains(": 0.0341796875,"), "{table}");
}

#[test]
fn two_data_sets_show_nothing_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    for (dataset, accuracy) in [("caltech101", 90.0), ("dtd", 60.0)] {
        records.few_shot(COOP, dataset, 16, &[accuracy, accuracy + 1.0, accuracy - 1.0]);
        records.few_shot(PEN, dataset, 16, &[accuracy + 5.0, accuracy + 6.0, accuracy + 4.0]);
    }
    records.few_shot(COOP, "dtd", 1, &[45.0]);
    records.save();
    assert_command!(folder.path(), &["stats", "--format", "markdown"]);
}

#[test]
fn images_without_their_data_sets_have_no_labels() {
    let folder = tempfile::tempdir().unwrap();
    eleven(folder.path()).save();
    assert_command!(folder.path(), &["stats", "--images", "coop,nemesis-pen"]);
}

#[test]
fn statistics_without_a_training() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    records.zero_shot("dtd", 42.0);
    records.save();
    assert_command!(folder.path(), &["stats"]);
}

/// The mean rank of each method, as `nemesis stats` has it.
fn ranks(folder: &Path) -> Vec<(String, String)> {
    let output = nemesis(folder, &["stats", "--only", "ranks", "--format", "csv"]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let fields = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    fields.map(|fields| (fields[1].to_owned(), fields[2].to_owned())).collect()
}

/// A run that is lacking makes nobody better or worse, however hard it was.
#[test]
fn methods_are_ranked_by_the_runs_that_all_of_them_have() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    for (dataset, accuracy) in [("caltech101", 80.0), ("dtd", 50.0), ("eurosat", 60.0)] {
        records.few_shot(COOP, dataset, 16, &[accuracy, accuracy + 1.0, accuracy - 20.0]);
        records.few_shot(PEN, dataset, 16, &[accuracy, accuracy + 1.0]);
    }
    records.save();
    let rank = |label: &str| (label.to_owned(), "1.5000".to_owned());
    assert_eq!(ranks(folder.path()), [rank("CoOp"), rank("Nemesis-PEN")]);
    are_drawn(folder.path());
}

/// On a page, the marks of a figure say what they are.
fn are_drawn(folder: &Path) {
    let output = nemesis(folder, &["report", "--html", "page.html"]).output().unwrap();
    assert_ne!(output.status.code(), Some(2), "{}", told(&output));
    let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
    for (label, rank) in ranks(folder) {
        let rank: f64 = rank.parse().unwrap();
        assert!(page.contains(&format!("{label}: mean rank {rank:.2}")), "{label} {rank}");
    }
}

/// What is tested on other data sets than it was trained on is averaged over those, and the source is shown alone.
#[test]
fn the_source_of_a_transfer_is_no_target() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    for (method, gain) in [(COOP, 0.0), (PEN, 1.0)] {
        for (dataset, accuracy) in [("imagenet", 90.0), ("dtd", 40.0), ("eurosat", 50.0)] {
            let trained =
                Trained { method, on: "imagenet", classes: ClassSubset::All, shots: 16, seeds: Seeds::from(1) };
            records.trained(trained, dataset, ClassSubset::All, accuracy + gain);
        }
    }
    records.save();
    let said =
        |arguments: &[&str]| String::from_utf8(nemesis(folder.path(), arguments).output().unwrap().stdout).unwrap();
    let averages = said(&["stats", "--only", "averages", "--format", "csv"]);
    let shown: Vec<Vec<&str>> = averages.lines().skip(1).map(|line| line.split(',').take(6).collect()).collect();
    let row = |label, average| vec!["few-shot-averages", "Average", "16", label, "2", average];
    assert_eq!(shown, [row("CoOp", "45.0000"), row("Nemesis-PEN", "46.0000")]);
    let runs = said(&["report", "--statistics", "--format", "csv"]);
    assert!(runs.lines().any(|line| line.starts_with("few-shot,Average,16,CoOp,1,45.0000,")), "{runs}");
    let pairs = said(&["report", "--paired", "coop,nemesis-pen", "--format", "csv"]);
    let line = pairs.lines().find(|line| line.contains("Data sets")).unwrap();
    assert!(line.starts_with("few-shot,Data sets,2,45.0000,46.0000,"), "{pairs}");
}

/// Targets of one training rise and fall together, so that they say as much as one of them.
#[test]
fn targets_are_not_independent_trainings() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Synthetic::new(folder.path());
    for (method, gain) in [(COOP, 0.0), (PEN, 1.0)] {
        for seed in 1..=3u64 {
            let luck = gain + 2.0 * seed as f64;
            let trained =
                Trained { method, on: "imagenet", classes: ClassSubset::All, shots: 16, seeds: Seeds::from(seed) };
            for (place, dataset) in ELEVEN.into_iter().enumerate() {
                records.trained(trained, dataset, ClassSubset::All, 40.0 + luck + 2.0 * place as f64);
            }
        }
    }
    records.save();
    let said = |only: &str, format: &str| {
        let arguments = ["stats", "--only", only, "--format", format];
        String::from_utf8(nemesis(folder.path(), &arguments).output().unwrap().stdout).unwrap()
    };
    // Three equal draws of three trainings are not that rare; of thirty runs they would be.
    let averages = said("averages", "csv");
    assert!(averages.contains(",CoOp,10,55.0000,53.0000,57.0000,"), "{averages}");
    let methods = said("methods", "csv");
    assert!(methods.contains("CoOp,Nemesis-PEN,10,1.0000,") && methods.contains(",not tested,"), "{methods}");
    for only in ["methods", "ranks"] {
        let table = said(only, "markdown");
        assert!(table.contains("Nothing is tested here") && !table.contains("is better"), "{table}");
        assert!(!table.contains("Wilcoxon:") && !table.contains("Nemenyi"), "{table}");
    }
    let pairs = nemesis(folder.path(), &["report", "--paired", "coop,nemesis-pen"]).output().unwrap();
    assert!(told(&pairs).contains("not careful enough"), "{}", told(&pairs));
}

/// The figure says what the table says: a data set counts once, whatever numbers of shots it has.
#[test]
fn the_figure_of_ranks_is_that_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut records = Synthetic::new(folder);
    for (place, dataset) in ["caltech101", "dtd", "eurosat"].into_iter().enumerate() {
        for shots in [1, 2, 4] {
            // With one shot the first is better, and by far.
            let gain = if shots == 1 { -9.0 } else { 1.0 + place as f64 };
            records.few_shot(COOP, dataset, shots, &[60.0, 61.0]);
            records.few_shot(PEN, dataset, shots, &[60.0 + gain, 61.0 + gain]);
        }
    }
    records.save();
    are_drawn(folder);
}

#[test]
fn tables_of_other_columns_are_no_one_file_of_csv() {
    let folder = tempfile::tempdir().unwrap();
    eleven(folder.path()).save();
    assert_command!(folder.path(), &["stats", "--format", "csv"]);
    assert_command!(folder.path(), &["stats", "--format", "csv", "--only", "methods"]);
    assert_command!(folder.path(), &["stats", "--only", "variance"]);
}

/// Equal records have equal intervals.
#[test]
fn intervals_do_not_change_from_call_to_call() {
    let folder = tempfile::tempdir().unwrap();
    eleven(folder.path()).save();
    let run = || nemesis(folder.path(), &["stats", "--format", "json"]).output().unwrap();
    let output = run();
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(output.stdout, run().stdout);
}
