//! The epoch loop: batches in a random order, the method's loss, gradients, optimiser, a history by epoch.

use super::averages::WeightAverage;
use super::course::{Course, WAY_OUT, check_reported, place};
use super::optimiser::Optimiser;
use super::pictures::Seen;
use super::protocol::ResolvedProtocol;
use super::services::Services;
use super::standing::Standing;
use crate::method::{Batch, FeatureSet, Host, Method, Needs, Optimisation, random};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor, no_grad};

/// What training learns from.
pub struct TrainingInputs<'a> {
    /// What the method asks for: nothing else below is used.
    pub needs: Needs,
    /// Features `[images, embed_dim]` of the few-shot sample by epoch, in the order of the sample.
    pub features: &'a mut dyn FnMut(u64) -> Result<Tensor>,
    /// Gives what a batch contains, by epoch and the indices of its images in the sample.
    pub seen: &'a dyn Fn(u64, &[usize]) -> Result<Seen>,
    /// Labels of the few-shot sample, in its order.
    pub labels: &'a [u32],
    /// Features and labels of the few-shot validation sample, if the method asks for them and the data set has one.
    pub validation: Option<FeatureSet>,
    /// The cell's seed, which decides the order of batches.
    pub seed: u64,
    /// The device of the features.
    pub device: Device,
    /// Where an earlier process left this training, if it did.
    pub resume: Option<Standing>,
}

impl std::fmt::Debug for TrainingInputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrainingInputs")
            .field("images", &self.labels.len())
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// One epoch of a training's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// The learning rate of the first step.
    pub learning_rate: f64,
    /// The loss, averaged over steps.
    pub loss: f64,
    /// What the method reported, averaged over steps; a vector's elements are averaged one by one.
    pub reported: BTreeMap<String, Vec<f64>>,
}

/// What [`train`] calls after every epoch: with the number of epochs done, the method, and what says where the training
/// stands.
pub type OnEpoch<'a> = dyn FnMut(u64, &dyn Method, &dyn Fn() -> Standing) -> Result<()> + 'a;

/// Trains `method` as `protocol` says and returns its history, one record per epoch.
///
/// `on_epoch` is called after every epoch. A training that goes on from where it stood then ([`TrainingInputs::resume`]) ends with the same bits, if nothing of
/// the method but its parameters changes in a step.
///
/// # Errors
///
/// When a loss is not a finite scalar, the method fails, or the run is cancelled.
pub fn train(
    method: &mut dyn Method,
    optimisation: Optimisation,
    protocol: &ResolvedProtocol,
    inputs: &mut TrainingInputs<'_>,
    services: &Services<'_>,
    on_epoch: &mut OnEpoch<'_>,
) -> Result<Vec<EpochRecord>> {
    let labels: Vec<i64> = inputs.labels.iter().map(|label| i64::from(*label)).collect();
    let labels = Tensor::from_slice(&labels).to_device(inputs.device);
    prepare(method, optimisation, protocol, inputs, &labels, services)?;
    if optimisation != Optimisation::Host {
        return Ok(Vec::new());
    }

    let parameters = method.parameters()?;
    if parameters.is_empty() {
        return Err(Error::new("the method has no parameters, so there is nothing to train").help(
            "a method that does not learn by gradients must declare `Optimisation::None` or `Optimisation::Fit`",
        ));
    }
    let optimiser = Optimiser::new(parameters, protocol)?;
    let mut optimiser = if services.is_mixed() { optimiser.scaled() } else { optimiser };
    let images = inputs.labels.len();
    let (steps_per_epoch, steps) = (protocol.steps_per_epoch(images as u64), protocol.total_steps(images as u64));
    let mut average = WeightAverage::new(protocol);
    let mut history = match &inputs.resume {
        Some(standing) => standing.restore(&mut optimiser, average.as_mut(), inputs.device)?,
        None => Vec::with_capacity(protocol.epochs as usize),
    };
    for epoch in history.len() as u64..protocol.epochs {
        let first = epoch * steps_per_epoch;
        let features = inputs.needs.features_alone().then(|| (inputs.features)(epoch)).transpose()?;
        let mut averages = Averages::default();
        for (i, rows) in batches_of(protocol, inputs.seed, images, epoch).into_iter().enumerate() {
            let number = first + i as u64;
            let rows_on_device =
                Tensor::from_slice(&rows.iter().map(|row| *row as i64).collect::<Vec<_>>()).to_device(inputs.device);
            let seen = if inputs.needs.images() { (inputs.seen)(epoch, &rows)? } else { Seen::default() };
            let batch = Batch {
                items: rows.iter().map(|row| *row as u64).collect(),
                labels: labels.index_select(0, &rows_on_device),
                features: features.as_ref().map(|all| all.index_select(0, &rows_on_device)).or(seen.features),
                dense: seen.dense,
                pixels: seen.pixels,
                epoch,
                epochs: protocol.epochs,
                step: number,
                steps,
            };
            let rate = protocol.learning_rate(number, steps_per_epoch);
            let loss = step(method, &mut optimiser, rate, &batch, services)?;
            averages.add(LOSS, &[loss])?;
            for (name, values) in services.end_step() {
                check_name(&name)?;
                for value in values {
                    let numbers = to_numbers(&value)?;
                    check_reported(&name, &numbers, &batch)?;
                    averages.add(&name, &numbers)?;
                }
            }
        }
        optimiser.require_same(&method.parameters()?)?;
        if let Some(average) = &mut average {
            average.end_epoch(epoch, optimiser.parameters().map(|parameter| parameter.tensor));
            if epoch + 1 == protocol.epochs {
                average.replace(optimiser.parameters().map(|parameter| parameter.tensor));
            }
        }
        history.push(averages.into_record(protocol.learning_rate(first, steps_per_epoch)));
        on_epoch(epoch + 1, method, &|| Standing::of(&optimiser, average.as_ref(), &history))?;
    }
    if optimiser.took_no_step() {
        return Err(Error::new("nothing was learned: no step had finite gradients, at any scale of the loss").help(
            "check the derivative of the method's loss (such as that of a root or a norm at zero), or use \
             `--precision fp32`",
        ));
    }
    Ok(history)
}

