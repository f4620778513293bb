//! Every question has a table of its own, and a report over all of them mixes no recipes.

use crate::command::{nemesis, told, written};
use crate::plugin::another_coop;
use crate::synthetic::Synthetic;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;

const COOP: [&str; 7] = ["run", "--methods", "coop", "--shots", "1", "--datasets", "dtd"];

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let output = nemesis(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    output
}

/// The stem of the table's files.
fn name(folder: &Path, output: &Output) -> String {
    written(folder, output, ".md").file_stem().unwrap().to_str().unwrap().to_owned()
}

/// What a command says, without the hashes in names.
fn said(folder: &Path, arguments: &[&str]) -> String {
    let told = told(&nemesis(folder, arguments).output().unwrap());
    regex::Regex::new(r"-[0-9a-f]{6}\b").unwrap().replace_all(&told, "-[HASH]").into_owned()
}

#[test]
fn a_narrower_question_has_its_own_table_and_report_puts_together_what_fits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let two = run(folder, &[&COOP[..], &["--seeds", "1,2"]].concat());
    let first = fs::read_to_string(written(folder, &two, ".md")).unwrap();
    let other =
        run(folder, &["run", "--methods", "coop", "--shots", "1,2", "--datasets", "dtd,eurosat", "--seeds", "1"]);
    let names = [name(folder, &two), name(folder, &other)];
    assert!(names[0].starts_with("few-shot-dtd-CoOp-1-shot-seeds-1+2-"), "{names:?}");
    assert!(names[1].starts_with("few-shot-dtd+eurosat-CoOp-1+2-shots-seed-1-"), "{names:?}");
    assert!(!folder.join("out/few-shot.md").exists(), "the suite's own table was not asked for");

    // The same question again rewrites its own files, and leaves the others alone.
    let again = run(folder, &[&COOP[..], &["--seeds", "1-2"]].concat());
    assert_eq!(name(folder, &again), names[0]);
    assert_eq!(fs::read_to_string(written(folder, &two, ".md")).unwrap(), first);
    let last: Vec<String> = String::from_utf8_lossy(&again.stderr).lines().map(str::to_owned).collect();
    let expected = ["md", "csv", "tex", "json"].map(|ending| format!("wrote out/{}.{ending}", names[0]));
    assert_eq!(last[last.len() - 5..last.len() - 1], expected);
    assert_eq!(last[last.len() - 1], "wrote out/report.html");

    insta::assert_snapshot!("list", said(folder, &["report", "--list"]));
    insta::assert_snapshot!("with_holes", said(folder, &["report", "--shots", "1", "--seeds", "1-2"]));
    insta::assert_snapshot!("whole", said(folder, &["report", "--datasets", "dtd", "--shots", "1"]));
    let question = run(folder, &["report", "--question", &names[0], "--format", "markdown"]);
    assert_eq!(String::from_utf8(question.stdout).unwrap(), first);
    insta::assert_snapshot!("unknown_question", said(folder, &["report", "--question", "few-shot"]));
    insta::assert_snapshot!("unknown_method", said(folder, &["report", "--methods", "coup"]));
    insta::assert_snapshot!("unknown_suite", said(folder, &["report", "--suite", "few-shots"]));

    // Another recipe for one of the seeds.
    run(folder, &[&COOP[..], &["--seeds", "3", "--set", "coop.n_ctx=4"]].concat());
    insta::assert_snapshot!("two_recipes", said(folder, &["report", "--datasets", "dtd", "--shots", "1"]));
    run(folder, &[&COOP[..], &["--seeds", "3", "--precision", "fp32"]].concat());
    insta::assert_snapshot!(
        "three_recipes",
        said(folder, &["report", "--datasets", "dtd", "--shots", "1", "--statistics"])
    );
}

