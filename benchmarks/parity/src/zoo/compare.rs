//! Our steps beside the authors'.

use super::file::{Case, Traced};
use super::steps::{Named, Step, Taken};
use super::subject::Subject;
use crate::check::{Check, norm_error, number_error};
use crate::fixtures::Tensors;
use crate::schedule;
use nemesis_core::{Error, Result};
use std::collections::BTreeSet;

/// Of logits and losses.
pub(super) const VALUES: f64 = 1e-4;
/// Of gradients and of parameters after a step.
pub(super) const STEPS: f64 = 1e-3;

/// A part of a loss is compared relative to itself, or to this share of the loss if it is smaller: a difference of two
/// equal features is nothing but rounding.
const LEAST_SHARE: f64 = 0.01;

/// Collects the checks of a case. What our side could not compute fails every one of them.
pub(super) struct Comparison<'a> {
    /// The method's name and the case's number.
    name: String,
    case: &'a Case,
    golden: &'a Tensors,
    taken: &'a Result<Taken>,
    checks: Vec<Check>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(file: &str, case: &'a Case, golden: &'a Tensors, taken: &'a Result<Taken>) -> Self {
        Self { name: format!("{file}, case {}", case.id), case, golden, taken, checks: Vec::new() }
    }

    /// Adds a check.
    pub(super) fn check(&mut self, what: &str, tolerance: f64, error: impl FnOnce(&Taken) -> Result<f64>) {
        let error = self.taken.as_ref().map_err(Error::clone).and_then(error);
        self.checks.push(Check::relative(format!("{}, {what}", self.name), error, tolerance));
    }

    /// Compares a tensor with the golden one of the case.
    pub(super) fn tensor(&mut self, golden: &str, tolerance: f64, ours: impl FnOnce(&Taken) -> Result<&tch::Tensor>) {
        let wanted = self.golden.get(&self.case.tensor(golden));
        self.check(golden, tolerance, |taken| Ok(norm_error(ours(taken)?, &wanted?)));
    }

    /// Compares a tensor with the golden one of the case, relative to `least` if the golden one is smaller.
    pub(super) fn beside(
        &mut self,
        golden: &str,
        tolerance: f64,
        least: f64,
        ours: impl FnOnce(&Taken) -> Result<&tch::Tensor>,
    ) {
        let wanted = self.golden(golden);
        self.check(golden, tolerance, |taken| {
            let wanted = wanted?;
            let norm = wanted.norm().double_value(&[]);
            Ok(norm_error(ours(taken)?, &wanted) * (norm / norm.max(least)))
        });
    }

    /// A golden tensor of the case.
    pub(super) fn golden(&self, name: &str) -> Result<tch::Tensor> {
        self.golden.get(&self.case.tensor(name))
    }

    /// Whether the case has a tensor of this name.
    pub(super) fn has(&self, golden: &str) -> bool {
        self.golden.get(&self.case.tensor(golden)).is_ok()
    }

    /// Compares all that every method has.
    pub(super) fn all(&mut self, subject: &dyn Subject) {
        if self.has("logits_eval") || !self.has("logits_train") {
            self.tensor("logits_eval", VALUES, |taken| Ok(&taken.logits));
        }
        if self.has("logits_train") {
            self.tensor("logits_train", VALUES, |taken| Ok(taken.in_training.as_ref().unwrap_or(&taken.logits)));
        }
        if self.has("logits_eval_after") && subject.compares(self.case, self.golden, "logits_eval_after") {
            self.tensor("logits_eval_after", VALUES, |taken| Ok(&taken.after));
        }
        self.trace("loss", subject.loss(), |step| Ok(step.loss));
        for (golden, report) in subject.parts() {
            self.trace(golden, &[golden], |step| reported(step, report));
        }
        let case = self.case;
        self.check("learning rates", schedule::TOLERANCE, |taken| {
            worst(taken.steps.iter().zip(&case.trace).map(|(step, traced)| Ok(number_error(step.rate, traced.lr))))
        });
        let gradient = subject.gradient();
        self.tensors("gradient", &format!("{gradient}."), subject, |taken| first(taken).map(|step| &step.gradients));
        let reached = self.reached();
        if reached.is_empty() {
            self.check("parameters", STEPS, |_| Err(Error::new("the case has no parameters after a step")));
        }
        for step in reached {
            self.tensors(&format!("parameters after step {step}"), &format!("step{step}."), subject, |taken| {
                let taken = step.checked_sub(1).and_then(|step| taken.steps.get(step));
                taken.map(|step| &step.state).ok_or_else(|| Error::new("the case has fewer steps"))
            });
        }
    }

    /// Compares a number of every step with what the authors logged under the first of some names.
    pub(super) fn trace(&mut self, what: &str, names: &[&str], ours: impl Fn(&Step) -> Result<f64>) {
        self.trace_of(what, |traced| traced.number(names), ours);
    }

    /// Compares a number of every step with one made of what the authors logged.
    pub(super) fn trace_of(
        &mut self,
        what: &str,
        golden: impl Fn(&Traced) -> Option<f64>,
        ours: impl Fn(&Step) -> Result<f64>,
    ) {
        let case = self.case;
        self.check(what, VALUES, |taken| {
            worst(taken.steps.iter().zip(&case.trace).map(|(step, traced)| {
                let missing = || Error::new(format!("a step of case {} has nothing logged for it", case.id));
                let golden = golden(traced).ok_or_else(missing)?;
                let scale = golden.abs().max(LEAST_SHARE * step.loss.abs());
                let difference = (ours(step)? - golden).abs();
                Ok(if scale > 0.0 { difference / scale } else { difference })
            }))
        });
    }

    /// Adds a check that allows no difference; `differing` counts what differs.
    pub(super) fn exact(&mut self, what: &str, differing: impl FnOnce(&Taken) -> Result<usize>) {
        let differing = self.taken.as_ref().map_err(Error::clone).and_then(differing);
        self.checks.push(Check::exact(format!("{}, {what}", self.name), differing));
    }

    /// Compares all golden tensors whose names begin with `prefix` with ours of the same parameter.
    pub(super) fn tensors(
        &mut self,
        what: &str,
        prefix: &str,
        subject: &dyn Subject,
        ours: impl FnOnce(&Taken) -> Result<&Named>,
    ) {
        let (kind, prefix) = (prefix, self.case.tensor(prefix));
        let (case, golden) = (self.case, self.golden);
        self.check(what, STEPS, |taken| {
            let ours = ours(taken)?;
            let pairs: Vec<_> = golden
                .iter()
                .filter_map(|(name, tensor)| {
                    let name = name.strip_prefix(&prefix)?;
                    let compares = subject.compares(case, golden, &format!("{kind}{name}"));
                    Some((subject.parameter(name).filter(|_| compares)?, tensor))
                })
                .collect();
            if pairs.is_empty() {
                return Err(Error::new(format!("there are no tensors `{prefix}…`")));
            }
            worst(pairs.into_iter().map(|(name, tensor)| {
                let own = ours.get(&name).ok_or_else(|| Error::new(format!("there is nothing of our `{name}`")))?;
                Ok(norm_error(own, tensor))
            }))
        });
    }

    /// The steps after which the parameters are known.
    fn reached(&self) -> BTreeSet<usize> {
        let prefix = self.case.tensor("step");
        let numbers = self.golden.iter().filter_map(|(name, _)| {
            let (number, _) = name.strip_prefix(&prefix)?.split_once('.')?;
            number.parse().ok()
        });
        numbers.collect()
    }

    /// The checks, in order.
    pub(super) fn finish(self) -> Vec<Check> {
        self.checks
    }
}

/// The first step.
pub(super) fn first(taken: &Taken) -> Result<&Step> {
    taken.steps.first().ok_or_else(|| Error::new("the case has no steps"))
}

/// What the method reported in a step under a name.
pub(super) fn numbers(step: &Step, name: &str) -> Result<Vec<f64>> {
    let tensor = step.reports.get(name).ok_or_else(|| Error::new(format!("the method reports no `{name}`")))?;
    Ok(Vec::try_from(tensor.to_kind(tch::Kind::Double).flatten(0, -1))?)
}

/// A scalar that the method reported in a step.
pub(super) fn reported(step: &Step, name: &str) -> Result<f64> {
    let numbers = numbers(step, name)?;
    numbers.first().copied().ok_or_else(|| Error::new(format!("the method's `{name}` is empty")))
}

/// The largest of some errors; what is not a number counts as largest.
pub(super) fn worst(errors: impl IntoIterator<Item = Result<f64>>) -> Result<f64> {
    let errors: Vec<f64> = errors.into_iter().collect::<Result<_>>()?;
    if errors.is_empty() {
        return Err(Error::new("there is nothing to compare"));
    }
    Ok(crate::check::largest(errors))
}
