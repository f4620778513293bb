//! The CLIP backbone against values computed by PyTorch with OpenAI's model classes (`fixtures/parity`).

use nemesis_core::backbone::Checkpoint;
use nemesis_core::backbone::clip::{Clip, END, START, TextTower, Tokenizer, Weights};
use nemesis_core::backbone::{Assumption, Backbone};
use nemesis_core::method::ClassPosition;
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(name)
}

fn load(name: &str) -> Clip {
    Clip::load_assuming(&fixture(name), Some(Assumption::OpenAi), Device::Cpu, Kind::Float).unwrap()
}

/// The norm of the difference, relative to the norm of what was expected.
fn error(found: &Tensor, expected: &Tensor) -> f64 {
    ((found - expected).norm() / expected.norm()).double_value(&[])
}

#[test]
fn tokens_are_those_of_clip() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(fixture("tokenizer.json")).unwrap()).unwrap();
    assert!(cases.len() > 100);
    for case in &cases {
        let text = case["text"].as_str().unwrap();
        let ids: Vec<i64> = case["ids"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
        assert_eq!([vec![START], Tokenizer::clip().encode(text), vec![END]].concat(), ids, "{text:?}");
    }
}

#[test]
fn image_towers_give_the_features_of_clip() {
    for name in ["clip_vit", "clip_rn"] {
        let clip = load(&format!("{name}.safetensors"));
        let golden = Checkpoint::read(&fixture(&format!("{name}_io.safetensors"))).unwrap().tensors;
        let features = clip.encode_images(&golden["images"]).unwrap();
        let error = error(&features, &golden["image_features"]);
        assert!(error < 1e-5, "{name}: {error}");
    }
}

#[test]
fn text_tower_gives_the_features_of_clip() {
    let weights = Weights::new(Checkpoint::read(&fixture("clip_vit.safetensors")).unwrap().tensors);
    let tower = TextTower::from_weights(&weights.to(Device::Cpu, Kind::Float)).unwrap();
    let golden = Checkpoint::read(&fixture("clip_vit_io.safetensors")).unwrap().tensors;
    let error = error(&tower.forward_tokens(&golden["tokens"]), &golden["text_features"]);
    assert!(error < 1e-5, "{error}");
}

/// The first step of every method case: logits, and the gradient of the cross-entropy where the loss is nothing else.
#[test]
fn contexts_give_the_logits_and_gradients_of_clip() {
    let clip = load("clip_vit.safetensors");
    let golden = Checkpoint::read(&fixture("methods.safetensors")).unwrap().tensors;
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(fixture("methods.json")).unwrap()).unwrap();
    let normalise = |x: &Tensor| x / x.norm_scalaropt_dim(2, [-1], true);
    for case in &cases {
        let id = case["id"].as_i64().unwrap();
        let of = |name: &str| golden[&format!("case{id}.{name}")].shallow_clone();
        let names: Vec<String> = serde_json::from_value(case["class_names"].clone()).unwrap();
        let position = match case["options"]["class_position"].as_str() {
            Some("middle") => ClassPosition::Middle,
            Some("front") => ClassPosition::Front,
            _ => ClassPosition::End,
        };
        let context = of("ctx0").set_requires_grad(true);
        // One copy; one context for all classes, or one for each.
        let contexts = if context.dim() == 3 { context.unsqueeze(0) } else { context.unsqueeze(0).unsqueeze(0) };
        let classes = clip.class_prompts(&names, contexts.size()[2] as usize).unwrap();
        let text = clip.encode_contexts(&classes, &contexts, position).unwrap().squeeze_dim(0);
        let logits = clip.spec().logit_scale * normalise(&of("image_features").get(0)).matmul(&normalise(&text).tr());
        let logits_error = (&logits - of("logits0")).abs().max().double_value(&[]);
        assert!(logits_error < 1e-4, "case {id}: logits differ by {logits_error}");
        if case["method"] == "coop" {
            logits.cross_entropy_for_logits(&of("labels").get(0)).backward();
            let gradient_error = error(&context.grad(), &of("grad0"));
            assert!(gradient_error < 1e-4, "case {id}: the gradients differ by {gradient_error}");
        }
    }
}

#[test]
fn an_image_tower_alone_says_that_it_cannot_encode_text() {
    let clip = load("clip_rn.safetensors");
    insta::assert_snapshot!(clip.encode_strings(&["a dog".to_owned()]).unwrap_err(), @r"
    the checkpoint holds an image tower alone, so it cannot encode text
      help: give a checkpoint of a whole CLIP model
    ");
}

#[test]
fn equal_prompts_have_equal_features_and_order_does_not_matter() {
    let clip = load("clip_vit.safetensors");
    let prompts = ["a dog", "a photo of a very small dog", "A  Dog", "cat"].map(str::to_owned);
    let together = clip.encode_strings(&prompts).unwrap();
    assert!(together.get(0).equal(&together.get(2)));
    for (row, prompt) in prompts.iter().enumerate() {
        let alone = clip.encode_strings(std::slice::from_ref(prompt)).unwrap();
        assert!(error(&together.get(row as i64), &alone.get(0)) < 1e-6, "{prompt}");
    }
    assert_eq!(clip.encode_strings(&[]).unwrap().size(), [0, clip.spec().embed_dim]);
}

#[test]
fn texts_that_do_not_fit_are_named() {
    let clip = load("clip_vit.safetensors");
    let name = "dog ".repeat(40);
    let error = clip.class_prompts(&["cat".to_owned(), name.clone()], 40).unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(&name, "NAME"), @r"
    the prompt of the class `NAME` with 40 context vectors is 83 tokens long, with start and end
      expected: at most 77 tokens
      help: shorten it, or use fewer context vectors before a class name
    ");
    let error = clip.encode_strings(&[name.repeat(2)]).unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(&name, "NAME "), @r"
    the prompt `NAME NAME ` is 82 tokens long, with start and end
      expected: at most 77 tokens
      help: shorten it, or use fewer context vectors before a class name
    ");
    let classes = clip.class_prompts(&["cat".to_owned(), "dog".to_owned()], 4).unwrap();
    let encode = |classes, shape: &[i64]| {
        let contexts = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        clip.encode_contexts(classes, &contexts, ClassPosition::End).unwrap_err()
    };
    insta::assert_snapshot!(encode(&classes, &[1, 3, 4, 64]), @r"
    context vectors of the shape [1, 3, 4, 64]
      expected: the shape [copies, 1 or 2, context vectors, 64]
    ");
    insta::assert_snapshot!(encode(&classes, &[1, 1, 74, 64]), @r"
    the prompt of class 0 has 78 tokens
      expected: at most 77
      help: use fewer context vectors or a shorter class name
    ");
    insta::assert_snapshot!(encode(&classes.slice(0..0), &[1, 1, 4, 64]), @r"
    there are no classes to make prompts of
      help: name at least one class
    ");
    let pixels = Tensor::zeros([2, 3, 32, 31], (Kind::Float, Device::Cpu));
    insta::assert_snapshot!(clip.encode_images(&pixels).unwrap_err(), @r"
    pixels of the shape [2, 3, 32, 31]
      expected: the shape [images, 3, 32, 32]
    ");
}
