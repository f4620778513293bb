//! `nemesis parity` on golden values of published methods: those that are met, and damaged ones, which must fail.

use crate::command::{nemesis, told};
use std::fs;
use std::path::Path;
use std::process::Output;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nemesis-core/tests/fixtures");

/// A folder with golden values of these methods, and the checkpoints that they name.
fn golden(methods: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for method in methods {
        for ending in ["json", "safetensors"] {
            let name = format!("{method}.{ending}");
            fs::copy(Path::new(FIXTURES).join("zoo").join(&name), folder.path().join(&name)).unwrap();
        }
    }
    for name in ["clip_vit.safetensors", "clip_rn.safetensors"] {
        fs::copy(Path::new(FIXTURES).join("parity").join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn parity(folder: &Path, arguments: &[&str]) -> Output {
    let all: Vec<&str> = ["parity", "--fixtures", "."].into_iter().chain(arguments.iter().copied()).collect();
    nemesis(folder, &all).output().unwrap()
}

/// Replaces the first `from` in a file.
fn change(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// The lines that neither passed nor were skipped.
fn failures(output: &Output) -> Vec<String> {
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    lines.lines().filter(|line| line.contains("  FAIL")).map(str::to_owned).collect()
}

#[test]
fn every_method_meets_its_authors_values() {
    let folder =
        golden(&["cocoop", "ivlp", "kgcoop", "maple", "plot", "plot_nemesis", "prograd", "promptsrc", "tcp", "vpt"]);
    for path in [&[][..], &["--text-path", "plain"]] {
        let output = parity(folder.path(), path);
        assert!(output.status.success(), "{}", told(&output));
        assert_eq!(failures(&output), [""; 0]);
        let lines = String::from_utf8(output.stdout).unwrap();
        for line in [
            "cocoop, case 0, gradient",
            "ivlp, case 3, parameters after step 2",
            "kgcoop, case 1, kg_score",
            "maple, case 0, parameters after step 2",
            "plot, case 1, logits_eval",
            "plot_nemesis, case 6, alpha",
            "prograd, case 3, gradient of step 1",
            "promptsrc, case 0, scl_logits",
            "promptsrc, case 1, average over epochs",
            "tcp, case 2, parameters after step 2",
            "vpt, case 0, gradient",
        ] {
            assert!(lines.lines().any(|found| found.starts_with(line) && found.ends_with("ok")), "{line}\n{lines}");
        }
    }
}

#[test]
fn a_value_that_is_not_met_fails_its_check_alone() {
    let folder = golden(&["kgcoop"]);
    change(&folder.path().join("kgcoop.json"), "\"kg_score\": 0.098", "\"kg_score\": 0.099");
    let output = parity(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let failed = failures(&output);
    assert!(matches!(failed.as_slice(), [one] if one.starts_with("kgcoop, case 1, kg_score")), "{failed:?}");
    assert!(told(&output).contains("passed, 1 failed\n"), "{}", told(&output));
}

#[test]
fn a_method_that_is_not_there_is_skipped_by_name_and_never_passed() {
    let folder = golden(&["kgcoop"]);
    let path = folder.path();
    for ending in ["json", "safetensors"] {
        fs::rename(path.join(format!("kgcoop.{ending}")), path.join(format!("prompt_of_2030.{ending}"))).unwrap();
    }
    // The file says what it holds, and its name must agree.
    let output = parity(path, &[]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("expected: the name kgcoop.json"), "{}", told(&output));

    change(&path.join("prompt_of_2030.json"), "\"method\": \"kgcoop\"", "\"method\": \"prompt_of_2030\"");
    let output = parity(path, &[]);
    assert!(output.status.success(), "{}", told(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.starts_with("prompt_of_2030 ") && lines.contains("skipped: no method yet\n"), "{lines}");
    assert!(lines.ends_with("0 passed, 0 failed, 1 skipped\n"), "{lines}");
}

#[test]
fn what_is_missing_in_a_folder_is_an_error_that_names_it() {
    let folder = golden(&["kgcoop"]);
    fs::remove_file(folder.path().join("clip_vit.safetensors")).unwrap();
    let output = parity(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("clip_vit.safetensors"), "{}", told(&output));
    let empty = tempfile::tempdir().unwrap();
    let output = parity(empty.path(), &["--only", "zoo"]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("the folder holds no golden values of methods"), "{}", told(&output));
}

#[test]
fn a_file_that_breaks_off_is_an_error_that_names_it() {
    let folder = golden(&["kgcoop", "tcp"]);
    let file = folder.path().join("tcp.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, &text[..text.len() / 2]).unwrap();
    let output = parity(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let told = told(&output);
    assert!(["ends in the middle of its JSON", "tcp.json:"].iter().all(|part| told.contains(part)), "{told}");
}

/// A setting that the authors' case has but our method lacks would be compared with something else.
#[test]
fn a_case_without_a_setting_fails() {
    let folder = golden(&["kgcoop"]);
    change(&folder.path().join("kgcoop.json"), "\"w\":", "\"v\":");
    let output = parity(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(failures(&output).iter().all(|line| line.ends_with("case 0 has no `w`")), "{}", told(&output));
    assert!(!failures(&output).is_empty());
}
