//! Tables for papers: pdflatex takes them as they are, where there is one.

use crate::command::{assert_command, nemesis, told};
use crate::skipped::skipped;
use crate::synthetic::Synthetic;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Records with labels that TeX and its encodings would trip over.
fn records(folder: &Path) {
    let mut records = Synthetic::new(folder);
    for (dataset, accuracy) in [("caltech101", 86.0), ("dtd", 42.0)] {
        records.zero_shot(dataset, accuracy);
        for (label, gain) in [("[CoOp]", 2.0), ("α ≥ 0.5 & 100%_#1", 3.0), ("{\\bf 中文} ~^$ <a|b>", 1.0)] {
            records.few_shot((label, label), dataset, 16, &[accuracy + gain, accuracy + gain + 0.5, accuracy + gain]);
        }
    }
    records.save();
}

#[test]
fn the_best_are_bold_and_the_second_best_underlined_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    records(folder.path());
    let output = |arguments: &[&str]| {
        let output = nemesis(folder.path(), &[&["report", "--format", "latex"], arguments].concat()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let stats = nemesis(folder.path(), &["stats", "--format", "latex"]).output().unwrap();
    let stats = String::from_utf8(stats.stdout).unwrap();
    // A bracket behind the end of a row would be an option of it.
    assert!(stats.contains("\n{}[CoOp] & "), "{stats}");
    let line = |text: &str| text.lines().rfind(|line| line.starts_with("caltech101")).unwrap().to_owned();
    assert!(!output(&[]).contains("underline"));
    insta::assert_snapshot!(line(&output(&["--second"])));
    assert_command!(folder.path(), &["report", "--second"]);
}

#[test]
fn pdflatex_takes_tables_and_sheets() {
    if !Command::new("pdflatex").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return skipped("latex::pdflatex_takes_tables_and_sheets", "needs pdflatex");
    }
    let folder = tempfile::tempdir().unwrap();
    records(folder.path());
    let mut document = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n".to_owned();
    for (name, arguments) in
        [("table", &["report", "--second"][..]), ("runs", &["report", "--statistics"]), ("stats", &["stats"])]
    {
        let output = nemesis(folder.path(), &[arguments, &["--format", "latex"]].concat()).output().unwrap();
        assert_ne!(output.status.code(), Some(2), "{}", told(&output));
        fs::write(folder.path().join(format!("{name}.tex")), &output.stdout).unwrap();
        document.extend(["\\input{", name, "}\n"]);
    }
    fs::write(folder.path().join("paper.tex"), document + "\\end{document}\n").unwrap();
    let output = Command::new("pdflatex")
        .args(["-interaction=nonstopmode", "-halt-on-error", "paper.tex"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(folder.path().join("paper.pdf").exists());
}
