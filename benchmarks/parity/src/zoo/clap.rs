//! `clap`: `trainers/adapters.py` of jusiro/CLAP.

use super::compare::{Comparison, STEPS, VALUES, reported};
use super::features::{Scene, batch, logits, replace};
use super::file::{Case, File};
use super::steps::{Named, Step, Taken};
use super::subject::Subject;
use super::towers::Towers;
use crate::check::Check;
use crate::fixtures::{Fixtures, Tensors};
use crate::methods::Create;
use nemesis_core::method::{FeatureSet, Method};
use nemesis_core::train::{Optimiser, step};
use nemesis_core::{Error, Result};
use serde_json::{Map, Value};
use tch::{Kind, Tensor};

/// A linear probe that is held near the text features.
#[derive(Debug)]
pub(super) struct Clap;

/// What the authors call a start, and what we do.
const STARTS: [(&str, &str); 5] =
    [("ZS", "zs"), ("RANDOM", "random"), ("TR", "tr"), ("ClipA", "clip-a"), ("TipA-f-", "tip-a-f")];

impl Subject for Clap {
    fn files(&self) -> &'static [&'static str] {
        &["clap"]
    }

    fn method(&self) -> &'static str {
        "clap"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        let theirs = case.setting("init")?;
        let start = STARTS.iter().find(|(name, _)| theirs == name).map(|(_, ours)| *ours);
        let start = start.ok_or_else(|| Error::new(format!("`init` of case {} is {theirs}", case.id)))?;
        let constraint = case.setting("constraint")?.clone();
        Ok(Map::from_iter([("init".to_owned(), start.into()), ("constraint".to_owned(), constraint)]))
    }

    fn parameter(&self, name: &str) -> Option<String> {
        // Penalty and multipliers have checks of their own.
        name.starts_with("adapter.").then(|| name.to_owned())
    }

    fn checks(
        &self,
        name: &str,
        fixtures: &Fixtures,
        towers: &mut Towers<'_>,
        create: &mut Create<'_>,
    ) -> Result<Option<Vec<Check>>> {
        let (file, golden) = fixtures.pair::<File>(name)?;
        let towers = towers.of(&file.weights)?;
        let mut checks = Vec::new();
        for case in &file.cases {
            // Underscores stay.
            let scene = Scene::new(&towers, file.class_names.clone(), &self.template(case)?, case.epochs())?;
            let taken = self.take(case, &scene, &golden, create);
            let mut comparison = Comparison::new(name, case, &golden, &taken);
            self.all(case, &mut comparison);
            checks.extend(comparison.finish());
        }
        Ok(Some(checks))
    }
}

