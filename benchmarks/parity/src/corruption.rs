//! `corruption.json` and `corruption.safetensors`: accuracy with one context vector rescaled or replaced.

use super::check::Check;
use super::fixtures::Fixtures;
use super::methods::{Create, task};
use nemesis_core::backbone::Backbone;
use nemesis_core::method::Method;
use nemesis_core::method::corruption::{replaced, rescaled_copies};
use nemesis_core::record::CorruptionKind;
use nemesis_core::train::{Recompute, Services, TestInputs, evaluate};
use nemesis_core::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, json};
use std::sync::atomic::AtomicBool;
use tch::Tensor;

#[derive(Deserialize)]
struct Cases {
    class_names: Vec<String>,
    n_ctx: usize,
    /// In percent, without corruption.
    accuracy: f64,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    kind: CorruptionKind,
    value: f64,
    /// In percent, by corrupted position.
    accuracy: Vec<f64>,
}

pub(super) fn checks(fixtures: &Fixtures, clip: &dyn Backbone, create: &mut Create<'_>) -> Result<Vec<Check>> {
    let cases: Cases = fixtures.json("corruption.json")?;
    let golden = fixtures.tensors("corruption.safetensors")?;
    let (context, features, noise) = (golden.get("ctx")?, golden.get("image_features")?, golden.get("noise")?);
    let labels: Vec<u32> = golden.labels("labels")?.into_iter().map(|label| label as u32).collect();

    let classes = clip.class_prompts(&cases.class_names, cases.n_ctx)?;
    let cancelled = AtomicBool::new(false);
    let services = Services::new(clip, &classes, 0, Recompute::Never, &cancelled);
    let options: Map<_, _> = [("n_ctx".to_owned(), json!(cases.n_ctx))].into_iter().collect();
    let mut method = create("coop", &task(clip, &cases.class_names, 0), &options, &services);
    let mut differs = |context: Result<Tensor>, golden: f64| -> Result<bool> {
        let method: &mut dyn Method = method.as_deref_mut().map_err(|e| e.clone())?;
        method.load_state(&vec![("ctx".to_owned(), context?)])?;
        let inputs = TestInputs::features(&features);
        let found = evaluate(method, &inputs, &labels, cases.class_names.len(), &services)?.correct();
        // The golden percentages went through single precision; the counts behind them are whole.
        Ok(found != (golden / 100.0 * labels.len() as f64).round() as u64)
    };

    let mut checks =
        vec![Check::exact("corruption, none", differs(Ok(context.shallow_clone()), cases.accuracy).map(usize::from))];
    for row in &cases.rows {
        let (corrupt, kind): (&dyn Fn(usize) -> nemesis_core::method::Result<Tensor>, _) = match row.kind {
            CorruptionKind::Rescale => (&|at| Ok(rescaled_copies(&context, &[at], row.value)?.get(0)), "rescale"),
            CorruptionKind::Replace => (&|at| replaced(&context, at, &(&noise * row.value)), "replace"),
        };
        let wrong: Result<Vec<bool>> = (row.accuracy.iter().enumerate())
            .map(|(position, golden)| differs(corrupt(position).map_err(Error::from), *golden))
            .collect();
        let wrong = wrong.map(|wrong| wrong.into_iter().filter(|wrong| *wrong).count());
        checks.push(Check::exact(format!("corruption, {kind} {}", row.value), wrong));
    }
    Ok(checks)
}
