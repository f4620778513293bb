//! Methods that learn on features alone, and CLIP-LoRA, beside golden values of their authors' code.

use crate::command::{nemesis, told};
use std::fs;
use std::path::Path;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nemesis-core/tests/fixtures");
const METHODS: [&str; 8] =
    ["clap", "clip_adapter", "clip_lora", "cross_modal", "linear_probe", "lpplus", "taskres", "tip_adapter"];

/// A folder with the golden values and the checkpoint that they name.
fn golden() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for method in METHODS {
        for ending in ["json", "safetensors"] {
            let name = format!("{method}.{ending}");
            fs::copy(Path::new(FIXTURES).join("zoo").join(&name), folder.path().join(&name)).unwrap();
        }
    }
    let name = "clip_vit.safetensors";
    fs::copy(Path::new(FIXTURES).join("parity").join(name), folder.path().join(name)).unwrap();
    folder
}

#[test]
fn every_method_meets_its_authors_values() {
    let folder = golden();
    let output = nemesis(folder.path(), &["parity", "--fixtures", "."]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    for line in [
        "clap, case 6, step1.multipliers",
        "clap, case 10, parameters after step 2",
        "clip_adapter, case 1, gradient",
        "clip_lora, case 2, logits_train",
        "clip_lora, case 5, gradient",
        "cross_modal, case 0, init.head.weight",
        "cross_modal, case 2, parameters after step 5",
        "linear_probe, tight_C0.316, coef",
        "lpplus, case 0, alpha after step 20",
        "taskres, case 2, logits_eval",
        "tip_adapter, case 0, best beta and alpha",
        "tip_adapter, case 1, f.test_logits_after",
    ] {
        assert!(lines.lines().any(|found| found.starts_with(line) && found.ends_with("ok")), "{line}\n{lines}");
    }
    assert!(!lines.contains("skipped"), "{lines}");
}

#[test]
fn changed_values_fail() {
    let folder = golden();
    for (file, from, to) in [
        ("clip_adapter.json", "\"ratio\":0.2", "\"ratio\":0.21"),
        ("lpplus.json", "\"alpha_update_every\":10", "\"alpha_update_every\":9"),
        ("tip_adapter.json", "\"best_alpha\":", "\"best_alpha\":1"),
    ] {
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replace(from, to)).unwrap();
    }
    let output = nemesis(folder.path(), &["parity", "--fixtures", "."]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    let failed: Vec<&str> = lines.lines().filter(|line| line.contains("  FAIL")).collect();
    for method in ["clip_adapter, case 0, logits_eval", "lpplus, case 0, losses", "tip_adapter, case 0, best beta"] {
        assert!(failed.iter().any(|line| line.starts_with(method)), "{method}\n{}", failed.join("\n"));
    }
    assert!(failed.iter().all(|line| !line.starts_with("clap") && !line.starts_with("taskres")), "{failed:?}");
}
