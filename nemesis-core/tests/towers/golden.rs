//! Against plain PyTorch: `fixtures/towers/make_towers.py` computes the same.

use crate::model::{EMBED, IMAGE, PATCHES, SIDE, TEXT, bits, clip, error, noise, prompts, services};
use nemesis_core::backbone::Checkpoint;
use nemesis_core::backbone::clip::TextPath;
use nemesis_core::method::towers::{self, Changes, Dropout, LayerPrompt, LowRank, Replacement, Towers};
use nemesis_core::method::{ClassPosition, Host};
use nemesis_core::train::Recompute;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use tch::{Kind, Tensor};

const NAMES: [&str; 5] = ["great white shark", "forest", "forest leopard", "highway or road", "shih tzu"];
const MAPS: [&str; 6] = ["q", "k", "v", "o", "c_fc", "c_proj"];

/// Every way that must give the same: the text's, and with or without cuts.
const WAYS: [(TextPath, Recompute); 5] = [
    (TextPath::Plain, Recompute::Never),
    (TextPath::Cut, Recompute::Never),
    (TextPath::Shared, Recompute::Never),
    (TextPath::Shared, Recompute::Chunks(2)),
    (TextPath::Plain, Recompute::Chunks(1)),
];

static PIXELS: LazyLock<Vec<f32>> =
    LazyLock::new(|| Vec::try_from(noise("pixels", &[3, 3, SIDE, SIDE], 1.0, 0.0).flatten(0, -1)).unwrap());

fn pixels() -> Tensor {
    Tensor::from_slice(&PIXELS).view([3, 3, SIDE, SIDE])
}

/// What a case learns.
#[derive(Default)]
struct Leaves(RefCell<Vec<(String, Tensor)>>);

impl Leaves {
    fn learn(&self, name: &str, shape: &[i64], scale: f64, offset: f64) -> Tensor {
        let leaf = noise(name, shape, scale, offset).set_requires_grad(true);
        self.0.borrow_mut().push((name.to_owned(), leaf.shallow_clone()));
        leaf
    }

    fn prompt(&self, case: &str, layer: usize, shape: &[i64]) -> LayerPrompt {
        LayerPrompt { layer, tokens: self.learn(&format!("{case}.{layer}"), shape, 0.5, 0.0) }
    }
}

