//! All ways of prompts through the text tower with changes give the same features and gradients.

use crate::model::{TEXT, clip, error, noise, prompts, services};
use nemesis_core::backbone::clip::TextPath;
use nemesis_core::method::towers::{Changes, Dropout, LayerPrompt, LowRank, Towers};
use nemesis_core::method::{ClassPosition, Host};
use nemesis_core::train::Recompute;
use tch::{Kind, Tensor};

/// More classes than fit into a block of the tree.
const CLASSES: i64 = 30;

fn leaf(name: &str, shape: &[i64], scale: f64) -> Tensor {
    noise(name, shape, scale, 0.0).to_kind(Kind::Double).set_requires_grad(true)
}

fn prompt(layer: usize, shape: [i64; 4]) -> LayerPrompt {
    LayerPrompt { layer, tokens: leaf(&format!("prompt {layer}"), &shape, 0.5) }
}

fn low_rank(name: &str, from: i64, to: i64, probability: f64) -> LowRank {
    LowRank {
        name: name.to_owned(),
        down: leaf(&format!("{name} down"), &[3, from], (from as f64).powf(-0.5)),
        up: leaf(&format!("{name} up"), &[to, 3], 0.5),
        scale: 0.7,
        dropout: (probability > 0.0).then_some(Dropout { probability, index: 3, mask: None }),
    }
}

fn deep(prompts: Vec<LayerPrompt>) -> Changes {
    Changes { prompts, ..Changes::default() }
}

/// The tensors of changes.
fn tensors(changes: &Changes) -> Vec<&Tensor> {
    let prompts = changes.prompts.iter().map(|prompt| &prompt.tokens);
    let low_rank = changes.low_rank.iter().flat_map(|delta| [&delta.down, &delta.up]);
    prompts.chain(low_rank).collect()
}

/// Features and the gradients of a combination of them in everything that is learned.
fn compare(what: &str, contexts: &Tensor, changes: &Changes, encode: impl Fn(&dyn Towers) -> Tensor) {
    let names: Vec<String> = (0..CLASSES).map(|number| format!("number {number}")).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let results = |path, recompute| {
        let clip = clip(Kind::Double, path);
        let classes = prompts(&clip, &names, 4);
        let services = services(&clip, &classes, recompute);
        let features = encode(&services);
        let weights = noise("weights", &features.size(), 1.0, 0.0);
        let mut inputs = tensors(changes);
        inputs.push(contexts);
        let mut results = services.gradients(&(&features * weights).sum(None::<Kind>), &inputs).unwrap();
        results.push(features.detach());
        results
    };
    let expected = results(TextPath::Plain, Recompute::Never);
    for (path, recompute) in [
        (TextPath::Cut, Recompute::Never),
        (TextPath::Shared, Recompute::Never),
        (TextPath::Shared, Recompute::Chunks(7)),
    ] {
        for (number, (found, expected)) in results(path, recompute).iter().zip(&expected).enumerate() {
            let error = error(found, expected);
            assert!(error < 1e-10, "{what}, {path:?}, {recompute:?}: result {number} differs by {error}");
        }
    }
}

fn contexts(copies: i64, sets: i64) -> Tensor {
    leaf("contexts", &[copies, sets, 4, TEXT], 0.3)
}

#[test]
fn prompts_of_all_classes_or_of_each() {
    for (what, contexts, position, changes) in [
        ("all", contexts(2, 1), ClassPosition::End, deep(vec![prompt(1, [2, 1, 4, TEXT]), prompt(2, [2, 1, 2, TEXT])])),
        (
            "each, after shared layers",
            contexts(2, 1),
            ClassPosition::End,
            deep(vec![prompt(1, [2, 1, 3, TEXT]), prompt(2, [2, CLASSES, 4, TEXT])]),
        ),
        (
            "each, in each copy",
            contexts(1, CLASSES),
            ClassPosition::End,
            deep(vec![prompt(1, [1, CLASSES, 4, TEXT]), prompt(2, [1, 1, 3, TEXT])]),
        ),
        ("names first", contexts(1, 1), ClassPosition::Front, deep(vec![prompt(2, [1, 1, 2, TEXT])])),
    ] {
        compare(what, &contexts, &changes, |towers| towers.encode_contexts(&contexts, position, &changes).unwrap());
    }
}

#[test]
fn deltas_and_dropout() {
    for (what, probability) in [("deltas", 0.0), ("dropout", 0.3)] {
        let low_rank = vec![
            low_rank("text.0.q", TEXT, TEXT, 0.0),
            low_rank("text.1.v", TEXT, TEXT, probability),
            low_rank("text.2.k", TEXT, TEXT, probability),
            low_rank("text.2.v", TEXT, TEXT, 0.0),
            low_rank("text.2.o", TEXT, TEXT, probability),
            low_rank("text.2.c_proj", 4 * TEXT, TEXT, probability),
        ];
        let changes = Changes { low_rank, ..deep(vec![prompt(1, [2, 1, 2, TEXT])]) };
        let contexts = contexts(2, 1);
        compare(what, &contexts, &changes, |towers| {
            towers.encode_contexts(&contexts, ClassPosition::End, &changes).unwrap()
        });
    }
}

#[test]
fn whole_prompts_whose_words_are_replaced() {
    let strings: Vec<String> = (0..CLASSES).map(|number| format!("a photo of the number {number}.")).collect();
    let own = contexts(1, 1);
    for (what, sets) in [("all", 1), ("each", CLASSES)] {
        let changes = deep(vec![prompt(1, [1, 1, 5, TEXT]), prompt(2, [1, sets, 3, TEXT])]);
        compare(what, &own, &changes, |towers| {
            towers.encode_strings(&strings, &changes).unwrap() + own.sum(Kind::Double) * 0.0
        });
    }
}
