//! Checks of gradients: that they reach the parameters, and that they are those of the loss.

use super::stage::Stage;
use super::subject::{CLASSES, Finding, Step, Stop, Subject, close, ensure, failed, finite, skipped};
use crate::method::random::{draws, normals};
use crate::method::{Batch, Method, Optimisation, State};
use crate::plugin::method::LoadedMethod;
use crate::train::Recompute;
use serde_json::Map;
use tch::{Kind, Tensor, no_grad};

pub(super) fn reach(subject: &Subject) -> Finding {
    let step = first_step(subject)?;
    if step.by_itself {
        return skipped("the method fills gradients itself: see `gradients-filled`");
    }
    step.ensure_reached()
}

pub(super) fn filled(subject: &Subject) -> Finding {
    let step = first_step(subject)?;
    if !step.by_itself {
        return skipped("the method leaves gradients to the host: see `gradients-reach`");
    }
    match step.ensure_reached() {
        Err(Stop::Failed(why)) => failed(format!(
            "after `compute_gradients`, {why}. It must call the host's `backward`, or store what the host's \
             `gradients` returns in `grad` (in Rust with `gradients::fill`)"
        )),
        other => other,
    }
}

/// The first step of a method that learns by gradients. If a gradient is zero there, it is the first step from other
/// values: a low-rank delta starts with a factor of zero, and the gradient of the other factor is zero, too.
pub(super) fn first_step(subject: &Subject) -> Finding<Step> {
    subject.learns_by_gradients()?;
    let (stage, mut method, batch) = subject.scene()?;
    let services = stage.services(1, Recompute::Never);
    let step = Step::take(&mut method, &batch, &services)?;
    if !step.untouched().is_ok_and(|name| name.is_some()) {
        return Ok(step);
    }
    move_away(&method)?;
    Step::take(&mut method, &batch, &services)
}

/// Moves every parameter a little, each along another direction.
fn move_away(method: &LoadedMethod) -> Finding {
    for (at, mut parameter) in method.parameters()?.into_iter().enumerate() {
        let tensor = &mut parameter.tensor;
        let moved = &*tensor + direction(tensor, at as u64) * 0.5;
        no_grad(|| tensor.copy_(&moved));
    }
    Ok(())
}

/// A fixed random direction of length one.
pub(super) fn direction(like: &Tensor, index: u64) -> Tensor {
    let numbers = normals(like.numel(), |bits| draws(1, "direction", index, bits));
    let direction = Tensor::from_slice(&numbers).to_device(like.device()).view(like.size().as_slice());
    (&direction / direction.norm()).to_kind(like.kind())
}

pub(super) fn exact(subject: &Subject) -> Finding {
    subject.learns_by_gradients()?;
    let (stage, mut method, batch) = subject.scene()?;
    if compare(&mut method, &batch, &stage)? {
        return skipped("the method fills gradients itself, and they need not be those of its loss");
    }
    // Where it starts from, a parameter may have no effect.
    move_away(&method)?;
    compare(&mut method, &batch, &stage).map(|_| ())
}

/// Compares each parameter's gradient with differences of the loss along some directions. Does nothing, and says so, if
/// the method fills gradients itself.
fn compare(method: &mut LoadedMethod, batch: &Batch, stage: &Stage) -> Finding<bool> {
    const STEP: f64 = 1e-5;
    const TOLERANCE: f64 = 1e-4;
    const DIRECTIONS: u64 = 3;
    let services = stage.services(1, Recompute::Never);
    let step = Step::take(method, batch, &services)?;
    if step.by_itself {
        return Ok(true);
    }
    for (parameter, gradient) in step.parameters.iter().zip(&step.gradients) {
        let mut tensor = parameter.tensor.shallow_clone();
        let start = tensor.detach().copy();
        for index in 0..DIRECTIONS {
            let direction = direction(&start, index);
            let mut loss_at = |distance: f64| -> Finding<f64> {
                no_grad(|| tensor.copy_(&(&start + &direction * distance)));
                Ok(f64::try_from(method.loss(batch, &services)?)?)
            };
            let numeric = (loss_at(STEP)? - loss_at(-STEP)?) / (2.0 * STEP);
            no_grad(|| tensor.copy_(&start));
            let exact = f64::try_from((gradient * &direction).sum(Kind::Double))?;
            ensure((numeric - exact).abs() <= TOLERANCE * exact.abs().max(1e-3), || {
                let name = &parameter.name;
                format!(
                    "along one direction of `{name}`, the loss changes by {numeric:.6}, but its gradient says \
                     {exact:.6}"
                )
            })?;
        }
        services.end_step();
    }
    Ok(false)
}

