//! Checkpoints as `open_clip` and transformers write them give the features that these compute. `layouts/make.py` makes
//! the models and the values.

use flate2::read::GzDecoder;
use nemesis_core::Result;
use nemesis_core::backbone::{self, Assumption, Backbone, Origin, Request};
use nemesis_core::train::encode_images;
use serde::Deserialize;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

/// What the other library computed.
#[derive(Deserialize)]
struct Features {
    image: Vec<f64>,
    text: Vec<Vec<f64>>,
    prompts: Vec<String>,
}

fn layouts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts")
}

/// The files of a model, unpacked.
fn unpacked(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(layouts().join("models").join(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut bytes = Vec::new();
            GzDecoder::new(&fs::read(&path).unwrap()[..]).read_to_end(&mut bytes).unwrap();
            fs::write(folder.path().join(path.file_stem().unwrap()), bytes).unwrap();
        }
    }
    folder
}

fn open(weights: &Path, assume: Option<Assumption>) -> Result<Box<dyn Backbone>> {
    backbone::open(&Request::new(weights, assume, Device::Cpu, Kind::Double))
}

fn relative(ours: &Tensor, theirs: &[f64]) -> f64 {
    let theirs = Tensor::from_slice(theirs);
    ((ours.flatten(0, -1) - &theirs).norm() / theirs.norm()).double_value(&[])
}

/// Compares features with those of the library that wrote the model.
fn check(name: &str, weights: &Path, assume: Option<Assumption>) -> Box<dyn Backbone> {
    let text = fs::read_to_string(layouts().join("models").join(name).join("features.json")).unwrap();
    let wanted: Features = serde_json::from_str(&text).unwrap();
    let backbone = open(weights, assume).unwrap();
    let image = encode_images(&*backbone, &[layouts().join("photo.png")]).unwrap();
    let off = relative(&image, &wanted.image);
    assert!(off < 1e-5, "{name}: image features are off by {off:e}");
    let off = relative(&backbone.encode_strings(&wanted.prompts).unwrap(), &wanted.text.concat());
    assert!(off < 1e-5, "{name}: text features are off by {off:e}");
    backbone
}

