//! What a step may rely on: the frozen twin, the same draws again, cuts within a budget, and true gradients.

use crate::model::{IMAGE, PATCHES, SIDE, TEXT, clip, error, mixed, noise, prompts, services};
use nemesis_core::backbone::clip::TextPath;
use nemesis_core::backbone::{Backbone, Change};
use nemesis_core::method::towers::{Changes, Dropout, LayerPrompt, LowRank, Replacement, Towers};
use nemesis_core::method::{ClassPosition, Host, Needs};
use nemesis_core::train::{Recompute, Services};
use tch::{Kind, Tensor, no_grad};

const NAMES: [&str; 4] = ["tabby cat", "tabby dog", "school bus", "warplane"];

fn pixels(images: i64) -> Tensor {
    noise("pixels", &[images, 3, SIDE, SIDE], 1.0, 0.0).to_kind(Kind::Double)
}

fn leaf(name: &str, shape: &[i64], scale: f64, offset: f64) -> Tensor {
    noise(name, shape, scale, offset).to_kind(Kind::Double).set_requires_grad(true)
}

/// A change of every kind in one tower, and its tensors.
fn everything(tower: &str, width: i64, prompts: Vec<LayerPrompt>, index: u64) -> (Changes, Vec<Tensor>) {
    let low_rank = [("q", width, width), ("k", width, width), ("c_fc", width, 4 * width), ("c_proj", 4 * width, width)];
    let low_rank = low_rank.map(|(map, from, to)| LowRank {
        name: format!("{tower}.1.{map}"),
        down: leaf(&format!("{map} down"), &[2, from], (from as f64).powf(-0.5), 0.0),
        up: leaf(&format!("{map} up"), &[to, 2], 0.5, 0.0),
        scale: 0.5,
        dropout: (map != "k").then_some(Dropout { probability: 0.25, index, mask: None }),
    });
    let replaced = ["2.ln_2.weight", "0.v.bias"]
        .map(|name| Replacement { name: format!("{tower}.{name}"), tensor: leaf(name, &[width], 0.2, 1.0) });
    let changes = Changes { prompts, low_rank: low_rank.into(), replaced: replaced.into(), ..Changes::default() };
    let prompts = changes.prompts.iter().map(|prompt| &prompt.tokens);
    let low_rank = changes.low_rank.iter().flat_map(|delta| [&delta.down, &delta.up]);
    let replaced = changes.replaced.iter().map(|replacement| &replacement.tensor);
    let tensors = prompts.chain(low_rank).chain(replaced).map(Tensor::shallow_clone).collect();
    (changes, tensors)
}

fn image_changes(index: u64) -> (Changes, Vec<Tensor>) {
    let prompt = |layer, images| LayerPrompt {
        layer,
        tokens: leaf(&format!("image prompt {layer}"), &[images, 2, IMAGE], 0.5, 0.0),
    };
    everything("image", IMAGE, vec![prompt(0, 1), prompt(2, 5)], index)
}

fn text_changes(index: u64) -> (Changes, Vec<Tensor>) {
    let tokens = leaf("text prompt", &[1, 4, 2, TEXT], 0.5, 0.0);
    everything("text", TEXT, vec![LayerPrompt { layer: 2, tokens }], index)
}

/// A loss that couples both towers, features of patches included, and what it depends on.
fn loss(towers: &dyn Towers, index: u64) -> (Tensor, Vec<Tensor>) {
    let (image, mut tensors) = image_changes(index);
    let (text, others) = text_changes(index);
    let contexts = leaf("contexts", &[1, 1, 3, TEXT], 0.3, 0.0);
    let images = towers.encode_images(&pixels(5), &image, true).unwrap();
    let text = towers.encode_contexts(&contexts, ClassPosition::End, &text).unwrap().squeeze_dim(0);
    tensors.extend(others);
    tensors.push(contexts);
    let loss = images.global.matmul(&text.tr()).tanh().sum(Kind::Double)
        + images.patches.unwrap().matmul(&text.tr()).tanh().sum(Kind::Double) * 0.1;
    (loss, tensors)
}