pub(super) fn graph_cuts(subject: &Subject) -> Finding {
    if subject.plugin()?.descriptor().optimisation == Optimisation::Fit {
        return same_fit(subject);
    }
    subject.learns_by_gradients()?;
    let (stage, mut whole, batch) = subject.scene()?;
    let mut cut = subject.method(&stage, 1)?;
    let expected = Step::take(&mut whole, &batch, &stage.services(1, Recompute::Never))?;
    let found = Step::take(&mut cut, &batch, &stage.services(1, Recompute::Chunks(2)));
    let found = found.map_err(but_for_the_host)?;
    for ((parameter, one), two) in expected.parameters.iter().zip(&expected.gradients).zip(&found.gradients) {
        ensure(close(one, two, 1e-8), || {
            format!(
                "the gradient of `{}` differs when the host recomputes features: it must come only from the \
                 host's `backward` and `gradients`",
                parameter.name
            )
        })?;
    }
    Ok(())
}

/// The reason of a failure, with what has probably led to it.
fn but_for_the_host(stop: Stop) -> Stop {
    match stop {
        Stop::Failed(why) => {
            Stop::Failed(format!("{why}; gradients must come only from the host's `backward` and `gradients`"))
        }
        other @ Stop::Skipped(_) => other,
    }
}

/// Compares what a method that trains itself learns with and without cuts. Rounding differs, and may have grown in its
/// steps; a method that gets no gradient stays where it started, or is refused.
fn same_fit(subject: &Subject) -> Finding {
    let stage = Stage::new(CLASSES, Kind::Double);
    let learned = |recompute| -> Finding<State> {
        let method = subject.method_over(&stage, &stage.services(1, recompute), &Map::new())?;
        Ok(method.state()?)
    };
    let (expected, found) = (learned(Recompute::Never)?, learned(Recompute::Chunks(2)));
    let found = found.map_err(but_for_the_host)?;
    for ((name, one), (_, two)) in expected.iter().zip(&found) {
        ensure(close(one, two, 1e-4), || {
            format!(
                "it learns another `{name}` when the host recomputes features: gradients must come only from the \
                 host's `backward` and `gradients`"
            )
        })?;
    }
    Ok(())
}

pub(super) fn two_gradients(subject: &Subject) -> Finding {
    subject.learns_by_gradients()?;
    let (stage, mut whole, _) = subject.scene()?;
    let mut cut = subject.method(&stage, 1)?;
    let needs = subject.needs()?;
    for step in 0..3 {
        let batch = stage.batch(8, step, needs);
        let expected = Step::take(&mut whole, &batch, &stage.services(1, Recompute::Never))?;
        if !expected.by_itself {
            return skipped("the method leaves gradients to the host");
        }
        let found = Step::take(&mut cut, &batch, &stage.services(1, Recompute::Chunks(3)))?;
        for (one, two) in expected.gradients.iter().zip(&found.gradients) {
            ensure(finite(one)? && close(one, two, 1e-8), || {
                format!("in step {step}, a gradient differs when the host recomputes features")
            })?;
        }
    }
    Ok(())
}
