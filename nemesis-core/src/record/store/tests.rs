use super::super::cell::tests::{evaluation, training};
use super::super::outcome::tests::provenance;
use super::super::seal::unseal;
use super::*;
use crate::error::Kind;
use crate::train::EpochRecord;
use std::collections::BTreeMap;
use tch::Tensor;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("out")).unwrap();
    (folder, store)
}

fn put_evaluation(store: &Store) -> EvaluationRecord {
    let evaluated = Evaluated { predicted: &[0, 1, 0], labels: &[0, 1, 1], classes: 2, context_norms: vec![0.5, 1.5] };
    store.put_evaluation(&evaluation(), evaluated, provenance()).unwrap()
}

#[test]
fn what_was_put_is_got() {
    let (_folder, store) = store();
    let cell = training();
    assert!(!store.contains(&cell.id()));
    assert!(store.get::<TrainingCell>(&cell.id()).unwrap().is_none());

    let reported = BTreeMap::from([("context_norm".to_owned(), vec![0.45])]);
    let epochs = vec![EpochRecord { loss: 0.1 + 0.2, learning_rate: 1e-5, reported }];
    let state = vec![("context".to_owned(), Tensor::from_slice(&[1.0_f32, 2.0]))];
    let kept = BTreeMap::from([(1, store.put_state(&state).unwrap())]);
    let put = store.put_training(&cell, Trained { epochs, state: &state, classes: &[], kept }, provenance()).unwrap();
    assert!(store.contains(&cell.id()));
    assert_eq!(store.get::<TrainingCell>(&cell.id()).unwrap().unwrap(), put);
    assert_eq!(store.state(&put.outcome.state).unwrap()[0].1, state[0].1);

    let put = put_evaluation(&store);
    assert_eq!(store.get::<EvaluationCell>(&put.id).unwrap().unwrap(), put);
    assert_eq!(store.predictions(&put).unwrap(), [0, 1, 0]);
    let mut ids = [cell.id(), put.id];
    ids.sort();
    assert_eq!(store.ids().unwrap(), ids);
}

#[test]
fn the_first_of_two_stays() {
    let (_folder, store) = store();
    let train = |value: f32| {
        let state = vec![("context".to_owned(), Tensor::from_slice(&[value]))];
        let trained = Trained { epochs: vec![], state: &state, classes: &[], kept: BTreeMap::new() };
        store.put_training(&training(), trained, provenance()).unwrap()
    };
    let first = train(1.0);
    assert_eq!(train(2.0), first);
    assert_eq!(store.get::<TrainingCell>(&first.id).unwrap().unwrap(), first);

    let first = put_evaluation(&store);
    let other = Evaluated { predicted: &[1, 1, 1], labels: &[0, 1, 1], classes: 2, context_norms: vec![] };
    assert_eq!(store.put_evaluation(&evaluation(), other, provenance()).unwrap(), first);
    assert_eq!(store.predictions(&first).unwrap(), [0, 1, 0], "record and predictions are of one process");
}

#[test]
fn a_failure_goes_when_the_cell_succeeds() {
    let (_folder, store) = store();
    let cell = Cell::from(evaluation());
    let error = Error::new("not enough memory").of_kind(Kind::OutOfMemory).help("wait");
    store.put_failure(&cell, &error).unwrap();
    assert_eq!(store.failure(&cell.id()).unwrap().unwrap().reason, error);
    assert!(!store.contains(&cell.id()));
    assert_eq!(store.outlived_failures().unwrap().len(), 0);
    put_evaluation(&store);
    assert!(store.failure(&cell.id()).unwrap().is_none());

    store.put_failure(&cell, &error).unwrap();
    assert_eq!(store.outlived_failures().unwrap(), [store.failure_path(&cell.id())]);
}

#[test]
fn a_failure_of_an_earlier_version_is_read() {
    let (_folder, store) = store();
    let cell = Cell::from(evaluation());
    store.put_failure(&cell, &Error::new("it broke")).unwrap();
    let path = store.failure_path(&cell.id());
    let text = fs::read_to_string(&path).unwrap();
    let earlier =
        text.replace("\"schema\": 3", "\"schema\": 2").replace("{\n    \"what\": \"it broke\"\n  }", "\"it broke\"");
    assert_ne!(earlier, text);
    fs::write(&path, earlier).unwrap();
    assert_eq!(store.failure(&cell.id()).unwrap().unwrap().reason, Error::new("it broke"));
}