/// Shows the method the features that it asks for, and lets it train itself if it does.
fn prepare(
    method: &mut dyn Method,
    optimisation: Optimisation,
    protocol: &ResolvedProtocol,
    inputs: &mut TrainingInputs<'_>,
    labels: &Tensor,
    services: &Services<'_>,
) -> Result<()> {
    // What was reported while the method was created belongs to no step, either.
    services.end_step();
    if !inputs.needs.features {
        return Ok(());
    }
    let views = (0..inputs.needs.views.min(protocol.views).max(1)).map(&mut *inputs.features);
    let features = Tensor::f_cat(&views.collect::<Result<Vec<_>>>()?, 0)?;
    let first = FeatureSet { features, labels: labels.shallow_clone() };
    services.outside_of_steps(|| method.prepare(&first, inputs.validation.as_ref(), services))?;
    if optimisation == Optimisation::Fit {
        services.outside_of_steps(|| method.fit(&first, services))?;
    }
    Ok(())
}

/// The batches of a whole training on `images`, in order: each with its epoch, and the places of its images.
pub fn batches(
    protocol: &ResolvedProtocol,
    seed: u64,
    images: usize,
) -> impl Iterator<Item = (u64, Vec<usize>)> + Send + use<'_> {
    let of_epoch = move |epoch| batches_of(protocol, seed, images, epoch).into_iter().map(move |rows| (epoch, rows));
    (0..protocol.epochs).flat_map(of_epoch)
}

/// The batches of a zero-based epoch.
fn batches_of(protocol: &ResolvedProtocol, seed: u64, images: usize, epoch: u64) -> Vec<Vec<usize>> {
    let (in_epoch, steps) = (protocol.steps_per_epoch(images as u64), protocol.total_steps(images as u64));
    let in_epoch = in_epoch.min(steps.saturating_sub(epoch * in_epoch));
    let order = random::permutation(images, |n| random::draws(seed, "order", epoch, n));
    order.chunks(protocol.batch_size as usize).take(in_epoch as usize).map(<[usize]>::to_vec).collect()
}