#[test]
fn a_training_is_found_by_what_it_is_and_knows_its_data_and_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    run(folder, &["mini", "data", "--out", "root"]);
    fs::create_dir(folder.join("weights")).unwrap();
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("mini/mini-clip.safetensors");
    // Another file with the same towers.
    let mut bytes = fs::read(weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(folder.join("weights/own.safetensors"), &bytes).unwrap();
    let own = ["--data", "root", "--weights", "own=weights/own.safetensors", "--protocol", "mini"];
    let made = run(folder, &[&COOP[..], &["--seeds", "1"], &own].concat());
    assert!(name(folder, &made).starts_with("few-shot-own-dtd-CoOp-1-shot-seed-1-mini-"), "{}", told(&made));
    let table = fs::read_to_string(written(folder, &made, ".md")).unwrap();
    assert!(table.contains("the backbone is called `own`; its file is none that OpenAI published"), "{table}");

    let photo = fs::read_dir(folder.join("root/dtd/images")).unwrap().next().unwrap().unwrap().path();
    let photo = photo.to_str().unwrap();
    let predict = ["predict", photo, "--dataset", "dtd", "--method", "coop", "--shots", "1", "--seed", "1"];
    let predicted = run(folder, &predict);
    assert!(String::from_utf8(predicted.stdout).unwrap().lines().count() > 1, "a line for each image");
    let other = run(folder, &[&predict[..], &["--plugin", &another_coop(folder)]].concat());
    assert!(told(&other).contains("the training was done with another version of `coop`"), "{}", told(&other));
    let filtered = |arguments: &[&str]| {
        let told = told(&nemesis(folder, arguments).output().unwrap()).replace(folder.to_str().unwrap(), "[DIR]");
        regex::Regex::new("[0-9a-f]{64}").unwrap().replace_all(&told, "[HASH]").into_owned()
    };
    insta::assert_snapshot!("no_such_training", filtered(&["predict", photo, "--dataset", "dtd", "--shots", "2"]));
    fs::rename(folder.join("weights/own.safetensors"), folder.join("weights/moved.safetensors")).unwrap();
    insta::assert_snapshot!("moved_weights", filtered(&predict));
    let with_weights = [&predict[..], &["--weights", "weights/moved.safetensors"]].concat();
    run(folder, &with_weights);
    fs::rename(folder.join("root"), folder.join("elsewhere")).unwrap();
    let photo = photo.replace("/root/", "/elsewhere/");
    let moved = |more: &[&str]| filtered(&[&["predict", &photo], &with_weights[2..], more].concat());
    insta::assert_snapshot!("moved_data", moved(&[]));
    assert!(moved(&["--data", "elsewhere"]).starts_with("exit code 0"));
}

#[test]
fn what_a_protocol_gives_one_method_is_part_of_the_question() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols/mini.yaml")).unwrap();
    let text = text.replace("name: mini\n", "name: mine\n").replace("epochs: {1: 40}", "epochs: 3");
    let runs = [("dtd", 8), ("dtd", 4), ("eurosat", 4)].map(|(dataset, n_ctx)| {
        let own = text.replace("methods:\n  #", &format!("methods:\n  coop: {{options: {{n_ctx: {n_ctx}}}}}\n  #"));
        fs::write(folder.join("mine.yaml"), own).unwrap();
        let of_coop = ["run", "--methods", "coop", "--shots", "1", "--seeds", "1", "--limit", "2"];
        run(folder, &[&of_coop[..], &["--datasets", dataset, "--protocol", "mine.yaml"]].concat())
    });
    assert_ne!(name(folder, &runs[0]), name(folder, &runs[1]));
    for (run, n_ctx) in runs.iter().zip([8, 4, 4]) {
        let table = fs::read_to_string(written(folder, run, ".md")).unwrap();
        assert!(table.contains(&format!("the protocol gives CoOp options of its own: n_ctx {n_ctx}")), "{table}");
    }
    let shown = said(folder, &["report", "--datasets", "dtd,eurosat", "--shots", "1"]);
    assert!(shown.contains("by 2 recipes") && shown.contains("the options or the version of CoOp"), "{shown}");
}

/// The same weights read in two ways.
#[test]
fn what_is_assumed_of_a_backbone_is_part_of_the_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let plans = folder.join("out/plans");
    for (dataset, assumed) in [("dtd", "openai"), ("eurosat", "")] {
        let mut records = Synthetic::new(folder);
        records.few_shot(("coop", "CoOp"), dataset, 16, &[60.0, 61.0, 62.0]);
        records.save();
        let mut plan: Value = serde_json::from_slice(&fs::read(plans.join("few-shot.json")).unwrap()).unwrap();
        if !assumed.is_empty() {
            plan["asked"]["checkpoint"]["assumed"] = Value::from(assumed);
        }
        fs::remove_file(plans.join("few-shot.json")).unwrap();
        fs::write(plans.join(format!("few-shot-{dataset}.json")), plan.to_string()).unwrap();
    }
    let shown = said(folder, &["report", "--datasets", "dtd,eurosat"]);
    assert!(shown.contains("they differ in what is assumed of the backbone\n"), "{shown}");
}
