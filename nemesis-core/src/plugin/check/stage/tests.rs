//! Each service that features come from, old and new: its gradients are those that finite differences show, whether the
//! host keeps the graph or cuts it.

use super::super::gradients::direction;
use super::*;
use crate::method::towers::{Changes, Dropout, LayerPrompt, LowRank, Replacement, of};
use crate::method::{ClassPosition, Host, Result};
use tch::no_grad;

/// Compares the gradients of the sum of squared features in all `inputs` with differences along some directions.
fn check(inputs: &[Tensor], features: impl Fn(&dyn Host, &[Tensor]) -> Result<Tensor>) {
    let stage = Stage::new(4, Kind::Double);
    let mut kept: Option<Vec<Tensor>> = None;
    for recompute in [Recompute::Never, Recompute::Chunks(2)] {
        let services = stage.services(3, recompute);
        let loss =
            |inputs: &[Tensor]| Ok::<_, crate::method::Error>(features(&services, inputs)?.square().sum(None::<Kind>));
        let leaves: Vec<_> = inputs.iter().map(|input| input.copy().set_requires_grad(true)).collect();
        let gradients = services.gradients(&loss(&leaves).unwrap(), &leaves.iter().collect::<Vec<_>>()).unwrap();
        services.end_step();
        for (at, gradient) in gradients.iter().enumerate() {
            for index in 0..2 {
                let direction = direction(&inputs[at], index);
                let along = |distance: f64| {
                    let moved = inputs.iter().enumerate();
                    let moved: Vec<_> = moved
                        .map(|(i, input)| if i == at { input + &direction * distance } else { input.shallow_clone() })
                        .collect();
                    f64::try_from(no_grad(|| loss(&moved)).unwrap()).unwrap()
                };
                let numeric = (along(1e-5) - along(-1e-5)) / 2e-5;
                let exact = f64::try_from((gradient * &direction).sum(Kind::Double)).unwrap();
                assert!(exact != 0.0, "input {at} has no gradient");
                assert!((numeric - exact).abs() < 1e-6 * exact.abs().max(1e-2), "input {at}: {numeric} {exact}");
            }
        }
        if let Some(kept) = &kept {
            let same = kept.iter().zip(&gradients).all(|(one, two)| one.allclose(two, 1e-10, 1e-10, false));
            assert!(same, "the gradients differ where the graph is cut");
        }
        kept = Some(gradients);
    }
}

fn numbers(index: u64, shape: &[i64]) -> Tensor {
    ToyTower { kind: Kind::Double, seed: 1 }.numbers("input", index, shape) * 0.5
}

/// Changes of each kind in one tower: deltas with and without dropout, and a replaced weight, from the last inputs.
fn changes(tower: &str, inputs: &[Tensor]) -> Changes {
    let delta = |part: &str, at: usize, dropout| LowRank {
        name: format!("{tower}.{part}"),
        down: inputs[at].shallow_clone(),
        up: inputs[at + 1].shallow_clone(),
        scale: 0.7,
        dropout,
    };
    let dropout = Dropout { probability: 0.25, index: 4, mask: None };
    Changes {
        prompts: Vec::new(),
        low_rank: vec![delta("0.q", 0, None), delta("1.c_fc", 2, Some(dropout))],
        replaced: vec![Replacement { name: format!("{tower}.1.ln_2.weight"), tensor: inputs[4].shallow_clone() }],
        ending: None,
    }
}

/// The inputs of [`changes`].
fn deltas(width: i64, hidden: i64) -> Vec<Tensor> {
    let shapes = [vec![2, width], vec![width, 2], vec![3, width], vec![hidden, 3], vec![width]];
    shapes.iter().zip(10..).map(|(shape, index)| numbers(index, shape)).collect()
}

#[test]
fn encode_contexts() {
    for position in [ClassPosition::End, ClassPosition::Middle, ClassPosition::Front] {
        check(&[numbers(0, &[2, 1, 3, 6])], |host, inputs| host.encode_contexts(&inputs[0], position));
    }
    check(&[numbers(0, &[1, 4, 3, 6])], |host, inputs| host.encode_contexts(&inputs[0], ClassPosition::End));
}

#[test]
fn encode_images_with_changes() {
    let pixels = Stage::new(4, Kind::Double).host.batch(5, 0).pixels.unwrap();
    let sizes = ToyTower::SIZES;
    let mut inputs = deltas(sizes.image_width, sizes.image_hidden);
    inputs.extend([numbers(1, &[1, 2, sizes.image_width]), numbers(2, &[5, 2, sizes.image_width])]);
    check(&inputs, |host, inputs| {
        let prompt = |layer, at: usize| LayerPrompt { layer, tokens: inputs[at].shallow_clone() };
        let changes = Changes { prompts: vec![prompt(0, 5), prompt(2, 6)], ..changes("image", inputs) };
        let features = of(host)?.encode_images(&pixels, &changes, true)?;
        let places = features.patches.unwrap();
        Ok(Tensor::f_cat(&[&features.global.unsqueeze(1), &places], 1)?)
    });
}

#[test]
fn encode_contexts_with_changes() {
    let sizes = ToyTower::SIZES;
    for of_classes in [1, 4] {
        let mut inputs = deltas(sizes.text_width, sizes.text_hidden);
        inputs.extend([numbers(1, &[2, 1, 3, sizes.text_width]), numbers(2, &[2, of_classes, 2, sizes.text_width])]);
        check(&inputs, |host, inputs| {
            let prompt = LayerPrompt { layer: 1, tokens: inputs[6].shallow_clone() };
            let changes = Changes { prompts: vec![prompt], ..changes("text", inputs) };
            of(host)?.encode_contexts(&inputs[5], ClassPosition::Middle, &changes)
        });
    }
}

#[test]
fn encode_strings_with_changes() {
    let sizes = ToyTower::SIZES;
    check(&deltas(sizes.text_width, sizes.text_hidden), |host, inputs| {
        let prompts = ["a photo of a dog", "a cat", "ants and bees"].map(str::to_owned);
        of(host)?.encode_strings(&prompts, &changes("text", inputs))
    });
}
