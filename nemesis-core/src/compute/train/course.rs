//! The course of training: what must hold in each step, and the messages if it does not.
//!
//! Messages about numbers that are not finite depend on where they arise (loss, gradient, parameter, reported value)
//! and on what happened before: training has diverged only if the loss or the parameters grew, and only then does a
//! lower learning rate help. In the first step, gradients must reach the parameters.

use crate::method::Batch;
use crate::{Error, Result};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// A parameter as checked in every step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched<'a> {
    pub(super) name: &'a str,
    pub(super) tensor: &'a Tensor,
    /// Whether the optimiser moves it. If its learning rate is scaled by zero it stays fixed, and need not get a
    /// gradient.
    pub(super) moves: bool,
}

/// What has happened so far in training.
#[derive(Debug)]
pub(super) struct Course {
    /// The 2-norm of all parameters together at the start.
    start: f64,
    /// The first loss and the last one.
    losses: Option<(f64, f64)>,
}

/// What a method reported in a step, by name.
type Reports = BTreeMap<String, Vec<Tensor>>;

const DIVERGED: &str = "lower the learning rate or the weight of the method's regulariser";

impl Course {
    /// The loss has grown if it is this many times the first one; parameters, if their norm is `FAR` times the initial
    /// one.
    const GROWTH: f64 = 2.0;
    const FAR: f64 = 100.0;

    pub(super) fn new<'a>(parameters: impl Iterator<Item = Watched<'a>>) -> Self {
        Self { start: norm(parameters), losses: None }
    }

    /// Bits of the norm at the start, and of the first and last loss.
    pub(super) fn numbers(&self) -> (u64, Option<(u64, u64)>) {
        (self.start.to_bits(), self.losses.map(|(first, last)| (first.to_bits(), last.to_bits())))
    }

    /// Goes on from [`Self::numbers`].
    pub(super) fn recall(&mut self, (start, losses): (u64, Option<(u64, u64)>)) {
        self.start = f64::from_bits(start);
        self.losses = losses.map(|(first, last)| (f64::from_bits(first), f64::from_bits(last)));
    }

    /// Whether there has been no step yet.
    pub(super) fn is_new(&self) -> bool {
        self.losses.is_none()
    }

    /// Records the loss of a step, which must be finite.
    pub(super) fn loss<'a>(
        &mut self,
        loss: f64,
        batch: &Batch,
        parameters: impl Iterator<Item = Watched<'a>> + Clone,
        reports: &Reports,
    ) -> Result<()> {
        if loss.is_finite() {
            self.losses = Some((self.losses.map_or(loss, |(first, _)| first), loss));
            return Ok(());
        }
        let Some((first, last)) = self.losses else { return Err(first_loss(loss, batch, parameters, reports)) };
        let what = format!(
            "the loss became {loss} in {}, after {} in the first step and {} in the previous one",
            place(batch),
            short(first),
            short(last)
        );
        if self.diverged(parameters) {
            return Err(Error::new(format!("training diverged: {what}")).help(DIVERGED));
        }
        Err(Error::new(what).help(format!(
            "neither the loss nor the parameters had grown, so check the formula of the method's loss first (division \
             by zero, a root or logarithm of zero){}",
            of_reports(reports)
        )))
    }

    /// What must hold before the gradients of the first loss are computed: the method has left that to the host, which
    /// would add its own, and has not computed in a lower precision than its parameters have.
    pub(super) fn before_first_gradients<'a>(
        loss: &Tensor,
        parameters: impl Iterator<Item = Watched<'a>>,
    ) -> Result<()> {
        for Watched { name, tensor, .. } in parameters {
            let gradient = tensor.grad();
            // Zeros are what the step has begun with.
            if gradient.defined() && !bool::try_from(gradient.f_eq(0.0)?.f_all()?)? {
                return Err(Error::new(format!("`{name}` has a gradient before the host has computed it"))
                    .expected("a loss whose gradients nobody has computed")
                    .help("return the loss alone, or implement `compute_gradients` in place of `loss`"));
            }
            if tensor.kind() == Kind::Double && loss.kind() != Kind::Double {
                return Err(Error::new(format!("the loss is of the type {:?}, and `{name}` is Double", loss.kind()))
                    .expected("a loss in the precision of the parameters"));
            }
        }
        Ok(())
    }

    /// What the gradients of the first step must be: one for each parameter that is trained, and not all of them zero.
    pub(super) fn first_gradients<'a>(parameters: impl Iterator<Item = Watched<'a>>) -> Result<()> {
        let mut names = Vec::new();
        let mut reached = false;
        for Watched { name, tensor, .. } in parameters.filter(|parameter| parameter.moves) {
            let gradient = tensor.grad();
            if !gradient.defined() {
                return Err(Error::new(format!(
                    "no gradient reaches the parameter `{name}`, so it would not be trained"
                ))
                .expected("a gradient for each parameter of the method in the first step")
                .help(WAY_OUT));
            }
            reached |= !bool::try_from(gradient.f_eq(0.0)?.f_all()?)?;
            names.push(format!("`{name}`"));
        }
        if reached || names.is_empty() {
            return Ok(());
        }
        let (the, are) = if names.len() == 1 { ("gradient", "is") } else { ("gradients", "are") };
        Err(Error::new(format!(
            "in the first step, the {the} of {} {are} zero everywhere, so nothing would be learned",
            names.join(" and ")
        ))
        .expected("a nonzero number in the gradient of at least one parameter")
        .help(WAY_OUT))
    }

    /// The gradients of a step must be finite.
    pub(super) fn gradients<'a>(
        &self,
        batch: &Batch,
        parameters: impl Iterator<Item = Watched<'a>> + Clone,
    ) -> Result<()> {
        for Watched { name, tensor, .. } in parameters.clone() {
            let gradient = tensor.grad();
            if !gradient.defined() || is_finite(&gradient)? {
                continue;
            }
            let loss = self.losses.map_or(f64::NAN, |(_, last)| last);
            let what = format!(
                "the gradient of the parameter `{name}` is not finite in {}, but the loss is {}",
                place(batch),
                short(loss)
            );
            if self.diverged(parameters) {
                return Err(Error::new(format!("training diverged: {what}")).help(DIVERGED));
            }
            let half = if tensor.kind() == Kind::Half {
                ". In fp16, anything beyond 65504 is infinite: try `--precision amp` or fp32"
            } else {
                ""
            };
            return Err(Error::new(what).help(format!(
                "the derivative of the method's loss is undefined there, like that of a root or a norm at zero{half}"
            )));
        }
        Ok(())
    }

    /// The parameters must be finite after a step, whose gradients were.
    pub(super) fn parameters<'a>(&self, batch: &Batch, parameters: impl Iterator<Item = Watched<'a>>) -> Result<()> {
        for Watched { name, tensor, .. } in parameters {
            if !is_finite(tensor)? {
                let loss = self.losses.map_or(f64::NAN, |(_, last)| last);
                return Err(Error::new(format!(
                    "training diverged: the parameter `{name}` is not finite after {}, in which the loss was {} and \
                     the gradient was finite",
                    place(batch),
                    short(loss)
                ))
                .help(DIVERGED));
            }
        }
        Ok(())
    }

    /// Whether the loss or the parameters have grown out of all proportion.
    fn diverged<'a>(&self, parameters: impl Iterator<Item = Watched<'a>>) -> bool {
        let grew = self.losses.is_some_and(|(first, last)| last > Self::GROWTH * first.abs().max(1.0));
        let norm = norm(parameters);
        grew || !norm.is_finite() || norm > Self::FAR * self.start.max(1.0)
    }
}

