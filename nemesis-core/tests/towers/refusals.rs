//! What does not fit is refused by name.

use crate::model::{IMAGE, SIDE, TEXT, clip, prompts, services};
use nemesis_core::backbone::Assumption;
use nemesis_core::backbone::clip::{Clip, TextPath};
use nemesis_core::method::ClassPosition;
use nemesis_core::method::towers::{Changes, Dropout, LayerPrompt, LowRank, Replacement, Towers};
use nemesis_core::train::Recompute;
use std::path::Path;
use tch::{Device, Kind, Tensor};

fn zeros(shape: &[i64]) -> Tensor {
    Tensor::zeros(shape, (Kind::Float, Device::Cpu))
}

fn delta(name: &str, down: [i64; 2], up: [i64; 2]) -> LowRank {
    LowRank { name: name.to_owned(), down: zeros(&down), up: zeros(&up), scale: 1.0, dropout: None }
}

fn low_rank(name: &str) -> Changes {
    Changes { low_rank: vec![delta(name, [2, IMAGE], [IMAGE, 2])], ..Changes::default() }
}

fn replaced(name: &str, shape: &[i64]) -> Changes {
    Changes { replaced: vec![Replacement { name: name.to_owned(), tensor: zeros(shape) }], ..Changes::default() }
}

fn prompted(layer: usize, shape: &[i64]) -> Changes {
    Changes { prompts: vec![LayerPrompt { layer, tokens: zeros(shape) }], ..Changes::default() }
}

fn dropped(dropout: Dropout) -> Changes {
    let mut changes = low_rank("image.0.q");
    changes.low_rank[0].dropout = Some(dropout);
    changes
}

/// The messages of calls with changes that do not fit.
fn messages(changes: &[Changes], call: impl Fn(&dyn Towers, &Changes) -> String) -> String {
    let clip = clip(Kind::Float, TextPath::Shared);
    let classes = prompts(&clip, &["cat", "tabby cat"], 4);
    let services = services(&clip, &classes, Recompute::Never);
    changes.iter().map(|changes| call(&services, changes)).collect::<Vec<_>>().join("\n")
}

fn image_messages(changes: &[Changes]) -> String {
    messages(changes, |towers, changes| {
        towers.encode_images(&zeros(&[3, 3, SIDE, SIDE]), changes, false).unwrap_err().to_string()
    })
}

fn text_messages(changes: &[Changes]) -> String {
    messages(changes, |towers, changes| {
        towers.encode_contexts(&zeros(&[2, 1, 4, TEXT]), ClassPosition::End, changes).unwrap_err().to_string()
    })
}