#[test]
fn models_of_open_clip_and_transformers_give_their_features() {
    let mut found = Vec::new();
    for name in [
        "open-clip-gelu",
        "open-clip-quick-gelu",
        "open-clip-custom-text",
        "transformers-gelu",
        "transformers-quick-gelu-sharded",
        "transformers-old",
        "open-clip-many-heads",
        "transformers-many-heads",
        "open-clip-short-context",
        "transformers-short-context",
    ] {
        let folder = unpacked(name);
        let backbone = check(name, folder.path(), None);
        found.push(format!("{name}: {}", backbone.spec().origin));
        // The file alone finds the configuration beside it, too.
        let names = ["open_clip_model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"];
        for file in names.iter().map(|name| folder.path().join(name)).filter(|file| file.is_file()) {
            check(name, &file, None);
        }
    }
    insta::assert_snapshot!(found.join("\n"), @r"
    open-clip-gelu: GELU, heads 80 (image) and 16 (text) wide, images squashed, mean [0.5, 0.4, 0.3], deviation [0.25, 0.2, 0.3], by `open_clip_config.json` beside it
    open-clip-quick-gelu: QuickGELU, heads 64 (image) and 16 (text) wide, images resized to the shorter side, OpenAI's mean and deviation, by `open_clip_config.json` beside it
    open-clip-custom-text: GELU, heads 64 (image) and 16 (text) wide, images squashed bilinearly, mean [0.5, 0.4, 0.3], deviation [0.25, 0.2, 0.3], by `open_clip_config.json` beside it
    transformers-gelu: GELU, heads 80 (image) and 16 (text) wide, epsilon 1e-3 (image) and 1e-3 (text), images resized to the shorter side, mean [0.5, 0.4, 0.3], deviation [0.25, 0.2, 0.3], by `config.json` beside it
    transformers-quick-gelu-sharded: QuickGELU, heads 64 (image) and 16 (text) wide, images resized to the shorter side, mean [0.5, 0.4, 0.3], deviation [0.25, 0.2, 0.3], by `config.json` beside it
    transformers-old: GELU, heads 64 (image) and 16 (text) wide, images resized to the shorter side, mean [0.5, 0.4, 0.3], deviation [0.25, 0.2, 0.3], by `config.json` beside it
    open-clip-many-heads: GELU, heads 80 (image) and 8 (text) wide, images resized to the shorter side, OpenAI's mean and deviation, by `open_clip_config.json` beside it
    transformers-many-heads: GELU, heads 80 (image) and 16 (text) wide, epsilon 1e-3 (image) and 1e-3 (text), images resized to the shorter side, mean [0.5, 0.4, 0.3], deviation [0.25, 0.2, 0.3], by `config.json` beside it
    open-clip-short-context: GELU, heads 64 (image) and 16 (text) wide, images resized to the shorter side, OpenAI's mean and deviation, by `open_clip_config.json` beside it
    transformers-short-context: QuickGELU, heads 64 (image) and 16 (text) wide, epsilon 1e-3 (image) and 1e-3 (text), images resized to the shorter side, mean [0.5, 0.4, 0.3], deviation [0.25, 0.2, 0.3], by `config.json` beside it
    ");
}

/// Configurations of transformers say much that changes nothing; what changes something is not passed over.
#[test]
fn unknown_keys_of_transformers_are_refused_and_inert_ones_are_not() {
    let folder = unpacked("transformers-gelu");
    let (model, images) = (folder.path().join("config.json"), folder.path().join("preprocessor_config.json"));
    let texts = [&model, &images].map(|path| fs::read_to_string(path).unwrap());
    let told = |path: &Path, text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}: {text}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
        let said = open(folder.path(), None).err().map_or_else(|| "read".to_owned(), |e| e.to_string());
        fs::write(path, text).unwrap();
        said.replace(&folder.path().display().to_string(), "FOLDER")
    };
    let in_text = |more: &str| told(&model, &texts[0], "\"text_config\": {", &format!("\"text_config\": {{{more},"));
    let on_top = |more: &str| told(&model, &texts[0], "{", &format!("{{{more},"));
    for inert in [
        "\"torch_dtype\": \"float16\"",
        "\"pruned_heads\": {}",
        "\"do_sample\": false, \"top_k\": 50, \"length_penalty\": 1.0",
        "\"use_bfloat16\": false, \"prefix\": null",
    ] {
        assert_eq!(in_text(inert), "read", "{inert}");
    }
    let said = [
        in_text("\"rope_theta\": 10000.0"),
        in_text("\"pruned_heads\": {\"0\": [1]}"),
        in_text("\"use_causal_mask\": true"),
        told(&model, &texts[0], "\"eos_token_id\": 49407", "\"eos_token_id\": 7"),
        on_top("\"quantization_config\": {\"bits\": 4}"),
        on_top("\"auto_map\": {\"AutoModel\": \"mine.Clip\"}"),
        told(&images, &texts[1], "{", "{\"do_grayscale\": true,"),
        told(&images, &texts[1], "\"rescale_factor\": 0.00392156862745098", "\"rescale_factor\": 1.0"),
    ];
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_configuration_may_be_named_and_is_part_of_the_id() {
    let folder = unpacked("open-clip-gelu");
    let config = folder.path().join("elsewhere.json");
    let beside = open(folder.path(), None).unwrap().spec().key();
    fs::rename(folder.path().join("open_clip_config.json"), &config).unwrap();
    let error = open(folder.path(), None).err().unwrap().to_string();
    assert!(error.contains("does not tell its model's activation"), "{error}");
    assert!(error.contains("--weights-config FILE"), "{error}");

    let assume: Assumption = config.to_str().unwrap().parse().unwrap();
    let backbone = check("open-clip-gelu", folder.path(), Some(assume));
    assert!(matches!(backbone.spec().origin, Origin::Assumed(_)));
    // The same weights with the same configuration are the same model, whoever says it.
    assert_eq!(backbone.spec().key(), beside);
    // What is displayed is read again.
    assert_eq!(assume.to_string().parse::<Assumption>().unwrap(), assume);
}

/// What is said of a model with something else in one of its files.
fn refused(model: &str, file: &str, changes: &[(&str, &str)]) -> String {
    let folder = unpacked(model);
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    let said = changes.iter().map(|(from, to)| {
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        open(folder.path(), None).err().map_or_else(|| "read".to_owned(), |e| e.to_string())
    });
    said.collect::<Vec<_>>().join("\n").replace(&folder.path().display().to_string(), "FOLDER")
}

#[test]
fn heads_that_do_not_divide_a_tower_are_refused_by_its_name() {
    let transformers = [
        ("\"num_attention_heads\": 2", "\"num_attention_heads\": 3"),
        ("\"num_attention_heads\": 1", "\"num_attention_heads\": 30"),
        ("\"num_attention_heads\": 2", "\"num_attention_heads\": 0"),
    ];
    insta::assert_snapshot!(refused("transformers-gelu", "config.json", &transformers));
    let open_clip = [("\"heads\": 2", "\"heads\": 10"), ("\"head_width\": 80", "\"head_width\": 60")];
    insta::assert_snapshot!(refused("open-clip-gelu", "open_clip_config.json", &open_clip));
}

#[test]
fn preprocessing_that_leaves_other_pixels_is_refused() {
    let changes = [
        ("\"do_center_crop\": true", "\"do_center_crop\": false"),
        ("\"height\": 16", "\"height\": 12"),
        ("\"width\": 16", "\"width\": 12"),
        ("\"shortest_edge\": 16", "\"height\": 16, \"width\": 24"),
        ("\"crop_size\": {\n    \"height\": 16,\n    \"width\": 16\n  }", "\"crop_size\": 12"),
    ];
    insta::assert_snapshot!(refused("transformers-gelu", "preprocessor_config.json", &changes));
    // Squashed to a square, and cropped to a smaller one.
    let squashed = [("\"shortest_edge\": 16", "\"height\": 18, \"width\": 18")];
    insta::assert_snapshot!(refused("transformers-gelu", "preprocessor_config.json", &squashed));
}

