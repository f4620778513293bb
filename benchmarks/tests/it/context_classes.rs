//! A context is evaluated on what it was learned for: CoOp's files tell by the embeddings that they hold beside it, ours by
//! names.

use crate::command::{nemesis, share_mini_root, told};
use nemesis_core::backbone::Backbone;
use nemesis_core::backbone::clip::{Clip, START};
use nemesis_core::dataset::Registry;
use nemesis_core::engine::clean_names;
use nemesis_core::interchange::coop;
use nemesis_core::record::to_safetensors;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

const VECTORS: i64 = 4;

/// The mini suite's small CLIP and the class names of EuroSAT there.
struct Scene {
    folder: tempfile::TempDir,
    clip: Clip,
    names: Vec<String>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        share_mini_root(&folder.path().join("out"));
        let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("mini/mini-clip.safetensors");
        let clip = Clip::load(&weights, Device::Cpu, Kind::Float).unwrap();
        let root = folder.path().join("out/mini");
        let dataset = Registry::load(&root).unwrap().get("eurosat").unwrap().open(&root).unwrap();
        let names = clean_names(dataset.class_names());
        Self { folder, clip, names }
    }

    /// A checkpoint as CoOp writes it for these classes, of a context that each class has for itself or not.
    fn checkpoint(&self, names: &[String], specific: bool, change: impl Fn(&mut Vec<(String, Tensor)>)) -> PathBuf {
        let (spec, classes) = (self.clip.spec(), names.len() as i64);
        let length = spec.context_length - 1 - VECTORS;
        let context = Tensor::full([classes, VECTORS, spec.width], 0.01, (Kind::Half, Device::Cpu));
        let context = if specific { context } else { context.get(0) };
        let start = self.clip.embed_tokens(&[START]).unwrap();
        let suffix = |tokens: &Vec<i64>| {
            let padded = tokens.iter().copied().chain(std::iter::repeat(0)).take(length as usize);
            self.clip.embed_tokens(&padded.collect::<Vec<_>>()).unwrap()
        };
        let prompts = self.clip.class_prompts(names, 0).unwrap();
        let mut state = vec![
            ("ctx".to_owned(), context),
            ("token_prefix".to_owned(), start.unsqueeze(0).repeat([classes, 1, 1]).to_kind(Kind::Half)),
            (
                "token_suffix".to_owned(),
                Tensor::stack(&prompts.tokens.iter().map(suffix).collect::<Vec<_>>(), 0).to_kind(Kind::Half),
            ),
        ];
        change(&mut state);
        coop::write(self.folder.path(), &state, 50, &[]).unwrap()
    }

    fn evaluate(&self, file: &Path, more: &[&str]) -> String {
        let file = file.display().to_string();
        let arguments = ["evaluate", "--context", &file, "--dataset", "eurosat", "--limit", "1"];
        let output = nemesis(self.folder.path(), &[&arguments[..], &END, more].concat()).output().unwrap();
        let told = told(&output).replace(&*self.folder.path().to_string_lossy(), "[DIR]");
        let accuracy = regex::Regex::new(r"eurosat\t.*").unwrap();
        accuracy.replace_all(&told, "eurosat\t[RESULT]").into_owned()
    }
}

/// What no file of a context tells.
const END: [&str; 2] = ["--set", "coop.class_position=end"];

fn unchanged(_: &mut Vec<(String, Tensor)>) {}