#[test]
fn a_budget_changes_nothing_but_memory() {
    let clip = clip(Kind::Double, TextPath::Shared);
    let classes = prompts(&clip, &NAMES, 3);
    let results = |recompute| {
        let services = services(&clip, &classes, recompute);
        let (loss, tensors) = loss(&services, 1);
        let gradients = services.gradients(&loss, &tensors.iter().collect::<Vec<_>>()).unwrap();
        services.backward(&loss).unwrap();
        for (tensor, gradient) in tensors.iter().zip(&gradients) {
            assert!(error(&tensor.grad(), gradient) < 1e-12);
        }
        services.end_step();
        (loss.detach(), gradients)
    };
    let expected = results(Recompute::Never);
    for recompute in [Recompute::Chunks(1), Recompute::Chunks(3), Recompute::Within(40_000), Recompute::Within(0)] {
        let found = results(recompute);
        assert!(error(&found.0, &expected.0) < 1e-12, "{recompute:?}");
        for (number, (found, expected)) in found.1.iter().zip(&expected.1).enumerate() {
            assert!(error(found, expected) < 1e-11, "{recompute:?}: gradient {number}: {}", error(found, expected));
        }
    }
}

/// What enters the image tower is made of what left the text tower, so that one cut lies behind another.
#[test]
fn cuts_may_follow_each_other() {
    let clip = clip(Kind::Double, TextPath::Shared);
    let classes = prompts(&clip, &NAMES, 3);
    let gradient = |recompute| {
        let services = services(&clip, &classes, recompute);
        let (changes, _) = text_changes(1);
        let contexts = leaf("contexts", &[1, 1, 3, TEXT], 0.3, 0.0);
        let text = Towers::encode_contexts(&services, &contexts, ClassPosition::End, &changes).unwrap();
        let map = noise("map", &[40, IMAGE], 0.3, 0.0).to_kind(Kind::Double);
        let prompts = vec![LayerPrompt { layer: 0, tokens: text.matmul(&map) }];
        let changes = Changes { prompts, ..Changes::default() };
        let features = services.encode_images(&pixels(3), &changes, false).unwrap().global;
        services.gradients(&features.tanh().sum(Kind::Double), &[&contexts]).unwrap().remove(0)
    };
    let expected = gradient(Recompute::Never);
    assert!(expected.abs().max().double_value(&[]) > 1e-6);
    assert!(error(&gradient(Recompute::Chunks(2)), &expected) < 1e-11);
}

#[test]
fn a_graph_is_cut_when_it_takes_more_than_the_budget() {
    let clip = clip(Kind::Double, TextPath::Shared);
    let classes = prompts(&clip, &NAMES, 3);
    let (changes, _) = image_changes(1);
    let needed = clip.towers().unwrap().images_bytes(5, Change { changes: &changes, seed: 7 });
    for (budget, is_cut) in [(needed, false), (needed - 1, true)] {
        let services = services(&clip, &classes, Recompute::Within(budget));
        let features = services.encode_images(&pixels(5), &changes, false).unwrap().global;
        assert_eq!(features.is_leaf(), is_cut);
        // Without a gradient there is no graph.
        let features = no_grad(|| services.encode_images(&pixels(5), &changes, false)).unwrap().global;
        assert!(!features.requires_grad());
        // What the first graph took is gone for the second.
        let features = services.encode_images(&pixels(5), &changes, false).unwrap().global;
        assert!(features.is_leaf());
        services.end_step();
    }
}