/// What a method reports must be finite: it is recorded.
pub(super) fn check_reported(name: &str, values: &[f64], batch: &Batch) -> Result<()> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => Err(Error::new(format!(
            "the method reports `{name}` = {value} in {}, but the loss is finite",
            place(batch)
        ))
        .expected("finite numbers, because they are recorded")
        .help("correct how the method computes this value, or do not report it where it is undefined")),
    }
}

/// The epoch and step of a batch, both counted from one.
pub(super) fn place(batch: &Batch) -> String {
    format!("epoch {} (step {})", batch.epoch + 1, batch.step + 1)
}

pub(super) const WAY_OUT: &str = "return a loss that depends on every parameter. A method that fills gradients itself \
    in `compute_gradients` must call `host.backward`, or `nemesis_sdk::gradients::fill` with the result of \
    `host.gradients`. A method that does not learn by gradients must declare `Optimisation::None` or `Optimisation::Fit`";

/// The error if the first loss is not finite: nothing has been learned yet.
fn first_loss<'a>(loss: f64, batch: &Batch, parameters: impl Iterator<Item = Watched<'a>>, reports: &Reports) -> Error {
    let error =
        Error::new(format!("the very first loss, in {}, is {loss}: nothing has been learned yet", place(batch)));
    let broken = |tensor: &Tensor| !is_finite(tensor).unwrap_or(true);
    for Watched { name, tensor, .. } in parameters {
        if broken(tensor) {
            return error
                .help(format!("the method initialises its parameter `{name}` with numbers that are not finite"));
        }
    }
    for (name, input) in [("features", &batch.features), ("dense features", &batch.dense), ("pixels", &batch.pixels)] {
        if input.as_ref().is_some_and(broken) {
            return error.help(format!("the {name} of the batch are not finite: check the checkpoint and the images"));
        }
    }
    error.help(format!(
        "the inputs and the parameters are finite, so the cause is the formula of the method's loss or one of its \
         options{}",
        of_reports(reports)
    ))
}

/// A hint that names the reported values that are not finite.
fn of_reports(reports: &Reports) -> String {
    let broken = |values: &[Tensor]| values.iter().any(|value| !is_finite(value).unwrap_or(true));
    let names: Vec<String> =
        reports.iter().filter(|(_, values)| broken(values)).map(|(name, _)| format!("`{name}`")).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(
        ". Of the values it reports, {} {} not finite",
        names.join(", "),
        if names.len() == 1 { "is" } else { "are" }
    )
}

fn norm<'a>(parameters: impl Iterator<Item = Watched<'a>>) -> f64 {
    let squares = parameters.map(|parameter| {
        let norm = parameter.tensor.detach().to_kind(Kind::Double).norm();
        f64::try_from(norm).map_or(f64::NAN, |norm| norm * norm)
    });
    squares.sum::<f64>().sqrt()
}

fn is_finite(tensor: &Tensor) -> Result<bool> {
    Ok(bool::try_from(tensor.f_isfinite()?.f_all()?)?)
}

/// A number as a message shows it.
fn short(number: f64) -> String {
    if number != 0.0 && !(1e-3..1e5).contains(&number.abs()) { format!("{number:.2e}") } else { format!("{number:.4}") }
}
