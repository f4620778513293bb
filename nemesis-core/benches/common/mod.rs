//! A CLIP of random weights in the sizes of ViT-B/32, or very small ones where benches are only tried out.

use nemesis_core::backbone::Assumption;
use nemesis_core::backbone::clip::Clip;
use tch::{Device, Kind, Tensor};

/// Whether every bench is only to be tried out: `cargo bench -- --test` and `cargo test --benches` say so.
pub(crate) fn is_trial() -> bool {
    let is_given = |flag: &str| std::env::args().any(|argument| argument == flag);
    is_given("--test") || !is_given("--bench")
}

/// So many class names of a few words.
pub(crate) fn class_names(count: usize) -> Vec<String> {
    const WORDS: [&str; 8] =
        ["tabby cat", "great white shark", "school bus", "warplane", "mushroom", "bike", "air", "hot"];
    (0..count).map(|number| format!("{} {}", WORDS[number % 8], WORDS[number / 8 % 8])).collect()
}

/// The model, with the same weights in every run.
pub(crate) fn random_clip() -> Clip {
    let (text, image, layers, patch) = if is_trial() { (128, 64, 2, 112) } else { (512, 768, 12, 32) };
    tch::manual_seed(3);
    let random = |shape: &[i64], scale: f64| Tensor::randn(shape, (Kind::Float, Device::Cpu)) * scale;
    let mut weights = vec![
        ("token_embedding.weight".to_owned(), random(&[49408, text], 0.02)),
        ("positional_embedding".to_owned(), random(&[77, text], 0.01)),
        ("text_projection".to_owned(), random(&[text, 512], 0.05)),
        ("logit_scale".to_owned(), Tensor::from(4.6_f32)),
        ("visual.conv1.weight".to_owned(), random(&[image, 3, patch, patch], 0.02)),
        ("visual.class_embedding".to_owned(), random(&[image], 0.04)),
        ("visual.positional_embedding".to_owned(), random(&[1 + (224 / patch).pow(2), image], 0.04)),
        ("visual.proj".to_owned(), random(&[image, 512], 0.04)),
    ];
    let mut norm = |name: &str, width| {
        weights.push((format!("{name}.weight"), Tensor::ones([width], (Kind::Float, Device::Cpu))));
        weights.push((format!("{name}.bias"), Tensor::zeros([width], (Kind::Float, Device::Cpu))));
    };
    norm("ln_final", text);
    norm("visual.ln_pre", image);
    norm("visual.ln_post", image);
    let blocks = |layer| {
        [(format!("transformer.resblocks.{layer}"), text), (format!("visual.transformer.resblocks.{layer}"), image)]
    };
    for (name, width) in (0..layers).flat_map(blocks) {
        norm(&format!("{name}.ln_1"), width);
        norm(&format!("{name}.ln_2"), width);
    }
    for (name, width) in (0..layers).flat_map(blocks) {
        let mut linear = |weight: &str, bias: &str, from: i64, to: i64| {
            weights.push((format!("{name}.{weight}"), random(&[to, from], (from as f64).powf(-0.5))));
            weights.push((format!("{name}.{bias}"), Tensor::zeros([to], (Kind::Float, Device::Cpu))));
        };
        linear("attn.in_proj_weight", "attn.in_proj_bias", width, 3 * width);
        linear("attn.out_proj.weight", "attn.out_proj.bias", width, width);
        linear("mlp.c_fc.weight", "mlp.c_fc.bias", width, 4 * width);
        linear("mlp.c_proj.weight", "mlp.c_proj.bias", 4 * width, width);
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("clip.safetensors");
    Tensor::write_safetensors(&weights, &path).expect("the folder can be written");
    Clip::load_assuming(&path, Some(Assumption::OpenAi), Device::Cpu, Kind::Float)
        .expect("these are the weights of a CLIP")
}