/// Takes one step: loss, gradients, and an update of the parameters with the learning rate `rate`. Returns the loss.
///
/// What the method reported stays with `services` until [`Services::end_step`].
///
/// In the first step of `optimiser`, a gradient must reach every parameter that it moves, and at least one must be
/// nonzero somewhere. Later steps may leave parameters out, and a loss may have become constant.
///
/// # Errors
///
/// When loss, gradients or parameters are not finite, the first step's gradients are missing or all zero, the method
/// fails, or the run is cancelled. With a gradient scaler, a step with gradients that are not finite is skipped
/// instead.
pub fn step(
    method: &mut dyn Method,
    optimiser: &mut Optimiser,
    rate: f64,
    batch: &Batch,
    services: &Services<'_>,
) -> Result<f64> {
    if services.cancelled() {
        return Err(Error::new("the run was cancelled"));
    }
    optimiser.zero_grad();
    // A method that fills the gradients itself gives those of the loss as it is, without a scale.
    let (loss, scaled) = if let Some(loss) = method.compute_gradients(batch, services)? {
        (loss, false)
    } else {
        let loss = method.loss(batch, services)?;
        if !loss.defined() {
            return Err(Error::new("the loss is an undefined tensor").expected("a scalar"));
        }
        if !loss.requires_grad() {
            let what = "the loss does not depend on any parameter: it has no graph";
            return Err(Error::new(format!("{what}, in {}", place(batch))).help(WAY_OUT));
        }
        if loss.numel() != 1 {
            return Err(Error::new(format!("the loss has the shape {:?}", loss.size())).expected("a scalar"));
        }
        if optimiser.course.is_new() {
            Course::before_first_gradients(&loss, optimiser.parameters())?;
        }
        match optimiser.loss_scale() {
            1.0 => services.backward(&loss)?,
            scale => services.backward(&(&loss * scale))?,
        }
        (loss, true)
    };
    let value = no_grad(|| f64::try_from(&loss.to_kind(Kind::Double)))
        .map_err(|_| Error::new(format!("the loss has the shape {:?}", loss.size())).expected("a scalar"))?;
    let is_first = optimiser.course.is_new();
    optimiser.note_loss(value, batch, &services.reported())?;
    if is_first {
        Course::first_gradients(optimiser.parameters())?;
    }
    if scaled && optimiser.is_scaled() {
        optimiser.step_scaled(rate)?;
    } else {
        optimiser.course.gradients(batch, optimiser.parameters())?;
        optimiser.step(rate);
    }
    optimiser.course.parameters(batch, optimiser.parameters())?;
    Ok(value)
}

const LOSS: &str = "loss";

/// The host keeps two numbers of each epoch itself, which a report of the same name would be mixed with.
fn check_name(reported: &str) -> Result<()> {
    if ![LOSS, "learning_rate"].contains(&reported) {
        return Ok(());
    }
    Err(Error::new(format!("the method reports `{reported}`, which is recorded in any case"))
        .expected("a name of its own, such as `classification_loss` for a part of the loss"))
}

/// The elements of a scalar or vector.
fn to_numbers(value: &Tensor) -> Result<Vec<f64>> {
    Ok(Vec::try_from(&value.flatten(0, -1).to_device(Device::Cpu).to_kind(Kind::Double))?)
}

/// Running sums of named vectors.
#[derive(Default)]
struct Averages {
    sums: BTreeMap<String, (u64, Vec<f64>)>,
}

impl Averages {
    /// # Errors
    ///
    /// When there are more numbers than before, or fewer: a mean over steps is over the same ones.
    fn add(&mut self, name: &str, values: &[f64]) -> Result<()> {
        let (count, sums) = self.sums.entry(name.to_owned()).or_insert_with(|| (0, vec![0.0; values.len()]));
        if sums.len() != values.len() {
            let (before, now) = (sums.len(), values.len());
            return Err(Error::new(format!("the method reported {now} numbers as `{name}`, and {before} before"))
                .expected("the same count in each step of an epoch, which is averaged over its steps"));
        }
        *count += 1;
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
        Ok(())
    }

    fn into_record(self, learning_rate: f64) -> EpochRecord {
        let mut reported: BTreeMap<String, Vec<f64>> = self
            .sums
            .into_iter()
            .map(|(name, (count, sums))| (name, sums.into_iter().map(|sum| sum / count as f64).collect()))
            .collect();
        let loss = reported.remove(LOSS).and_then(|values| values.first().copied()).unwrap_or(f64::NAN);
        EpochRecord { learning_rate, loss, reported }
    }
}
