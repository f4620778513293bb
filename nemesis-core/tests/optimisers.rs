//! Optimisers, gradient clipping and schedules against values of PyTorch (`optimisers/make.py`), through a protocol.

use nemesis_core::method::{Parameter, ProtocolPatch};
use nemesis_core::train::{Optimiser, Protocol, ResolvedProtocol};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

#[derive(Deserialize)]
struct Golden {
    shapes: Vec<Vec<i64>>,
    start: Vec<Vec<f64>>,
    gradients: Vec<Vec<Vec<f64>>>,
    rates: Vec<f64>,
    optimisers: Vec<OptimiserCase>,
    per_epoch: u64,
    base_rate: f64,
    schedules: Vec<ScheduleCase>,
}

/// Parameters by the number of steps.
type Kept = BTreeMap<usize, Vec<Vec<f64>>>;

#[derive(Deserialize)]
struct OptimiserCase {
    name: String,
    protocol: Map<String, Value>,
    double: Kept,
    float: Kept,
    half: Kept,
    bfloat16: Kept,
}

#[derive(Deserialize)]
struct ScheduleCase {
    name: String,
    protocol: Map<String, Value>,
    rates: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("optimisers/values.json")).unwrap()
}

/// A protocol with these parts, for `images` that make batches of 32.
fn resolved(parts: &Map<String, Value>, images: u64) -> ResolvedProtocol {
    let plain = json!({
        "name": "plain", "optimiser": "sgd", "learning_rate": 0.002, "momentum": 0.9, "weight_decay": 0.0,
        "warmup_epochs": 1, "warmup_learning_rate": 1e-5, "batch_size": 32, "epochs": 50, "precision": "fp32",
    });
    let plain: Protocol = serde_json::from_value(plain).unwrap();
    let patch: ProtocolPatch = serde_json::from_value(Value::Object(parts.clone())).unwrap();
    plain.patched(&patch).unwrap().resolve("dtd", 1, images).unwrap()
}

/// The parameters after some numbers of steps.
fn trained(golden: &Golden, parts: &Map<String, Value>, kind: Kind, steps: &[usize]) -> Vec<Vec<Tensor>> {
    let tensors = |all: &[Vec<f64>]| -> Vec<Tensor> {
        all.iter()
            .zip(&golden.shapes)
            .map(|(v, shape)| Tensor::from_slice(v).view(shape.as_slice()).to_kind(kind))
            .collect()
    };
    let parameters: Vec<Tensor> = tensors(&golden.start).into_iter().map(|p| p.set_requires_grad(true)).collect();
    let named = parameters.iter().enumerate().map(|(i, p)| Parameter::new(&format!("p{i}"), p.shallow_clone()));
    let mut optimiser = Optimiser::new(named.collect(), &resolved(parts, 32)).unwrap();
    let mut kept = Vec::new();
    for (step, (rate, gradients)) in golden.rates.iter().zip(&golden.gradients).enumerate() {
        optimiser.zero_grad();
        for (parameter, gradient) in parameters.iter().zip(tensors(gradients)) {
            (parameter * gradient).sum(None::<Kind>).backward();
        }
        optimiser.step(*rate);
        if steps.contains(&(step + 1)) {
            kept.push(
                parameters
                    .iter()
                    .map(|parameter| parameter.detach().copy().to_kind(Kind::Double).flatten(0, -1))
                    .collect(),
            );
        }
    }
    kept
}

/// The largest difference of a parameter in relation to its golden norm.
fn error(found: &[Tensor], golden: &[Vec<f64>]) -> f64 {
    let errors = found.iter().zip(golden).map(|(found, golden)| {
        let golden = Tensor::from_slice(golden);
        ((found - &golden).norm() / golden.norm()).double_value(&[])
    });
    errors.fold(0.0, f64::max)
}

/// Half types differ where PyTorch's CPU kernels of SGD round factors first, which its GPU kernels don't.
#[test]
fn optimisers_move_parameters_as_pytorch_does() {
    let golden = golden();
    for case in &golden.optimisers {
        for (kind, kept, tolerance) in [
            (Kind::Double, &case.double, 1e-12),
            (Kind::Float, &case.float, 1e-6),
            (Kind::Half, &case.half, 1e-3),
            (Kind::BFloat16, &case.bfloat16, 8e-3),
        ] {
            let steps: Vec<usize> = kept.keys().copied().collect();
            for ((found, golden), step) in
                trained(&golden, &case.protocol, kind, &steps).iter().zip(kept.values()).zip(&steps)
            {
                let error = error(found, golden);
                assert!(error <= tolerance, "{}, {kind:?}, {step} steps: {error:e}", case.name);
            }
        }
    }
}

#[test]
fn schedules_are_those_of_pytorch_and_dassl() {
    let golden = golden();
    for case in &golden.schedules {
        let mut parts = case.protocol.clone();
        parts.insert("learning_rate".to_owned(), golden.base_rate.into());
        let protocol = resolved(&parts, golden.per_epoch * 32);
        assert_eq!(protocol.total_steps(golden.per_epoch * 32), case.rates.len() as u64, "{}", case.name);
        for (step, rate) in case.rates.iter().enumerate() {
            let found = protocol.learning_rate(step as u64, golden.per_epoch);
            assert!((found - rate).abs() <= 1e-9 * golden.base_rate, "{}, step {step}: {found} {rate}", case.name);
        }
    }
}

#[test]
fn a_parameter_has_no_numbers_that_a_protocol_could_not_have() {
    let refused = |optimiser: &str, option: &str, value: f64| {
        let tensor = Tensor::ones([2], (Kind::Double, tch::Device::Cpu)).set_requires_grad(true);
        let options = BTreeMap::from([(option.to_owned(), value)]);
        let parameter = Parameter { optimiser: optimiser.to_owned(), options, ..Parameter::new("ctx", tensor) };
        Optimiser::new(vec![parameter], &resolved(&Map::new(), 32)).map(drop).map_err(|error| error.to_string())
    };
    for (optimiser, option, sound, unsound) in [
        ("sgd", "weight_decay", 0.0, -1e-4),
        ("adamw", "weight_decay", 0.1, f64::NAN),
        ("sgd", "momentum", 0.0, -0.9),
        ("sgd", "dampening", -1.0, f64::INFINITY),
        ("adam", "beta1", 0.0, -0.1),
        ("adam", "beta2", 0.999, 1.0),
        ("adam", "eps", 0.0, f64::NAN),
        ("", "lr_scale", 0.0, -1.0),
    ] {
        assert_eq!(refused(optimiser, option, sound), Ok(()), "{optimiser} {option}");
        let error = refused(optimiser, option, unsound).unwrap_err();
        assert!(error.starts_with(&format!("the parameter `ctx` has the `{option}` {unsound}")), "{error}");
    }
}
