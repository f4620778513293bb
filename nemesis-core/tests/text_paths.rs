//! All ways through the text tower give the same features and gradients.

use nemesis_core::backbone::clip::{Clip, TextPath};
use nemesis_core::backbone::{Assumption, Backbone};
use nemesis_core::method::{ClassPosition, Host};
use nemesis_core::train::{Recompute, Services};
use proptest::prelude::*;
use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;
use tch::{Device, Kind, Tensor};

const WIDTH: i64 = 128;
const LAYERS: usize = 2;

/// The checkpoint of a CLIP of random weights with two heads, whose image tower is as small as can be.
///
/// It is written once: libtorch's generator is shared by tests that run side by side.
static CHECKPOINT: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    // Tests run side by side already.
    tch::set_num_threads(1);
    let random = |shape: &[i64], scale: f64| Tensor::randn(shape, (Kind::Float, Device::Cpu)) * scale;
    let mut weights = vec![
        ("token_embedding.weight".to_owned(), random(&[49408, WIDTH], 0.3)),
        ("positional_embedding".to_owned(), random(&[77, WIDTH], 0.1)),
        ("text_projection".to_owned(), random(&[WIDTH, 32], 0.1)),
        ("logit_scale".to_owned(), Tensor::from(3.0_f32)),
        ("visual.conv1.weight".to_owned(), random(&[64, 3, 8, 8], 0.1)),
        ("visual.class_embedding".to_owned(), random(&[64], 0.1)),
        ("visual.positional_embedding".to_owned(), random(&[2, 64], 0.1)),
        ("visual.proj".to_owned(), random(&[64, 32], 0.1)),
    ];
    let mut norm = |name: &str, width| {
        weights.push((format!("{name}.weight"), random(&[width], 0.2) + 1.0));
        weights.push((format!("{name}.bias"), random(&[width], 0.2)));
    };
    norm("ln_final", WIDTH);
    norm("visual.ln_pre", 64);
    norm("visual.ln_post", 64);
    let blocks = (0..LAYERS).map(|layer| (format!("transformer.resblocks.{layer}"), WIDTH));
    for (name, width) in blocks.chain([("visual.transformer.resblocks.0".to_owned(), 64)]) {
        norm(&format!("{name}.ln_1"), width);
        norm(&format!("{name}.ln_2"), width);
    }
    let blocks = (0..LAYERS).map(|layer| (format!("transformer.resblocks.{layer}"), WIDTH));
    for (name, width) in blocks.chain([("visual.transformer.resblocks.0".to_owned(), 64)]) {
        let mut linear = |weight: &str, bias: &str, from: i64, to: i64| {
            weights.push((format!("{name}.{weight}"), random(&[to, from], 1.5 / (from as f64).sqrt())));
            weights.push((format!("{name}.{bias}"), random(&[to], 0.2)));
        };
        linear("attn.in_proj_weight", "attn.in_proj_bias", width, 3 * width);
        linear("attn.out_proj.weight", "attn.out_proj.bias", width, width);
        linear("mlp.c_fc.weight", "mlp.c_fc.bias", width, 4 * width);
        linear("mlp.c_proj.weight", "mlp.c_proj.bias", 4 * width, width);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.safetensors");
    Tensor::write_safetensors(&weights, &path).unwrap();
    (folder, path)
});

/// The random CLIP, once for each way through its text tower.
fn random_clip(kind: Kind) -> [Clip; 3] {
    [TextPath::Plain, TextPath::Cut, TextPath::Shared].map(|text_path| {
        Clip::load_assuming(&CHECKPOINT.1, Some(Assumption::OpenAi), Device::Cpu, kind)
            .unwrap()
            .with_text_path(text_path)
    })
}

/// Types, and how far features and gradients of two ways may lie apart in them: half types round to 8 or 11 bits in
/// every operation, and the gradient passes through all of them twice.
const TOLERANCES: [(Kind, f64); 3] = [(Kind::Double, 1e-10), (Kind::Half, 0.02), (Kind::BFloat16, 0.15)];

thread_local! {
    static CLIPS: OnceCell<[[Clip; 3]; 3]> = const { OnceCell::new() };
}

/// Features, and the gradient in the contexts of a random combination of them.
fn features_and_gradient(clip: &Clip, names: &[String], contexts: &Tensor, position: ClassPosition) -> [Tensor; 2] {
    let classes = clip.class_prompts(names, contexts.size()[2] as usize).unwrap();
    let contexts = contexts.detach().set_requires_grad(true);
    let features = clip.encode_contexts(&classes, &contexts, position).unwrap();
    let weights = Tensor::linspace(-1.0, 1.0, features.numel() as i64, (features.kind(), Device::Cpu));
    (&features * weights.view_as(&features)).sum(None::<Kind>).backward();
    let gradient = contexts.grad();
    [features.detach(), gradient]
}

fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    let largest = expected.abs().max().double_value(&[]);
    ((found - expected).abs().max() / (largest + f64::MIN_POSITIVE)).double_value(&[])
}

fn class_names() -> impl Strategy<Value = Vec<String>> {
    let word = prop::sample::select(vec![
        "great",
        "white",
        "shark",
        "hot air",
        "balloon",
        "2012",
        "DHC-8-100",
        "crème_brûlée",
    ]);
    let name = prop::collection::vec(word, 0..5).prop_map(|words| words.join(" "));
    prop::collection::vec(name, 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn features_and_gradients_are_equal(
        names in class_names(),
        copies in 1..3_i64,
        vectors in 1..18_i64,
        class_specific: bool,
        position in prop::sample::select(vec![ClassPosition::End, ClassPosition::Middle, ClassPosition::Front]),
        kind in 0..TOLERANCES.len(),
    ) {
        CLIPS.with(|clips| {
            let [plain, cut, shared] = &clips.get_or_init(|| TOLERANCES.map(|(kind, _)| random_clip(kind)))[kind];
            let (kind, tolerance) = TOLERANCES[kind];
            let sets = if class_specific { names.len() as i64 } else { 1 };
            let contexts = Tensor::randn([copies, sets, vectors, WIDTH], (kind, Device::Cpu)) * 0.3;
            let expected = features_and_gradient(plain, &names, &contexts, position);
            for clip in [cut, shared] {
                let found = features_and_gradient(clip, &names, &contexts, position);
                for (found, expected) in found.iter().zip(&expected) {
                    prop_assert_eq!(found.size(), expected.size());
                    prop_assert_eq!(found.kind(), kind);
                    let error = relative_error(found, expected);
                    prop_assert!(error < tolerance, "{kind:?}: {error}");
                }
            }
            Ok(())
        })?;
    }
}

#[test]
fn more_rows_than_a_batch_holds_are_put_together() {
    let [plain, cut, shared] = random_clip(Kind::Float);
    let names: Vec<String> = (0..200).map(|number| format!("number {number}")).collect();
    let contexts = Tensor::randn([2, 1, 16, WIDTH], (Kind::Float, Device::Cpu)) * 0.3;
    let expected = features_and_gradient(&plain, &names, &contexts, ClassPosition::End);
    for clip in [cut, shared] {
        let [features, gradient] = features_and_gradient(&clip, &names, &contexts, ClassPosition::End);
        assert!(relative_error(&features, &expected[0]) < 1e-5);
        assert!(relative_error(&gradient, &expected[1]) < 1e-5);
    }
}

/// A budget of memory cuts the graph, and what is computed stays the same.
#[test]
fn a_budget_changes_nothing_but_memory() {
    let [_, _, clip] = random_clip(Kind::Double);
    let names: Vec<String> = (0..30).map(|number| format!("number {number}")).collect();
    let classes = clip.class_prompts(&names, 4).unwrap();
    let cancelled = AtomicBool::new(false);
    let contexts = Tensor::randn([1, 1, 4, WIDTH], (Kind::Double, Device::Cpu)) * 0.3;
    let needed = clip.graph_bytes(&classes, &contexts, ClassPosition::End);
    let learned = |recompute| {
        let contexts = contexts.detach().set_requires_grad(true);
        let services = Services::new(&clip, &classes, 1, recompute, &cancelled);
        let features = services.encode_contexts(&contexts, ClassPosition::End).unwrap();
        let is_cut = features.is_leaf();
        services.backward(&features.square().sum(None::<Kind>)).unwrap();
        (features.detach(), contexts.grad(), is_cut)
    };
    let expected = learned(Recompute::Never);
    assert!(!expected.2);
    for (budget, is_cut) in [(needed, false), (needed / 3, true), (0, true)] {
        let found = learned(Recompute::Within(budget));
        assert_eq!(found.2, is_cut, "{budget} of {needed} bytes");
        assert!(relative_error(&found.0, &expected.0) < 1e-12);
        assert!(relative_error(&found.1, &expected.1) < 1e-12);
    }
}

#[test]
fn strings_are_encoded_alike() {
    let clips = random_clip(Kind::Double);
    let prompts: Vec<String> = (0..200)
        .map(|number| format!("a photo of a {} {number}.", ["dog", "cat", "<|endoftext|>"][number % 3]))
        .collect();
    let [plain, cut, shared] = clips.map(|clip| clip.encode_strings(&prompts).unwrap());
    assert!(relative_error(&cut, &plain) < 1e-10);
    assert!(relative_error(&shared, &plain) < 1e-10);
}