#[test]
fn the_frozen_model_stays_what_it_is() {
    let clip = clip(Kind::Float, TextPath::Shared);
    let classes = prompts(&clip, &NAMES, 3);
    let services = services(&clip, &classes, Recompute::Never);
    let pixels = pixels(2).to_kind(Kind::Float);
    let contexts = noise("contexts", &[1, 1, 3, TEXT], 0.3, 0.0);
    let strings = ["a photo of a dog.".to_owned()];
    let frozen = || {
        [
            clip.encode_images(&pixels).unwrap(),
            clip.encode_strings(&strings).unwrap(),
            clip.encode_contexts(&classes, &contexts, ClassPosition::End).unwrap(),
        ]
    };
    let twin = || {
        let none = Changes::default();
        let patches = services.encode_images(&pixels, &none, true).unwrap();
        assert_eq!(patches.patches.unwrap().size(), [2, PATCHES, 40]);
        [
            services.encode_images(&pixels, &none, false).unwrap().global,
            Towers::encode_strings(&services, &strings, &none).unwrap(),
            Towers::encode_contexts(&services, &contexts, ClassPosition::End, &none).unwrap(),
        ]
    };
    let before = frozen();
    let (changes, _) = everything("image", IMAGE, Vec::new(), 1);
    let features = services.encode_images(&pixels, &changes, false).unwrap().global;
    assert!(error(&features, &before[0]) > 1e-3);
    services.gradients(&features.sum(Kind::Float), &[&changes.low_rank[0].down]).unwrap();
    for after in [frozen(), twin()] {
        assert!(before.iter().zip(&after).all(|(before, after)| before.equal(after)));
        assert!(after.iter().all(|features| !features.requires_grad()));
    }
}

#[test]
fn dropout_is_drawn_for_each_index_and_map() {
    let clip = clip(Kind::Double, TextPath::Shared);
    let classes = prompts(&clip, &NAMES, 3);
    let services = services(&clip, &classes, Recompute::Never);
    let features = |index| {
        let (changes, _) = image_changes(index);
        services.encode_images(&pixels(5), &changes, false).unwrap().global.detach()
    };
    assert!(features(1).equal(&features(1)));
    assert!(error(&features(2), &features(1)) > 1e-4);
    // On average the masks are one. The map's input is one everywhere, and its delta the mean of what is kept of it.
    let width = IMAGE as f64;
    let low_rank = vec![LowRank {
        name: "image.0.o".to_owned(),
        down: Tensor::ones([1, IMAGE], (Kind::Double, tch::Device::Cpu)) / width,
        up: Tensor::ones([IMAGE, 1], (Kind::Double, tch::Device::Cpu)),
        scale: 1.0,
        dropout: Some(Dropout { probability: 0.25, index: 0, mask: None }),
    }];
    let drawn = Changes { low_rank, ..Changes::default() };
    let mut plain = Changes { low_rank: Vec::new(), ..Changes::default() };
    plain.low_rank.push(LowRank {
        name: "image.0.o".to_owned(),
        down: drawn.low_rank[0].down.shallow_clone(),
        up: drawn.low_rank[0].up.shallow_clone(),
        scale: 1.0,
        dropout: None,
    });
    let [drawn, plain] =
        [drawn, plain].map(|changes| services.encode_images(&pixels(5), &changes, false).unwrap().global);
    assert!(error(&drawn, &plain) < 0.5);
}

