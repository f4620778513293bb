//! `nemesis stats`: which differences between methods are shown, and which are not.

use crate::command::{assert_command, nemesis, told};
use crate::synthetic::Synthetic;
use nemesis_bench::results::ELEVEN;
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
