//! Checkpoints as a user gives them: what is refused before anything is computed, what is assumed and said, and what
//! has to be named.

use crate::command::{assert_command, nemesis, told, wrote_nothing};
use crate::files::tree;
use nemesis_core::backbone::Checkpoint;
use nemesis_core::record::to_safetensors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tch::{Device, Kind, Tensor};

const MINI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/mini/mini-clip.safetensors");
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nemesis-core/tests/fixtures/parity/preprocess/im4.jpg");

/// A folder with a text, a picture, and `my.safetensors`: a CLIP under OpenAI's names that says nothing of itself.
fn folder(change: impl FnOnce(&mut BTreeMap<String, Tensor>)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = Checkpoint::read(Path::new(MINI)).unwrap().tensors;
    change(&mut tensors);
    let bytes = to_safetensors(&tensors.into_iter().collect(), &[]).unwrap();
    fs::write(folder.path().join("my.safetensors"), bytes).unwrap();
    fs::write(folder.path().join("t.txt"), "a photo of a cat.\n").unwrap();
    fs::copy(PICTURE, folder.path().join("picture.jpg")).unwrap();
    folder
}

fn plain() -> tempfile::TempDir {
    folder(|_| {})
}

fn ok(folder: &Path, arguments: &[&str]) -> String {
    let output = nemesis(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The options of the smallest run on the mini suite's data.
const SMALL: [&str; 10] = ["--datasets", "dtd", "--shots", "1", "--seeds", "1", "--methods", "coop", "--limit", "2"];

#[test]
fn users_data_need_a_checkpoint_that_is_named() {
    let folder = plain();
    let before = tree(folder.path());
    assert_command!(folder.path(), &["run", "--data", "."]);
    assert_command!(folder.path(), &["encode", "picture.jpg"]);
    let context = concat!(env!("CARGO_MANIFEST_DIR"), "/../nemesis-core/tests/fixtures/coop/model.pth.tar-50");
    for arguments in [
        &["plan", "--data", "."][..],
        &["encode", "--texts", "t.txt"],
        &["evaluate", "--context", context, "--dataset", "dtd", "--data", "."],
    ] {
        let output = nemesis(folder.path(), arguments).output().unwrap();
        let said = told(&output);
        assert!(said.contains("exit code 2") && said.contains("error: no checkpoint of CLIP is given"), "{said}");
    }
    assert_eq!(tree(folder.path()), before, "something was written");
    // By its name, the small CLIP is had for anything; what is amiss then is that there is no data set.
    for arguments in [&["--backbone", "mini"], &["--weights", "mini"]] {
        let output = nemesis(folder.path(), &[&["plan", "--data", ".", "--datasets", "dtd"], &arguments[..]].concat());
        let said = told(&{ output }.output().unwrap());
        assert!(!said.contains("checkpoint") && said.contains("dtd"), "{said}");
    }
}

#[test]
fn a_checkpoint_that_tells_nothing_needs_an_assumption_that_is_recorded_and_shown() {
    let folder = plain();
    assert_command!(folder.path(), &["plan", "--weights", "my.safetensors"]);
    assert!(wrote_nothing(folder.path()), "something was written");
    assert_command!(folder.path(), &["plan", "--weights", "my.safetensors", "--weights-config", "laion"]);

    let assumed = ["--weights", "my.safetensors", "--weights-config", "openai"];
    let table = ok(folder.path(), &[&["run"], &SMALL[..], &assumed].concat());
    let remarks: String =
        table.lines().filter(|line| line.starts_with(['-', ' '])).map(str::trim).collect::<Vec<_>>().join(" ");
    assert!(remarks.contains("the backbone is called `my`; its file is none that OpenAI published"), "{table}");
    let note = "preprocessing of `my.safetensors` were assumed to be OpenAI's (--weights-config openai)";
    assert!(remarks.contains(note), "{table}");
    let records = fs::read_dir(folder.path().join("out/records")).unwrap();
    let records: Vec<Value> =
        records.map(|file| serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap()).collect();
    assert_eq!(records.len(), 3);
    for record in &records {
        assert_eq!(record["cell"]["backbone"]["assumed"], "openai");
        assert_eq!(record["provenance"]["backbone"]["origin"], "`openai` was assumed");
        assert_eq!(record["provenance"]["backbone"].get("known_as"), None);
    }
    // The table is printed again with the same words.
    assert!(ok(folder.path(), &["report"]).contains("(--weights-config openai)"));

    // A prediction takes what the training's record says.
    let training = records.iter().find(|record| record["kind"] == "training").unwrap()["id"].as_str().unwrap();
    let predict = ["predict", "picture.jpg", "--training", &training[..12], "--weights"];
    let labelled = ok(folder.path(), &[&predict[..], &["my.safetensors"]].concat());
    assert!(labelled.starts_with("picture.jpg\t"), "{labelled}");
    assert_eq!(ok(folder.path(), &[&predict[..], &["any=my.safetensors"]].concat()), labelled);
    let other = nemesis(folder.path(), &[&predict[..], &["mini"]].concat()).output().unwrap();
    assert!(told(&other).contains("the context was learned with a different checkpoint"), "{}", told(&other));
    // The run's own file is found where it was.
    assert_eq!(ok(folder.path(), &predict[..4]), labelled);
}

#[test]
fn the_small_clip_of_the_mini_suite_tells_what_it_is() {
    let folder = plain();
    let table = ok(folder.path(), &[&["run"], &SMALL[..]].concat());
    assert!(table.contains("the backbone is `mini`") && !table.contains("assumed"), "{table}");
    let records = fs::read_dir(folder.path().join("out/records")).unwrap();
    for file in records {
        let record: Value = serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
        assert_eq!(record["cell"]["backbone"].as_object().unwrap().len(), 1, "{record}");
        assert_eq!(record["provenance"]["backbone"]["origin"], "`openai` by its own metadata");
    }
}

#[test]
fn every_command_takes_a_file_with_a_name_or_without() {
    let folder = plain();
    let encode = ["encode", "--texts", "t.txt", "--weights-config", "openai", "-o"];
    let features = |weights: &str| {
        ok(folder.path(), &[&encode[..], &["f.safetensors", "--weights", weights]].concat());
        fs::read(folder.path().join("f.safetensors")).unwrap()
    };
    let plainly = features("my.safetensors");
    assert_eq!(features("mine=my.safetensors"), plainly);
    assert_eq!(features("mini"), plainly, "these are the same weights");

    let plan = |arguments: &[&str]| {
        let plan = ["plan", "--datasets", "dtd", "--shots", "1", "--methods", "coop", "--weights-config", "openai"];
        let said = ok(folder.path(), &[&plan, arguments].concat());
        said.lines().find(|line| line.starts_with("backbone")).unwrap().to_owned()
    };
    assert_eq!(plan(&["--weights", "my.safetensors"]), "backbone     my (my.safetensors)");
    assert_eq!(plan(&["--weights", "A=my.safetensors"]), "backbone     A (my.safetensors)");
    let two = ["--weights", "my.safetensors", "--weights", "A=my.safetensors", "--backbone", "A"];
    assert_eq!(plan(&two), "backbone     A (my.safetensors)");
    for text in ["weights: my.safetensors\n", "weights: {my: my.safetensors}\n", "weights: [my.safetensors]\n"] {
        fs::write(folder.path().join("nemesis.yaml"), text).unwrap();
        assert_eq!(plan(&[]), "backbone     my (my.safetensors)", "{text}");
    }
    fs::remove_file(folder.path().join("nemesis.yaml")).unwrap();
    fs::create_dir(folder.path().join("other")).unwrap();
    fs::copy(folder.path().join("my.safetensors"), folder.path().join("other/my.safetensors")).unwrap();
    assert_command!(folder.path(), &["plan", "--weights", "my.safetensors", "--weights", "other/my.safetensors"]);
}

#[test]
fn what_is_wrong_with_a_checkpoint_is_told_before_anything_is_computed() {
    let with = |name: &str, shape: &[i64]| {
        let (name, tensor) = (name.to_owned(), Tensor::ones(shape, (Kind::Half, Device::Cpu)));
        folder(move |all| drop(all.insert(name, tensor)))
    };
    let run = ["run", "--weights", "RN50=my.safetensors", "--weights-config", "openai"];
    let lora = with("visual.transformer.resblocks.0.attn.in_proj_lora_A", &[4, 128]);
    assert_command!(lora.path(), &run);
    assert!(wrote_nothing(lora.path()), "something was written");

    let broken = folder(|all| {
        let _ = all["visual.proj"].get(0).get(0).fill_(f64::NAN);
    });
    assert_command!(broken.path(), &run);

    let large =
        folder(|all| drop(all.insert("visual.proj".into(), Tensor::full([128, 64], 7e4, (Kind::Float, Device::Cpu)))));
    assert_command!(large.path(), &[&run[..], &["--precision", "fp16"]].concat());
    // What trains in mixed precision is held in half precision.
    let output = nemesis(large.path(), &[&run[..], &["--precision", "amp"]].concat()).output().unwrap();
    assert!(told(&output).contains("which fp16 cannot hold"), "{}", told(&output));

    let image = folder(|all| all.retain(|name, _| name.starts_with("visual.") || name == "logit_scale"));
    assert_command!(image.path(), &run);
    assert!(wrote_nothing(image.path()), "something was written");
}
