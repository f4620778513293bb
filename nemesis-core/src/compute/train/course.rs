//! The course of a training: what must hold in each of its steps, and what is said where it does not.
//!
//! Numbers that are not finite are told apart by where they arise (loss, gradient, parameter, reported value) and by what
//! went before: only where loss or parameters grew has the training diverged, and only then does a lower learning rate
//! help. In the first step, gradients must reach the parameters.

use crate::method::Batch;
use crate::{Error, Result};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// A parameter as it is looked at in every step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched<'a> {
    pub(super) name: &'a str,
    pub(super) tensor: &'a Tensor,
    /// Whether the optimiser moves it: one whose learning rate is scaled by zero is held, and need not be reached.
    pub(super) moves: bool,
}

/// What went before in a training.
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
    /// A loss this many times the first one is one that grew, and so are parameters of this many times their norm.
    const GROWTH: f64 = 2.0;
    const FAR: f64 = 100.0;

    pub(super) fn new<'a>(parameters: impl Iterator<Item = Watched<'a>>) -> Self {
        Self { start: norm(parameters), losses: None }
    }

    /// Whether there was no step yet.
    pub(super) fn is_new(&self) -> bool {
        self.losses.is_none()
    }

    /// Takes note of the loss of a step, which must be a finite number.
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
            "the loss became {loss} in {}, after {} in the first step and {} in the one before",
            place(batch),
            short(first),
            short(last)
        );
        if self.diverged(parameters) {
            return Err(Error::new(format!("the training diverged: {what}")).help(DIVERGED));
        }
        Err(Error::new(what).help(format!(
            "neither loss nor parameters had grown, so look at the formula of the method's loss first (a division by zero, \
             a root or a logarithm of zero){}",
            of_reports(reports)
        )))
    }

    /// What the gradients of the first step must be: one for each parameter that is trained, and not all of them zero.
    pub(super) fn first_gradients<'a>(parameters: impl Iterator<Item = Watched<'a>>) -> Result<()> {
        let mut names = Vec::new();
        let mut reached = false;
        for Watched { name, tensor, .. } in parameters.filter(|parameter| parameter.moves) {
            let gradient = tensor.grad();
            if !gradient.defined() {
                return Err(Error::new(format!(
                    "no gradient reaches the parameter `{name}`, so nothing would train it"
                ))
                .expected("in the first step, a gradient for each parameter of the method")
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
            "in the first step the {the} of {} {are} zero everywhere, so nothing would be learned",
            names.join(" and ")
        ))
        .expected("a number other than zero in the gradient of at least one parameter")
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
                "the gradient of the parameter `{name}` is not finite in {}, though the loss is {}",
                place(batch),
                short(loss)
            );
            if self.diverged(parameters) {
                return Err(Error::new(format!("the training diverged: {what}")).help(DIVERGED));
            }
            let half = if tensor.kind() == Kind::Half {
                "; in fp16, what is beyond 65504 is infinite: try `--precision amp` or fp32"
            } else {
                ""
            };
            return Err(Error::new(what).help(format!(
                "the derivative of the method's loss is undefined there, as that of a root or a norm is at zero{half}"
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
                    "the training diverged: the parameter `{name}` is not finite after the step of {}, whose loss was {} and \
                     whose gradient was finite",
                    place(batch),
                    short(loss)
                ))
                .help(DIVERGED));
            }
        }
        Ok(())
    }

    /// Whether the loss, or what is trained, has grown out of all proportion.
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
            "the method reports `{name}` = {value} in {}, and the loss is finite",
            place(batch)
        ))
        .expected("finite numbers, since they are recorded")
        .help("correct how the method computes this value, or do not report it where it is undefined")),
    }
}

/// The epoch and step of a batch, both counted from one.
pub(super) fn place(batch: &Batch) -> String {
    format!("epoch {} (step {})", batch.epoch + 1, batch.step + 1)
}

pub(super) const WAY_OUT: &str = "return a loss that depends on every parameter; a method that fills gradients itself in \
    `compute_gradients` calls `host.backward`, or `nemesis_sdk::gradients::fill` with what `host.gradients` gave it; one \
    that learns nothing by gradients declares `Optimisation::None` or `Optimisation::Fit`";

/// What to say where nothing was learned yet.
fn first_loss<'a>(loss: f64, batch: &Batch, parameters: impl Iterator<Item = Watched<'a>>, reports: &Reports) -> Error {
    let error = Error::new(format!("the very first loss, in {}, is {loss}: nothing was learned yet", place(batch)));
    let broken = |tensor: &Tensor| !is_finite(tensor).unwrap_or(true);
    for Watched { name, tensor, .. } in parameters {
        if broken(tensor) {
            return error.help(format!("the method starts its parameter `{name}` with numbers that are not finite"));
        }
    }
    for (name, input) in [("features", &batch.features), ("dense features", &batch.dense), ("pixels", &batch.pixels)] {
        if input.as_ref().is_some_and(broken) {
            return error.help(format!("the {name} of the batch are not finite: check the checkpoint and the images"));
        }
    }
    error.help(format!(
        "the inputs and the parameters are finite, so the formula of the method's loss or one of its options is at \
         fault{}",
        of_reports(reports)
    ))
}

/// The reported values that are not finite, as a hint.
fn of_reports(reports: &Reports) -> String {
    let broken = |values: &[Tensor]| values.iter().any(|value| !is_finite(value).unwrap_or(true));
    let names: Vec<String> =
        reports.iter().filter(|(_, values)| broken(values)).map(|(name, _)| format!("`{name}`")).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(
        "; of the values that it reports, {} {} not finite",
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