#[test]
fn values_of_another_type_are_refused_and_not_taken_as_left_out() {
    let (model, images, clip) = ("config.json", "preprocessor_config.json", "open_clip_config.json");
    let gelu = "\"hidden_act\": \"gelu\"";
    let said = [
        refused("transformers-gelu", model, &[(gelu, "\"hidden_act\": [\"gelu\"]")]),
        refused("transformers-gelu", model, &[("0.001", "\"1e-3\"")]),
        refused("transformers-gelu", images, &[("\"resample\": 3", "\"resample\": \"bilinear\"")]),
        refused("transformers-gelu", images, &[("0.00392156862745098", "\"1/255\"")]),
        refused("transformers-gelu", images, &[("\"do_normalize\": true", "\"do_normalize\": \"false\"")]),
        refused("open-clip-gelu", clip, &[("\"squash\"", "1"), ("\"bicubic\"", "3")]),
        refused("open-clip-gelu", clip, &[("\"heads\": 2", "\"heads\": 2, \"act_kwargs\": \"tanh\"")]),
        // Null is what is left out.
        refused("transformers-gelu", images, &[("\"resample\": 3", "\"resample\": null")]),
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    `hidden_act` is ["gelu"]
      --> FOLDER/config.json
      expected: a word in quotes
    `layer_norm_eps` is "1e-3"
      --> FOLDER/config.json
      expected: a number
    `resample` is "bilinear"
      --> FOLDER/preprocessor_config.json
      expected: a whole number
    `rescale_factor` is "1/255"
      --> FOLDER/preprocessor_config.json
      expected: a number
    `do_normalize` is "false"
      --> FOLDER/preprocessor_config.json
      expected: true or false
    `resize_mode` is 1
      --> FOLDER/open_clip_config.json
      expected: a word in quotes
    `interpolation` is 3
      --> FOLDER/open_clip_config.json
      expected: a word in quotes
    `act_kwargs` is "tanh"
      --> FOLDER/open_clip_config.json
      expected: keys with values, in braces
    read
    "#);
}

#[test]
fn a_configuration_of_another_model_is_refused() {
    let folder = unpacked("open-clip-gelu");
    let path = folder.path().join("open_clip_config.json");
    let text = fs::read_to_string(&path).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replace(from, to)).unwrap();
        open(folder.path(), None).err().map_or_else(|| "read".to_owned(), |e| e.to_string())
    };
    let said = [
        refused("\"head_width\": 80", "\"head_width\": 64"),
        refused("\"layers\": 1", "\"layers\": 12"),
        refused("\"image_size\": 16", "\"image_size\": 224"),
        refused("squash", "longest"),
        refused("bicubic", "lanczos"),
        refused("\"mean\"", "\"mean\": [1], \"median\""),
        refused("\"vision_cfg\": {", "\"vision_cfg\": {\"timm_model_name\": \"vit_base\", "),
        refused("\"vocab_size\"", "\"tokenizer_kwargs\": {\"clean\": \"canonicalize\"}, \"vocab_size\""),
        refused("{", "["),
    ];
    let place = folder.path().display().to_string();
    insta::assert_snapshot!(said.join("\n").replace(&place, "FOLDER"), @r#"
    the image tower is 80 wide, which is not a multiple of 64, the width of its attention heads
      --> FOLDER
      expected: heads whose width divides 80, or a width that is a multiple of 64
      help: give the configuration that belongs to the weights with `--weights-config FILE`, or put it beside them; with `--weights-config openai` heads are 64 wide
    `open_clip_config.json` beside the weights says image layers 12, and the weights have 1
      --> FOLDER
      help: it is about another model, or the weights are not those that it came with
    `open_clip_config.json` beside the weights says image size 224, and the weights have 16
      --> FOLDER
      help: it is about another model, or the weights are not those that it came with
    the configuration tells of a model with `resize_mode` `longest`
      --> FOLDER/open_clip_config.json
      expected: a CLIP as OpenAI, LAION or DataComp have it
      help: such models are not read yet
    the configuration tells of a model with `interpolation` `lanczos`
      --> FOLDER/open_clip_config.json
      expected: a CLIP as OpenAI, LAION or DataComp have it
      help: such models are not read yet
    `mean` is [1]
      --> FOLDER/open_clip_config.json
      expected: three numbers, for red, green and blue
    the configuration tells of a model with an image tower of timm
      --> FOLDER/open_clip_config.json
      expected: a CLIP as OpenAI, LAION or DataComp have it
      help: such models are not read yet
    the configuration tells of a model with `tokenizer_kwargs` {"clean":"canonicalize"}
      --> FOLDER/open_clip_config.json
      expected: a CLIP as OpenAI, LAION or DataComp have it
      help: such models are not read yet
    the configuration is no JSON: expected `,` or `]`
      --> FOLDER/open_clip_config.json:2
      help: download it again
    "#);
    fs::write(&path, &text).unwrap();
    let other = open(folder.path(), Some(Assumption::OpenAi)).err().unwrap().to_string();
    assert!(other.contains("leave --weights-config out"), "{other}");
}
