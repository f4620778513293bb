//! Checkpoints of `open_clip` and transformers as `--weights`: folders that say what their weights leave open.

use crate::command::{nemesis, told};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A folder in which `b16` is a tiny model as one of the two libraries writes it.
fn folder(model: &str) -> tempfile::TempDir {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nemesis-core/tests/layouts");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("b16")).unwrap();
    for entry in fs::read_dir(packed.join("models").join(model)).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut bytes = Vec::new();
            GzDecoder::new(&fs::read(&path).unwrap()[..]).read_to_end(&mut bytes).unwrap();
            fs::write(folder.path().join("b16").join(path.file_stem().unwrap()), bytes).unwrap();
        }
    }
    fs::copy(packed.join("photo.png"), folder.path().join("photo.png")).unwrap();
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    told(&nemesis(folder, arguments).output().unwrap())
}

fn records(folder: &Path) -> Vec<Value> {
    let files = fs::read_dir(folder.join("out/records")).unwrap();
    files.map(|file| serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap()).collect()
}

const SMALL: [&str; 13] = [
    "run",
    "--datasets",
    "dtd",
    "--shots",
    "1",
    "--seeds",
    "1",
    "--methods",
    "coop",
    "--limit",
    "2",
    "--weights",
    "B=b16",
];

#[test]
fn a_folder_runs_and_what_it_says_is_recorded_shown_and_part_of_the_id() {
    let folder = folder("open-clip-gelu");
    let table = run(folder.path(), &SMALL);
    let flat = table.split_whitespace().collect::<Vec<_>>().join(" ");
    let note = "`b16` has GELU, heads 80 (image) and 16 (text) wide, images squashed, mean [0.5, 0.4, 0.3], deviation \
                [0.25, 0.2, 0.3], by `open_clip_config.json` beside it";
    assert!(table.contains("exit code 0") && flat.contains(note), "{table}");
    let first = records(folder.path());
    assert_eq!(first.len(), 3);
    for record in &first {
        let assumed = record["cell"]["backbone"]["assumed"].as_str().unwrap();
        assert!(assumed.contains("\"activation\":\"gelu\""), "{assumed}");
        let origin = record["provenance"]["backbone"]["origin"].as_str().unwrap();
        assert!(origin.ends_with("by `open_clip_config.json` beside it"), "{origin}");
    }

    // A prediction finds the run's folder, and goes by what it says.
    let training = first.iter().find(|record| record["kind"] == "training").unwrap()["id"].as_str().unwrap();
    let labelled = run(folder.path(), &["predict", "photo.png", "--training", training]);
    assert!(labelled.contains("photo.png\t"), "{labelled}");
    let given = ["predict", "photo.png", "--training", training, "--weights", "b16/open_clip_model.safetensors"];
    assert_eq!(run(folder.path(), &given), labelled);

    // Another configuration is another model.
    let config = folder.path().join("b16/open_clip_config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("\"embed_dim\": 8", "\"quick_gelu\": true, \"embed_dim\": 8")).unwrap();
    let table = run(folder.path(), &SMALL);
    assert!(table.contains("has QuickGELU"), "{table}");
    assert_eq!(records(folder.path()).len(), 6);
    // What was learned with the other one is not used with this.
    let other = run(folder.path(), &["predict", "photo.png", "--training", training]);
    assert!(other.contains("exit code 2") && other.contains("QuickGELU"), "{other}");

    fs::remove_file(&config).unwrap();
    let refused = run(folder.path(), &SMALL);
    assert!(refused.contains("exit code 2") && refused.contains("--weights-config FILE"), "{refused}");
    fs::write(folder.path().join("my.json"), &text).unwrap();
    let assumed = run(folder.path(), &[&SMALL[..], &["--weights-config", "my.json"]].concat());
    assert!(assumed.contains("exit code 0") && assumed.contains("(--weights-config)"), "{assumed}");
    // It is the model of before, whoever says so.
    assert_eq!(records(folder.path()).len(), 6);
}

#[test]
fn check_tells_what_a_checkpoint_is_and_who_says_so() {
    let folder = folder("transformers-quick-gelu-sharded");
    insta::assert_snapshot!(run(folder.path(), &["backbone", "check", "b16"]), @r"
    exit code 0
    --- stdout
    b16
      weights      3352114 bytes, blake3 244831a6fa63f9323db4737679faaa06062ee3b338476382523c85649e3ee1c5
      sizes        ViT of width 64, 1 layers, patches of 8, 16 pixels; text of width 32, 2 layers; 8 dimensions
      computes     QuickGELU, heads 64 (image) and 16 (text) wide, images resized to the shorter side, mean [0.5, 0.4, 0.3], deviation [0.25, 0.2, 0.3]
      known by     `config.json` beside it
      text         context vectors of 32 numbers, prompts of 77 tokens
      logit scale  54.5982
    --- stderr
    ");
    let index = run(folder.path(), &["backbone", "check", "b16/model.safetensors.index.json"]);
    assert!(index.contains("exit code 0"), "{index}");
    insta::assert_snapshot!(run(folder.path(), &["backbone", "check", "b16/model-00001-of-00002.safetensors"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: the file is one of the shards that a checkpoint lies in
      --> b16/model-00001-of-00002.safetensors
      expected: a whole CLIP of OpenAI, open_clip or transformers
      help: give the folder, or the index (`….index.json`) that names all of them
    ");
    let preprocessor = folder.path().join("b16/preprocessor_config.json");
    fs::rename(&preprocessor, folder.path().join("elsewhere.json")).unwrap();
    insta::assert_snapshot!(run(folder.path(), &["backbone", "check", "b16"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: `preprocessor_config.json` is missing beside `config.json`
      --> b16/config.json
      help: it tells how images are prepared: download it, too
    ");
    fs::rename(folder.path().join("elsewhere.json"), &preprocessor).unwrap();
    for endless in [".", "self.index.json"] {
        let text = format!(r#"{{"weight_map": {{"x": "{endless}"}}}}"#);
        fs::write(folder.path().join("b16/self.index.json"), text).unwrap();
        let index = run(folder.path(), &["backbone", "check", "b16/self.index.json"]);
        assert!(index.contains("exit code 2") && index.contains(&format!("the index names `{endless}`")), "{index}");
    }
    fs::remove_file(folder.path().join("b16/self.index.json")).unwrap();
    fs::remove_file(folder.path().join("b16/model-00002-of-00002.safetensors")).unwrap();
    insta::assert_snapshot!(run(folder.path(), &["backbone", "check", "b16"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: cannot read the file: No such file or directory (os error 2)
      --> b16/model-00002-of-00002.safetensors
    ");
    insta::assert_snapshot!(run(folder.path(), &["backbone", "check", "b16", "--weights-config", "laion"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: invalid value 'laion' for '--weights-config <openai|FILE>': `laion` is not a configuration of weights
      expected: `openai`, or the JSON file of a configuration
      help: known are: openai

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(run(folder.path(), &["backbone", "check", "b16", "--weights-config", "no.json"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: invalid value 'no.json' for '--weights-config <openai|FILE>': there is no such configuration of weights
      --> no.json

    For more information, try '--help'.
    ");
}

#[test]
fn check_measures_zero_shot_accuracy() {
    let folder = folder("open-clip-quick-gelu");
    let out = folder.path().join("out");
    let ran = run(folder.path(), &SMALL);
    assert!(ran.contains("exit code 0") && out.join("mini").is_dir(), "{ran}");
    let said = run(folder.path(), &["backbone", "check", "b16", "--data", "out/mini", "--dataset", "dtd"]);
    assert!(said.contains("  zero-shot "), "{said}");
}