#[test]
fn a_checkpoint_of_coop_tells_its_classes_and_its_backbone() {
    let scene = Scene::new();
    let mut others = scene.names.clone();
    others.swap(2, 3);
    insta::assert_snapshot!(scene.evaluate(&scene.checkpoint(&scene.names, true, unchanged), &[]), @r"
    exit code 0
    --- stdout
    eurosat	[RESULT]
    --- stderr
    ");
    insta::assert_snapshot!(scene.evaluate(&scene.checkpoint(&others, true, unchanged), &[]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: the context is class-specific: the vectors of class 2 were learned for a different name than `Herbaceous Vegetation Land`, its name here
      --> [DIR]/prompt_learner/model.pth.tar-50
      expected: a context learned for the same class names in the same order
      help: evaluate it on the classes it was learned for, in the same order
    ");
    // One context for all classes may serve others, as in CoOp.
    insta::assert_snapshot!(scene.evaluate(&scene.checkpoint(&scene.names, false, unchanged), &[]), @r"
    exit code 0
    --- stdout
    eurosat	[RESULT]
    --- stderr
    ");
    insta::assert_snapshot!(scene.evaluate(&scene.checkpoint(&others, false, unchanged), &[]), @r"
    exit code 0
    --- stdout
    eurosat	[RESULT]
    --- stderr
    note: the context was learned for other classes than those of `eurosat`: class 2, `Herbaceous Vegetation Land` here, is the first that differs; its vectors are used with the names of these anyway, as in CoOp's code
      --> [DIR]/prompt_learner/model.pth.tar-50
    ");
    let of_another_backbone = |state: &mut Vec<(String, Tensor)>| state[1].1 = &state[1].1 + 0.5;
    let file = scene.checkpoint(&scene.names, false, of_another_backbone);
    insta::assert_snapshot!(scene.evaluate(&file, &[]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: the context was learned with a different backbone: the embedding of the start token in the file differs
      --> [DIR]/prompt_learner/model.pth.tar-50
      help: use the CLIP checkpoint that it was learned with: --weights NAME=FILE. To try it with another backbone anyway, save it without `token_prefix` and `token_suffix`
    ");
    let of_another_width = |state: &mut Vec<(String, Tensor)>| state[2].1 = state[2].1.narrow(2, 0, 8);
    let narrow = scene.evaluate(&scene.checkpoint(&scene.names, false, of_another_width), &[]);
    assert!(narrow.contains("exit code 2") && narrow.contains("`token_suffix` has the shape [10, "), "{narrow}");
    // Without the embeddings nobody can tell.
    let bare = scene.checkpoint(&scene.names, true, |state| state.truncate(1));
    insta::assert_snapshot!(scene.evaluate(&bare, &[]), @r"
    exit code 0
    --- stdout
    eurosat	[RESULT]
    --- stderr
    note: the file does not say for which classes it has vectors: they are taken in the order of the classes of `eurosat`
      --> [DIR]/prompt_learner/model.pth.tar-50
    ");
}

#[test]
fn a_bare_tensor_is_evaluated_and_what_is_assumed_is_told() {
    let scene = Scene::new();
    let file = scene.folder.path().join("prompt.safetensors");
    let state =
        |width: i64| vec![("prompt".to_owned(), Tensor::full([VECTORS, width], 0.01, (Kind::Float, Device::Cpu)))];
    fs::write(&file, to_safetensors(&state(scene.clip.spec().width), &[]).unwrap()).unwrap();
    insta::assert_snapshot!(scene.evaluate(&file, &[]), @r"
    exit code 0
    --- stdout
    eurosat	[RESULT]
    --- stderr
    note: the file's only tensor, `prompt`, of shape [4, 64] is taken as the context [vectors, width]
      --> [DIR]/prompt.safetensors
    ");
    let json = scene.evaluate(&file, &["--json"]);
    let line = json.lines().find(|line| line.starts_with('{')).unwrap();
    let json: Value = serde_json::from_str(line).unwrap();
    assert!(json["notes"][0].as_str().unwrap().contains("only tensor"), "{json}");
    fs::write(&file, to_safetensors(&state(7), &[]).unwrap()).unwrap();
    let refused = scene.evaluate(&file, &[]);
    assert!(refused.starts_with("exit code 2") && refused.contains("7 numbers each"), "{refused}");
}

/// Half of EuroSAT's classes are as many as the other half, so that no shape tells them apart.
#[test]
fn what_we_have_learned_for_each_class_is_not_taken_for_other_classes() {
    let folder = tempfile::tempdir().unwrap();
    let suite = |kind: &str| {
        format!(
            "name: halves\ntitle: Halves\ntable: {kind}\ndatasets: [eurosat]\nshots: [1]\nseeds: [1]\nzero_shot: false\n\
             methods:\n  - {{method: coop, label: CSC, options: {{csc: true}}}}\n  \
             - {{method: coop, label: CoOp, options: {{n_ctx: 5}}}}\n"
        )
    };
    let run = |kind: &str| {
        fs::write(folder.path().join("halves.yaml"), suite(kind)).unwrap();
        let output = nemesis(folder.path(), &["run", "--suite", "halves.yaml", "--jobs", "1"]).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    // The context of five vectors, as many as there are classes, is shared and serves the other half.
    let told_of = run("base-to-new");
    let left_out: Vec<&str> = told_of.lines().filter(|line| line.contains("left out")).collect();
    insta::assert_snapshot!(left_out.join("\n"), @"warning: CSC is left out: what it learns holds something for each class (`ctx`), and classes are tested that it was not trained on");
    run("few-shot");

    // Ours says so in a file for CoOp, too.
    let of_each_class =
        |record: &Value| record["cell"]["method"]["options"]["csc"] == true && record["kind"] == "training";
    let records = fs::read_dir(folder.path().join("out/records")).unwrap();
    let mut records = records.map(|file| serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap());
    let id = records.find(of_each_class).unwrap()["id"].as_str().unwrap().to_owned();
    let export = nemesis(folder.path(), &["export", &id, "--to", "there"]).output().unwrap();
    let file = String::from_utf8(export.stdout).unwrap();
    let evaluate = |classes: &str| {
        let arguments =
            ["evaluate", "--context", file.trim(), "--dataset", "eurosat", "--limit", "1", "--classes", classes];
        told(&nemesis(folder.path(), &[&arguments[..], &END].concat()).output().unwrap())
    };
    let all = evaluate("all");
    assert!(all.starts_with("exit code 0") && all.ends_with("--- stderr\n"), "nothing is to be noted: {all}");
    insta::assert_snapshot!(evaluate("new"), @r"
    exit code 2
    --- stdout
    --- stderr
    error: the context has vectors of its own for each of 10 classes
      --> there/prompt_learner/model.pth.tar-40
      expected: 5, as many as `eurosat` has here
    ");
}