impl Clap {
    /// One full batch an epoch, as the authors' loop was given. An epoch more is begun, so that the multipliers after the
    /// last one are seen.
    fn take(&self, case: &Case, scene: &Scene, golden: &Tensors, create: &mut Create<'_>) -> Result<Taken> {
        let services = scene.services();
        let mut method = scene.create(create, self.method(), &Value::Object(self.options(case)?), &services)?;
        let (features, labels) = (golden.get("features")?, golden.get("labels")?.to_kind(Kind::Int64));
        let train = FeatureSet { features: features.shallow_clone(), labels: labels.shallow_clone() };
        method.prepare(&train, None, &services)?;
        let prefix = case.tensor("init.");
        let start: Vec<_> =
            golden.iter().filter_map(|(name, all)| Some((name.strip_prefix(&prefix)?, all.shallow_clone()))).collect();
        replace(&mut *method, &start)?;

        let protocol = case.protocol();
        let mut optimiser = Optimiser::new(method.parameters()?, &protocol)?;
        let said = logits(&mut *method, &features, &services)?;
        let initial = state(&*method)?;
        let _ = services.end_step();
        let batch_of = |epoch: u64| batch(features.shallow_clone(), &labels, epoch, epoch, case.trace.len() as u64);
        let mut steps = Vec::new();
        for number in 0..case.trace.len() as u64 {
            let rate = protocol.learning_rate(number, 1);
            let loss = step(&mut *method, &mut optimiser, rate, &batch_of(number), &services)?;
            let reports = services.end_step().into_iter().filter_map(|(name, mut all)| Some((name, all.pop()?)));
            let reports: Named = reports.collect();
            let gradients = method.parameters()?.into_iter().map(|p| (p.name, p.tensor.grad().copy())).collect();
            steps.push(Step { rate, loss, reports, gradients, state: state(&*method)? });
        }
        let _ = method.loss(&batch_of(case.trace.len() as u64), &services)?;
        // The multipliers after a step are those that the next one begins with.
        let after: Vec<Named> = std::iter::once(initial)
            .chain(steps.iter().skip(1).map(|step| copied(&step.state)))
            .chain([state(&*method)?])
            .collect();
        for (step, next) in steps.iter_mut().zip(after.iter().skip(1)) {
            for name in ["alpha_constraint", "penalty_parameter"] {
                if let Some(tensor) = next.get(name) {
                    step.state.insert(format!("{name} after"), tensor.copy());
                }
            }
        }
        if let (Some(step), Some(tensor)) = (steps.first_mut(), after[0].get("alpha_constraint")) {
            step.state.insert("alpha_constraint before".to_owned(), tensor.copy());
        }
        let after = logits(&mut *method, &features, &services)?;
        let learned = copied(&state(&*method)?);
        Ok(Taken { logits: said, in_training: None, steps, learned, after })
    }

    fn all(&self, case: &Case, comparison: &mut Comparison<'_>) {
        comparison.tensor("logits0", VALUES, |taken| Ok(&taken.logits));
        comparison.trace("loss", self.loss(), |step| Ok(step.loss));
        comparison.trace("cross_entropy", &["cross_entropy"], |step| reported(step, "cross_entropy"));
        if case.text("constraint") != Some("none") {
            comparison.trace("constraint", &["constraint"], |step| reported(step, "constraint"));
            comparison.tensor("multipliers0", VALUES, |taken| of(taken, 1, "alpha_constraint before"));
        }
        comparison.tensors("gradient", "grad0.", self, |taken| at(taken, 1).map(|step| &step.gradients));
        for number in 1..=case.trace.len() {
            comparison.tensors(&format!("parameters after step {number}"), &format!("step{number}."), self, |taken| {
                at(taken, number).map(|step| &step.state)
            });
            for (golden, ours) in [("multipliers", "alpha_constraint after"), ("penalty", "penalty_parameter after")] {
                let golden = format!("step{number}.{golden}");
                if comparison.has(&golden) {
                    comparison.beside(&golden, STEPS, least(comparison, &golden), |taken| of(taken, number, ours));
                }
            }
        }
    }
}

/// How well text features of our towers agree with those of the authors', relative to their length.
const FEATURES: f64 = 1e-6;

/// The least that a penalty is compared relative to. It is the square of a distance from text features, which differ a
/// little: after the first step, at a tiny rate, prototypes have hardly moved further than that.
fn least(comparison: &Comparison<'_>, golden: &str) -> f64 {
    let norm = |name: &str| comparison.golden(name).map_or(0.0, |tensor| tensor.norm().double_value(&[]));
    2.0 * norm(golden).sqrt() * FEATURES * norm("base_text_features") / STEPS
}

/// A step, counted from one.
fn at(taken: &Taken, number: usize) -> Result<&Step> {
    taken.steps.get(number - 1).ok_or_else(|| Error::new("the case has fewer steps"))
}

/// Something of the state after a step.
fn of<'a>(taken: &'a Taken, number: usize, name: &str) -> Result<&'a Tensor> {
    at(taken, number)?.state.get(name).ok_or_else(|| Error::new(format!("the method has no `{name}`")))
}

fn state(method: &dyn Method) -> Result<Named> {
    Ok(method.state()?.into_iter().map(|(name, tensor)| (name, tensor.copy())).collect())
}

fn copied(named: &Named) -> Named {
    named.iter().map(|(name, tensor)| (name.clone(), tensor.copy())).collect()
}
