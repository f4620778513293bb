//! A context goes to CoOp's format and back: `nemesis export` and `nemesis evaluate`.

use crate::command::{assert_command, nemesis, told, wrote_nothing};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn stdout(folder: &Path, arguments: &[&str]) -> String {
    let output = nemesis(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The records of a folder of which something holds.
fn records(folder: &Path, holds: impl Fn(&Value) -> bool) -> Vec<Value> {
    let files = fs::read_dir(folder.join("out/records")).unwrap();
    let records = files.map(|file| serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap());
    records.filter(|record| holds(record)).collect()
}

#[test]
fn an_exported_context_is_evaluated_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let run = ["run", "--datasets", "dtd", "--shots", "1", "--seeds", "1", "--methods", "coop"];
    stdout(folder.path(), &run);
    let wanted = ["export", "--dataset", "dtd", "--method", "coop", "--shots", "1", "--seed", "1", "--to", "there"];
    let file = stdout(folder.path(), &wanted);
    assert_eq!(file, "there/prompt_learner/model.pth.tar-40\n");

    let evaluate = ["evaluate", "--context", file.trim(), "--dataset", "dtd", "--json"];
    let evaluated: Value = serde_json::from_str(&stdout(folder.path(), &evaluate)).unwrap();
    let trained = records(folder.path(), |record| record["cell"]["subject"]["from"] == "training");
    let imported = records(folder.path(), |record| record["cell"]["subject"]["from"] == "imported");
    assert_eq!((trained.len(), imported.len()), (1, 1));
    assert_eq!(imported[0]["outcome"], trained[0]["outcome"], "the same predictions");
    assert_eq!(evaluated["accuracy"], trained[0]["outcome"]["accuracy"]);
    assert_eq!(evaluated["record"], imported[0]["id"]);
    assert_eq!(evaluated["context"]["epoch"], 40);

    // Once more, it is there already; and another half of the classes is another evaluation.
    assert_eq!(stdout(folder.path(), &evaluate), format!("{evaluated}\n"));
    let new = stdout(folder.path(), &["evaluate", "--context", file.trim(), "--dataset", "dtd", "--classes", "new"]);
    assert!(new.starts_with("dtd\t"), "{new}");
    assert_eq!(records(folder.path(), |record| record["cell"]["subject"]["from"] == "imported").len(), 2);

    // Of two that fit, a message says how they differ.
    stdout(folder.path(), &[&run[..], &["--precision", "fp32"]].concat());
    let output = nemesis(folder.path(), &wanted).output().unwrap();
    let said = told(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    for precision in ["1 shot, seed 1, precision fp32)", "1 shot, seed 1, precision fp64)"] {
        assert!(said.contains(precision), "{said}");
    }
}

/// A context of another backbone, which PyTorch wrote.
fn foreign() -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("nemesis-core/tests/fixtures/coop");
    fixtures.join("model.pth.tar-50").display().to_string()
}

#[test]
fn a_context_of_another_backbone_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(foreign(), folder.path().join("model.pth.tar-50")).unwrap();
    assert_command!(folder.path(), &["evaluate", "--context", "model.pth.tar-50", "--dataset", "dtd"]);
    assert!(!folder.path().join("out/records").exists(), "nothing is recorded");
}

#[test]
fn an_option_of_another_method_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(foreign(), folder.path().join("model.pth.tar-50")).unwrap();
    let arguments = ["evaluate", "--context", "model.pth.tar-50", "--dataset", "dtd", "--set", "nemesis-pen.alpha=1"];
    assert_command!(folder.path(), &arguments);
    assert!(wrote_nothing(folder.path()));
}

#[test]
fn an_export_without_records() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["export", "--dataset", "dtd", "--to", "there"]);
    assert!(!folder.path().join("there").exists(), "nothing is written");
}
