//! Every mistake gets one message, and nothing is written.

use crate::command::assert_command;

#[test]
fn an_unknown_data_set_suggests_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["run", "--datasets", "eurosatt"]);
}

#[test]
fn a_missing_data_root() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["run", "--data", "nowhere"]);
}

#[test]
fn an_unknown_key_of_the_users_file_has_a_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("nemesis.yaml"), "datasets: [dtd]\nshot: [1]\n").unwrap();
    assert_command!(folder.path(), &["run"]);
}

#[test]
fn an_option_that_the_method_does_not_have() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["run", "--set", "nemesis-pan.taw=0.1"]);
}

#[test]
fn an_option_of_the_wrong_type() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["run", "--set", "nemesis-pan.tau=often"]);
}

#[test]
fn an_unknown_method() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["run", "--methods", "nemesis-pun"]);
}

#[test]
fn a_checkpoint_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["run", "--weights", "RN50=RN50.pt"]);
}

#[test]
fn a_report_without_records() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["report"]);
}