#[test]
fn names() {
    let twice = Changes {
        low_rank: vec![delta("image.0.q", [2, IMAGE], [IMAGE, 2]), delta("image.0.q", [2, IMAGE], [IMAGE, 2])],
        ..Changes::default()
    };
    let found = image_messages(&[
        low_rank("image.3.q"),
        low_rank("image.0.qkv"),
        low_rank("text.0.q"),
        low_rank("image.0.ln_1"),
        replaced("image.0.ln_1", &[IMAGE]),
        replaced("image.ln_final.bias", &[IMAGE]),
        twice,
    ]);
    insta::assert_snapshot!(found, @r"
    `image.3.q` is not a linear map of the image tower
      help: did you mean `image.0.q`?
    `image.0.qkv` is not a linear map of the image tower
      help: did you mean `image.0.k`?
    `text.0.q` is not a linear map of the image tower
      help: changes of that tower belong to calls of `encode_contexts` and `encode_strings`
    `image.0.ln_1` is not a linear map of the image tower
      help: did you mean `image.0.c_fc`?
    `image.0.ln_1` is not a weight of the image tower
      help: did you mean `image.0.ln_1.bias`?
    `image.ln_final.bias` is not a weight of the image tower
      help: did you mean `image.ln_post.bias`?
    `image.0.q` appears twice among the low-rank deltas
    ");
}

#[test]
fn shapes() {
    let mask = |shape: &[i64]| dropped(Dropout { probability: 0.5, index: 0, mask: Some(zeros(shape)) });
    let found = image_messages(&[
        Changes { low_rank: vec![delta("image.0.c_fc", [2, IMAGE], [IMAGE, 2])], ..Changes::default() },
        replaced("image.0.c_fc.bias", &[IMAGE]),
        replaced("image.ln_post.weight", &[1, IMAGE]),
        mask(&[3, 77, IMAGE]),
        dropped(Dropout { probability: 1.0, index: 0, mask: None }),
    ]);
    insta::assert_snapshot!(found, @r"
    the delta on `image.0.c_fc` has the shapes [2, 128] (down) and [128, 2] (up)
      expected: the shapes [rank, 128] and [512, rank]
    the tensor in the place of `image.0.c_fc.bias` has the shape [128]
      expected: the shape [512]
    the tensor in the place of `image.ln_post.weight` has the shape [1, 128]
      expected: the shape [128]
    the dropout mask of `image.0.q` has the shape [3, 77, 128]
      expected: the shape [3, 10, 128]: sequences, tokens and the map's input
    the dropout of `image.0.q` has the probability 1
      expected: at least 0 and less than 1
    ");
}

#[test]
fn prompt_tokens() {
    let two = |second: LayerPrompt| {
        let mut changes = prompted(0, &[1, 2, IMAGE]);
        changes.prompts.push(second);
        changes
    };
    let found = image_messages(&[
        prompted(3, &[1, 2, IMAGE]),
        prompted(0, &[2, 2, IMAGE]),
        prompted(1, &[1, 2, IMAGE]),
        two(LayerPrompt { layer: 2, tokens: zeros(&[1, 3, IMAGE]) }),
        two(LayerPrompt { layer: 0, tokens: zeros(&[1, 2, IMAGE]) }),
    ]);
    insta::assert_snapshot!(found, @r"
    prompt tokens for layer 3 of the image tower
      expected: a layer from 0 to 2
    prompt tokens of the shape [2, 2, 128] for layer 0 of the image tower
      expected: the shape [1 or 3, tokens, 128]
    prompt tokens for layer 1 of the image tower, and none for layer 0
      help: prompt tokens of later layers take the place of those that layer 0 appends
    3 prompt tokens for layer 2 of the image tower
      expected: 2, as many as layer 0 appends
    layer 0 appears twice among the prompt tokens
    ");
    let found = text_messages(&[
        prompted(0, &[2, 1, 4, TEXT]),
        prompted(1, &[1, 1, 4, TEXT]),
        prompted(1, &[2, 3, 4, TEXT]),
        prompted(1, &[2, 1, 7, TEXT]),
    ]);
    insta::assert_snapshot!(found, @r"
    prompt tokens for layer 0 of the text tower
      help: what enters the text tower are the contexts of `encode_contexts`
    prompt tokens of the shape [1, 1, 4, 192] for layer 1 of the text tower
      expected: the shape [2, 1 or 2, tokens, 192]
    prompt tokens of the shape [2, 3, 4, 192] for layer 1 of the text tower
      expected: the shape [2, 1 or 2, tokens, 192]
    7 prompt tokens before layer 1 reach the end token of prompt 0
      expected: at most 6, since the prompt has 8 tokens with start and end
    ");
}

#[test]
fn a_residual_network_takes_changes_of_text_only() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity/clip_rn.safetensors");
    let clip = Clip::load_assuming(&file, Some(Assumption::OpenAi), Device::Cpu, Kind::Float).unwrap();
    let classes = nemesis_core::backbone::ClassPrompts { tokens: Vec::new(), name_lengths: Vec::new() };
    let services = services(&clip, &classes, Recompute::Never);
    let pixels = zeros(&[1, 3, 64, 64]);
    let changes = prompted(0, &[1, 2, 64]);
    insta::assert_snapshot!(services.encode_images(&pixels, &changes, false).unwrap_err(), @r"
    the image tower is a residual network, which takes neither prompt tokens nor deltas on weights
      help: use a backbone with a vision transformer, such as ViT-B/16
    ");
    assert_eq!(services.encode_images(&pixels, &Changes::default(), false).unwrap().global.size(), [1, 48]);
    assert_eq!(services.sizes().image_layers, 0);
}
