//! The golden values that are committed, checked through the project's own plugins; and damaged ones, which must fail.

use nemesis_core::Result;
use nemesis_core::backbone::clip::TextPath;
use nemesis_core::plugin::{Plugin, Registry};
use nemesis_parity::{Check, Group};
use std::fs;
use std::path::{Path, PathBuf};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../nemesis-core/tests/fixtures/parity")
}

/// Checks of a folder, with the plugins that the build left beside the program.
fn checks(folder: &Path, groups: &[Group], path: TextPath) -> Result<Vec<Check>> {
    let built = Path::new(env!("CARGO_BIN_EXE_nemesis")).parent().unwrap().to_owned();
    let plugins = Registry::scan(&[built])?;
    let mut checks = Vec::new();
    nemesis_parity::run(
        folder,
        groups,
        path,
        &mut |id, task, options, host| Plugin::load(plugins.find(id)?.path())?.create(task, options, host),
        &mut |check| checks.push(check.clone()),
    )?;
    Ok(checks)
}

fn failures(checks: &[Check]) -> String {
    let failed: Vec<String> = checks.iter().filter(|check| !check.passed()).map(Check::to_string).collect();
    failed.join("\n")
}

#[test]
fn every_golden_value_is_met() {
    let checks = checks(&golden(), &Group::ALL, TextPath::Shared).unwrap();
    assert_eq!(failures(&checks), "");
    let groups = ["tokenizer", "fewshot", "split_trainval", "schedule", "preprocess", "clip_vit", "clip_rn"];
    for group in groups.into_iter().chain(["methods, case 10 nemesis", "corruption, replace"]) {
        assert!(checks.iter().any(|check| check.name.starts_with(group)), "{group}");
    }
}

#[test]
fn corrupted_contexts_are_as_accurate_by_every_path() {
    for path in [TextPath::Plain, TextPath::Cut] {
        assert_eq!(failures(&checks(&golden(), &[Group::Corruption], path).unwrap()), "", "{path:?}");
    }
}

/// Copies the golden values, changes one file, and tells which checks of a group fail.
fn failed_after(group: Group, file: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    copy(&golden(), folder.path());
    let path = folder.path().join(file);
    fs::write(&path, change(fs::read(&path).unwrap())).unwrap();
    let checks = checks(folder.path(), &[group], TextPath::Shared).unwrap();
    checks.iter().filter(|check| !check.passed()).map(|check| check.name.clone()).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The text with the first `from` replaced.
fn replaced(text: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(text).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn a_golden_value_that_is_not_met_fails_its_check_alone() {
    let failed = failed_after(Group::Schedule, "schedule.json", |text| replaced(&text, "0.001998026", "0.001998027"));
    assert_eq!(failed, ["schedule, 50 epochs, 1 of warm-up"]);
    let failed = failed_after(Group::Images, "preprocess/expected.safetensors", |mut bytes| {
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    });
    assert!(matches!(failed.as_slice(), [one] if one.starts_with("preprocess, im")), "{failed:?}");
    let failed = failed_after(Group::Methods, "methods.json", |text| {
        replaced(&text, "\"cross_entropy\": 2.02", "\"cross_entropy\": 2.03")
    });
    assert_eq!(failed, ["methods, case 0 coop, losses"]);
    let failed = failed_after(Group::Sampling, "fewshot.json", |text| replaced(&text, "\"seed\": 1", "\"seed\": 4"));
    assert_eq!(failed, ["fewshot, seed 4, 1-shot"]);
}

#[test]
fn what_the_methods_cannot_compute_fails() {
    let mut passed = Vec::new();
    nemesis_parity::run(
        &golden(),
        &[Group::Methods, Group::Corruption],
        TextPath::Shared,
        &mut |_, _, _, _| Err(nemesis_core::Error::new("there is no plugin")),
        &mut |check| passed.push(check.passed()),
    )
    .unwrap();
    assert!(passed.len() > 50);
    assert_eq!(passed, vec![false; passed.len()]);
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    copy(&golden(), folder.path());
    fs::remove_file(folder.path().join("schedule.json")).unwrap();
    let error = |folder: &Path| checks(folder, &[Group::Schedule], TextPath::Shared).unwrap_err().to_string();
    assert!(error(folder.path()).contains("schedule.json"));
    assert!(error(&folder.path().join("nowhere")).contains("nowhere"));
}