#[test]
fn a_training_with_numbers_that_are_not_finite_leaves_nothing() {
    let (folder, store) = store();
    let epochs = vec![EpochRecord { loss: f64::NAN, learning_rate: 1.0, reported: BTreeMap::new() }];
    let trained = Trained { epochs, state: &State::new(), classes: &[], kept: BTreeMap::new() };
    let error = store.put_training(&training(), trained, provenance()).unwrap_err();
    insta::assert_snapshot!(error, @"the loss of epoch 1 is NaN, which a record cannot hold");
    assert_eq!(fs::read_dir(folder.path().join("out")).unwrap().count(), 0);
}

/// Replaces `from` by `to` in the evaluation's record and tells what reading it says.
fn error_after(from: &str, to: &str) -> String {
    let (_folder, store) = store();
    let id = put_evaluation(&store).id;
    let path = store.record_path(&id);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    let error = store.get::<EvaluationCell>(&id).unwrap_err().to_string();
    error.replace(&path.display().to_string(), "RECORD")
}

#[test]
fn a_damaged_or_foreign_record_is_named() {
    insta::assert_snapshot!(error_after("\"total\": 3", "\"total\": -3"), @r"
    the record is damaged: invalid value: integer `-3`, expected u32
      --> RECORD:56
      help: delete the file; the next run computes it again. `nemesis clean` lists every record that is damaged
    ");
    insta::assert_snapshot!(error_after("\"seed\": 1", "\"seed\": 2"), @r"
    the record does not hold the cell that its name promises
      --> RECORD
      help: delete the file; the next run computes it again. `nemesis clean` lists every record that is damaged
    ");
    insta::assert_snapshot!(error_after("\"schema\": 2,\n  \"kind\"", "\"schema\": 7,\n  \"kinds\""), @r"
    the record is of format 7, which another version of nemesis wrote
      --> RECORD
      expected: format 2
      help: use that version, or give another folder with `--out`
    ");
    // The same fields may mean something else in a later format.
    assert!(error_after("\"schema\": 2,", "\"schema\": 7,").contains("of format 7"));
    insta::assert_snapshot!(error_after("\"kind\": \"evaluation\"", "\"kind\": \"training\""), @r"
    the record does not hold the cell that its name promises
      --> RECORD
      help: delete the file; the next run computes it again. `nemesis clean` lists every record that is damaged
    ");
}

/// Records of earlier versions have no checksum, and are read.
#[test]
fn a_record_that_has_changed_is_named() {
    insta::assert_snapshot!(error_after("\"seconds\": 1", "\"seconds\": 2"), @r"
    the record has changed since it was written: its checksum differs
      --> RECORD
      help: delete the file; the next run computes it again. `nemesis clean` lists every record that is damaged
    ");
    let (_folder, store) = store();
    let record = put_evaluation(&store);
    let path = store.record_path(&record.id);
    let sealed = fs::read(&path).unwrap();
    fs::write(&path, unseal(&sealed).0).unwrap();
    assert_ne!(fs::read(&path).unwrap(), sealed);
    assert_eq!(store.get::<EvaluationCell>(&record.id).unwrap().unwrap(), record);
}

#[test]
fn altered_states_and_predictions_are_noticed() {
    let (_folder, store) = store();
    let record = put_evaluation(&store);
    fs::write(store.predictions_path(&record.id), pack(&[1, 1, 1])).unwrap();
    assert!(store.predictions(&record).unwrap_err().to_string().contains("not those that the record tells of"));

    let state = vec![("context".to_owned(), Tensor::from(1.0))];
    let hash = store.put_state(&state).unwrap();
    fs::write(store.state_path(&hash), b"rubbish").unwrap();
    assert!(store.state(&hash).unwrap_err().to_string().contains("does not hash to its name"));
    assert_eq!(store.put_state(&state).unwrap(), hash);
    assert!(store.state(&hash).is_ok());
}
