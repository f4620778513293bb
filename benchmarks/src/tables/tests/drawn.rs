//! What figures show: which runs, and where they stand.

use super::{contents, evaluation, place, provenance};
use crate::tables::figures::{Figure, low_norm_effect};
use crate::tables::formats::{Csv, Format};
use crate::tables::kinds::{LowNormEffect, NormCurve};
use crate::tables::{Contents, Entry, Kind, MethodColumn, Outcome};
use nemesis_core::dataset::ClassSubset;
use nemesis_core::record::{Corruption, CorruptionKind, Evaluated, Store, Subject};
use nemesis_figures::{Letters, TWO_COLUMNS, svg};
use serde_json::json;

/// A table of one method on one data set.
fn small(label: &str, shots: &[u32]) -> Contents {
    let datasets = vec![("dtd".into(), "DTD".into())];
    Contents { datasets, methods: vec![MethodColumn::plain(label)], shots: shots.to_vec(), ..contents() }
}

fn entry(label: &str, shots: u32, seed: u64, corruption: Option<Corruption>, outcome: Outcome) -> Entry {
    let place = place(label, shots, seed);
    Entry { dataset: "dtd".into(), classes: ClassSubset::All, place, corruption, epoch: None, outcome }
}

fn drawn(figure: &Figure) -> String {
    svg(&figure.chart.draw(TWO_COLUMNS), Letters::Live)
}

#[test]
fn the_last_point_of_a_norm_curve_stands_at_the_last_epoch_of_its_shots() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let trained = |shots: u32, epochs: u64| {
        let mut cell = evaluation("dtd", &place("CoOp", shots, 1));
        let Subject::Training { cell: training } = &mut cell.subject else { panic!("it is of a training") };
        training.protocol.insert("epochs".into(), json!(epochs));
        let evaluated = Evaluated { predicted: &[0, 1], labels: &[0, 0], classes: 2, context_norms: vec![1.0] };
        let record = store.put_evaluation(&cell, evaluated, provenance("A")).unwrap();
        entry("CoOp", shots, 1, None, Outcome::Done(Box::new(record)))
    };
    let entries = [trained(1, 37), trained(16, 211)];
    let contents = Contents { seeds: vec![1.into()], ..small("CoOp", &[1, 16]) };
    let kind: NormCurve = serde_json::from_value(json!({ "epochs": [] })).unwrap();
    let curves = drawn(&kind.figures(&contents, &entries, &kind.table(&contents, &entries))[0]);
    assert!(curves.contains("1 shot, Accuracy, 37: 50.0"), "{curves}");
    assert!(curves.contains("16 shots, Accuracy, 211: 50.0"), "{curves}");
}

/// Three seeds of the learned context, and one of the corrupted one.
fn of_unlike_seeds(label: &str) -> Vec<Entry> {
    let corruption = Some(Corruption { kind: CorruptionKind::Rescale, position: 0, value: 0.5 });
    let learned = [(1, 50.0), (2, 60.0), (3, 70.0)];
    let learned = learned.map(|(seed, accuracy)| entry(label, 16, seed, None, Outcome::Derived(accuracy)));
    let corrupted = entry(label, 16, 1, corruption, Outcome::Derived(52.0));
    learned.into_iter().chain([corrupted]).collect()
}

#[test]
fn a_heat_map_compares_the_same_seeds_and_says_that_some_are_lacking() {
    let figures = low_norm_effect(&small("CoOp", &[16]), &of_unlike_seeds("CoOp"));
    let map = drawn(&figures[0]);
    assert!(map.contains("DTD, v1, × 0.5: +2.00"), "{map}");
    assert!(figures[0].caption.ends_with("Some differences are means over fewer seeds than were planned."));
}

/// A label may begin with any words.
#[test]
fn a_heat_map_is_of_its_method_whatever_that_is_called() {
    for label in ["Bars", "Points of view"] {
        let figures = low_norm_effect(&small(label, &[16]), &of_unlike_seeds(label));
        let figure = &figures[0];
        assert_eq!((figure.method.as_deref(), figure.narrow, figure.summary), (Some(label), false, false));
    }
}

#[test]
fn csv_has_numbers_of_shots_as_values() {
    let kind: LowNormEffect = serde_json::from_value(json!({ "replace": [], "rescale": [0.5] })).unwrap();
    let csv = Csv.table(&kind.table(&small("CoOp", &[16]), &of_unlike_seeds("CoOp")));
    assert!(csv.contains("\ndtd,CoOp,16,missing,"), "{csv}");
}