/// Runs a case in all ways and compares features and gradients.
fn check(case: &str, vectors: usize, run: impl Fn(&dyn Towers, &Leaves) -> Vec<(&'static str, Tensor)>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/towers/towers.safetensors");
    let golden: BTreeMap<String, Tensor> = Checkpoint::read(&file).unwrap().tensors.into_iter().collect();
    for (path, recompute) in WAYS {
        let clip = clip(Kind::Float, path);
        let classes = prompts(&clip, &NAMES, vectors);
        let services = services(&clip, &classes, recompute);
        let leaves = Leaves::default();
        let features = run(towers::of(&services).unwrap(), &leaves);
        let mut loss = Tensor::from(0.0_f32);
        for (name, features) in &features {
            let found = error(features, &golden[&format!("{case}.{name}")]);
            assert!(found < 1e-5, "{case}, {path:?}, {recompute:?}: {name} differ by {found}");
            let weights = noise(&format!("{case}.{name}.weights"), &features.size(), 1.0, 0.0);
            loss += (features * weights).sum(None::<Kind>);
        }
        let leaves = leaves.0.into_inner();
        let inputs: Vec<&Tensor> = leaves.iter().map(|(_, leaf)| leaf).collect();
        for ((name, _), gradient) in leaves.iter().zip(services.gradients(&loss, &inputs).unwrap()) {
            let gradient = if gradient.numel() > 2048 {
                let length = *gradient.size().last().unwrap();
                gradient.matmul(&noise(&format!("{name}.vector"), &[length], 1.0, 0.0))
            } else {
                gradient
            };
            let expected = &golden[&format!("{case}.gradient.{name}")];
            // Attention does not see a constant that is added to all keys.
            if name.ends_with(".k.bias") {
                assert!([&gradient, expected].iter().all(|gradient| gradient.abs().max().double_value(&[]) < 1e-4));
                continue;
            }
            let found = error(&gradient, expected);
            assert!(found < 1e-4, "{case}, {path:?}, {recompute:?}: the gradient in {name} differs by {found}");
        }
    }
}

#[test]
fn prompts_in_every_layer() {
    check("deep", 3, |towers, leaves| {
        let prompts = vec![
            leaves.prompt("deep.image", 0, &[1, 2, IMAGE]),
            leaves.prompt("deep.image", 1, &[1, 2, IMAGE]),
            leaves.prompt("deep.image", 2, &[3, 2, IMAGE]),
        ];
        let changes = Changes { prompts, ..Changes::default() };
        let images = towers.encode_images(&pixels(), &changes, true).unwrap();
        let patches = images.patches.unwrap();
        assert_eq!(patches.size(), [3, PATCHES, EMBED]);
        let alone = towers.encode_images(&pixels(), &changes, false).unwrap();
        assert!(error(&alone.global, &images.global) < 1e-6 && alone.patches.is_none());

        let contexts = leaves.learn("deep.contexts", &[2, 1, 3, TEXT], 0.3, 0.0);
        let prompts =
            vec![leaves.prompt("deep.text", 1, &[2, 1, 3, TEXT]), leaves.prompt("deep.text", 2, &[2, 1, 2, TEXT])];
        let changes = Changes { prompts, ..Changes::default() };
        let text = towers.encode_contexts(&contexts, ClassPosition::End, &changes).unwrap();
        vec![("images", Tensor::cat(&[images.global.unsqueeze(1), patches], 1)), ("text", text)]
    });
}

#[test]
fn prompts_of_each_class() {
    check("tcp", 4, |towers, leaves| {
        let contexts = leaves.learn("tcp.contexts", &[1, 1, 4, TEXT], 0.3, 0.0);
        let prompts =
            vec![leaves.prompt("tcp.text", 1, &[1, 1, 2, TEXT]), leaves.prompt("tcp.text", 2, &[1, 5, 4, TEXT])];
        let changes = Changes { prompts, ..Changes::default() };
        let text = towers.encode_contexts(&contexts, ClassPosition::End, &changes).unwrap();
        let prompts =
            vec![leaves.prompt("tcp.strings", 1, &[1, 1, 4, TEXT]), leaves.prompt("tcp.strings", 2, &[1, 5, 4, TEXT])];
        let changes = Changes { prompts, ..Changes::default() };
        vec![("text", text), ("strings", towers.encode_strings(&photos(), &changes).unwrap())]
    });
}

fn photos() -> Vec<String> {
    NAMES.iter().map(|name| format!("a photo of a {name}.")).collect()
}

/// Low-rank deltas on every map of some layers of one tower, with masks `[sequences, tokens, …]` or without.
fn low_rank(leaves: &Leaves, case: &str, tower: &str, layers: &[usize], masks: Option<[i64; 2]>) -> Changes {
    let width = if tower == "image" { IMAGE } else { TEXT };
    let mut changes = Changes::default();
    for layer in layers {
        for map in MAPS {
            let name = format!("{tower}.{layer}.{map}");
            let [from, to] = ["c_proj", "c_fc"].map(|wide| if map == wide { 4 * width } else { width });
            let mask = |[sequences, tokens]: [i64; 2]| {
                let bits = bits(&format!("{case}.{name}.mask")).take((sequences * tokens * from) as usize);
                let kept: Vec<f32> = bits.map(|bits| if bits >= 1 << 30 { 1.0 / 0.75 } else { 0.0 }).collect();
                Dropout {
                    probability: 0.25,
                    index: 0,
                    mask: Some(Tensor::from_slice(&kept).view([sequences, tokens, from])),
                }
            };
            changes.low_rank.push(LowRank {
                down: leaves.learn(&format!("{case}.{name}.down"), &[2, from], 1.0 / (from as f64).sqrt(), 0.0),
                up: leaves.learn(&format!("{case}.{name}.up"), &[to, 2], 0.5, 0.0),
                scale: 0.7,
                dropout: masks.map(mask),
                name,
            });
        }
    }
    changes
}

#[test]
fn low_rank_deltas_on_every_map() {
    check("lora", 4, |towers, leaves| {
        let image = low_rank(leaves, "lora", "image", &[0, 2], None);
        let text = low_rank(leaves, "lora", "text", &[0, 2], None);
        let images = towers.encode_images(&pixels(), &image, false).unwrap();
        vec![("images", images.global), ("strings", towers.encode_strings(&photos(), &text).unwrap())]
    });
}

#[test]
fn low_rank_deltas_with_masks() {
    check("masks", 4, |towers, leaves| {
        let image = low_rank(leaves, "masks", "image", &[1], Some([3, 1 + PATCHES]));
        let text = low_rank(leaves, "masks", "text", &[1], Some([5, 77]));
        let images = towers.encode_images(&pixels(), &image, false).unwrap();
        vec![("images", images.global), ("strings", towers.encode_strings(&photos(), &text).unwrap())]
    });
}

#[test]
fn trained_copies_of_weights() {
    let replaced = |leaves: &Leaves, tower: &str, width: i64, norms: &[&str]| {
        let mut changes = Changes::default();
        let mut learn = |name: String, shape: &[i64], scale, offset| {
            let tensor = leaves.learn(&format!("replaced.{name}"), shape, scale, offset);
            changes.replaced.push(Replacement { name, tensor });
        };
        for norm in norms.iter().chain(&["0.ln_1", "1.ln_2"]) {
            learn(format!("{tower}.{norm}.weight"), &[width], 0.2, 1.0);
            learn(format!("{tower}.{norm}.bias"), &[width], 0.2, 0.0);
        }
        for (layer, map) in MAPS.iter().enumerate() {
            let [to, from] = ["c_fc", "c_proj"].map(|wide| if *map == wide { 4 * width } else { width });
            learn(format!("{tower}.{}.{map}.bias", layer % 3), &[to], 0.2, 0.0);
            learn(format!("{tower}.{}.{map}.weight", (layer + 1) % 3), &[to, from], 1.5 / (from as f64).sqrt(), 0.0);
        }
        changes
    };
    check("replaced", 4, |towers, leaves| {
        let image = replaced(leaves, "image", IMAGE, &["ln_pre", "ln_post"]);
        let text = replaced(leaves, "text", TEXT, &["ln_final"]);
        let images = towers.encode_images(&pixels(), &image, false).unwrap();
        vec![("images", images.global), ("strings", towers.encode_strings(&photos(), &text).unwrap())]
    });
}