/// Central differences in the steepest direction of each tensor.
#[test]
fn gradients_are_those_of_finite_differences() {
    let clip = clip(Kind::Double, TextPath::Shared);
    let classes = prompts(&clip, &NAMES, 3);
    let services = services(&clip, &classes, Recompute::Chunks(2));
    let (value, tensors) = loss(&services, 1);
    let gradients = services.gradients(&value, &tensors.iter().collect::<Vec<_>>()).unwrap();
    services.end_step();
    let (image, mut moved) = image_changes(1);
    let (text, others) = text_changes(1);
    moved.extend(others);
    let contexts = leaf("contexts", &[1, 1, 3, TEXT], 0.3, 0.0);
    moved.push(contexts.shallow_clone());
    let value = || {
        let images = services.encode_images(&pixels(5), &image, true).unwrap();
        let text = Towers::encode_contexts(&services, &contexts, ClassPosition::End, &text).unwrap().squeeze_dim(0);
        let loss = images.global.matmul(&text.tr()).tanh().sum(Kind::Double)
            + images.patches.unwrap().matmul(&text.tr()).tanh().sum(Kind::Double) * 0.1;
        loss.double_value(&[])
    };
    for (number, (tensor, gradient)) in moved.iter().zip(&gradients).enumerate() {
        let norm = gradient.norm().double_value(&[]);
        assert!(norm > 1e-6, "tensor {number} has no gradient");
        let step = 1e-5;
        let slope = no_grad(|| {
            let mut tensor = tensor.shallow_clone();
            let direction = gradient / norm;
            tensor += &direction * step;
            let above = value();
            tensor -= &direction * (2.0 * step);
            let below = value();
            tensor += &direction * step;
            (above - below) / (2.0 * step)
        });
        assert!((slope - norm).abs() < 1e-5 * norm, "tensor {number}: {slope} and {norm}");
    }
}

/// Half types round to 8 or 11 bits in every operation. Mixed precision computes what gets a gradient in one of them.
#[test]
fn half_types_and_mixed_precision_stay_close() {
    let single = clip(Kind::Float, TextPath::Shared);
    let classes = prompts(&single, &NAMES, 3);
    let results = |services: &Services<'_>| {
        let (image, mut tensors) = image_changes(1);
        let (text, others) = text_changes(1);
        tensors.extend(others);
        let contexts = leaf("contexts", &[1, 1, 3, TEXT], 0.3, 0.0);
        let images = services.encode_images(&pixels(5), &image, false).unwrap().global;
        let text = Towers::encode_contexts(services, &contexts, ClassPosition::End, &text).unwrap();
        let loss = (&images.square().mean(Kind::Float) + text.square().mean(Kind::Float)) * 100.0;
        let gradients = services.gradients(&loss, &tensors.iter().collect::<Vec<_>>()).unwrap();
        let kind = images.kind();
        let features = [images.detach(), text.detach()].into_iter();
        (features.chain(gradients).map(|x| x.to_kind(Kind::Double)).collect::<Vec<_>>(), kind)
    };
    let (expected, _) = results(&services(&single, &classes, Recompute::Never));
    let check = |(found, kind): (Vec<Tensor>, Kind), expected_kind, tolerance: f64| {
        assert_eq!(kind, expected_kind);
        for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = ((found - expected).norm() / expected.norm()).double_value(&[]);
            assert!(error < tolerance, "{kind:?}: result {number} differs by {error}");
        }
    };
    for (kind, tolerance) in [(Kind::Half, 0.02), (Kind::BFloat16, 0.15)] {
        let clip = clip(kind, TextPath::Shared);
        check(results(&services(&clip, &classes, Recompute::Never)), kind, tolerance);
    }
    let mixed = mixed();
    for recompute in [Recompute::Never, Recompute::Chunks(2)] {
        let services = services(&single, &classes, recompute).with_mixed(Some(&mixed));
        check(results(&services), Kind::Float, 0.02);
        let (changes, _) = image_changes(1);
        let evaluated = no_grad(|| services.encode_images(&pixels(5), &changes, false)).unwrap().global;
        assert!(error(&evaluated.to_kind(Kind::Double), &expected[0]) < 1e-6);
    }
}

#[test]
fn a_method_that_does_not_ask_has_no_towers() {
    let clip = clip(Kind::Float, TextPath::Shared);
    let classes = prompts(&clip, &NAMES, 3);
    let services = services(&clip, &classes, Recompute::Never);
    assert_eq!(services.towers().unwrap().sizes().image_tokens, 1 + PATCHES);
    let services =
        Services::new(&clip, &classes, 7, Recompute::Never, &crate::model::NEVER).with_towers(Needs::FEATURES);
    assert!(services.towers().is_none());
}
