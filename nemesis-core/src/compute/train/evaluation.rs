//! Evaluating a method, or the zero-shot baseline: logits of test images, predictions.

use super::pictures::Seen;
use super::services::Services;
use crate::backbone::Backbone;
use crate::backbone::class_words;
use crate::method::prompt::unit;
use crate::method::templates::{Average, text_features};
use crate::method::{self, Batch, Method, Needs};
use crate::{Error, Result};
use tch::{Device, Kind, Tensor, no_grad};

/// The classes predicted for a test split, in its order, and what they should have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predictions {
    /// The predicted class of each image.
    pub predicted: Vec<u32>,
    /// The label of each image.
    pub labels: Vec<u32>,
}

/// Rows of features whose logits are computed at once. Text features are then encoded only once or a few times, and the
/// logits of a thousand classes take a few dozen megabytes at most.
const ROWS: usize = 8192;

impl Predictions {
    /// How many predictions are correct.
    pub fn correct(&self) -> u64 {
        self.predicted.iter().zip(&self.labels).filter(|(predicted, label)| predicted == label).count() as u64
    }

    /// Adds a batch that was classified.
    pub fn extend(&mut self, batch: Classified) {
        self.predicted.extend(batch.classes);
    }

    /// Top-1 accuracy in percent: correct predictions over all (`dassl/evaluation/evaluator.py`).
    pub fn accuracy(&self) -> f64 {
        100.0 * self.correct() as f64 / self.labels.len() as f64
    }
}

/// Gives what a batch contains, by the indices of its images.
type SeenAt<'a> = dyn Fn(&[usize]) -> Result<Seen> + 'a;

/// What a method sees of test images.
pub struct TestInputs<'a> {
    /// How many images there are.
    images: usize,
    /// Features `[images, embed_dim]` of all of them.
    features: Option<&'a Tensor>,
    /// Gives what a batch contains, by the indices of its images, and how many images to look at in one batch.
    seen: Option<(&'a SeenAt<'a>, usize)>,
}

impl<'a> TestInputs<'a> {
    /// Features `[images, embed_dim]`, and nothing else.
    pub fn features(features: &'a Tensor) -> Self {
        Self { images: features.size()[0] as usize, features: Some(features), seen: None }
    }

    /// What `needs` asks for of so many images: features `[images, embed_dim]` of all of them, unless they come with
    /// the dense ones, and what a batch of at most `at_a_time` shows of its images, by their places.
    pub fn new(
        images: usize,
        needs: Needs,
        features: Option<&'a Tensor>,
        seen: &'a SeenAt<'a>,
        at_a_time: usize,
    ) -> Self {
        Self { images, features, seen: needs.images().then_some((seen, at_a_time)) }
    }

    /// The batches of an evaluation, one after the other; those of images are small.
    pub fn batches(&self) -> impl Iterator<Item = Result<Batch>> {
        let rows = self.seen.map_or(ROWS, |(_, at_a_time)| at_a_time);
        (0..self.images).step_by(rows).map(move |start| self.batch(start, rows.min(self.images - start)))
    }

    fn batch(&self, start: usize, count: usize) -> Result<Batch> {
        let places: Vec<usize> = (start..start + count).collect();
        let seen = self.seen.map_or_else(|| Ok(Seen::default()), |(seen, _)| seen(&places))?;
        // A copy: other cells share these features, and a method may change what it is given.
        let rows = |all: &Tensor| all.narrow(0, start as i64, count as i64).copy();
        let features = self.features.map(rows).or(seen.features);
        let device =
            [&features, &seen.dense, &seen.pixels].into_iter().flatten().next().map_or(Device::Cpu, Tensor::device);
        Ok(Batch {
            items: places.into_iter().map(|place| place as u64).collect(),
            labels: Tensor::zeros([0], (Kind::Int64, device)),
            features,
            dense: seen.dense,
            pixels: seen.pixels,
            epoch: 0,
            epochs: 0,
            step: 0,
            steps: 0,
        })
    }
}

impl std::fmt::Debug for TestInputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestInputs").field("images", &self.images).finish_non_exhaustive()
    }
}

/// A batch of images that was classified.
#[derive(Debug)]
pub struct Classified {
    /// The logits `[images, classes]`, all of them finite.
    pub logits: Tensor,
    /// The class of each image whose logit is the highest.
    pub classes: Vec<u32>,
}

/// Classifies images by the method's logits, and hands on each batch.
///
/// # Errors
///
/// When an image cannot be read, the method fails or its logits have another shape than `[images, classes]` or are not
/// finite, and what `on_batch` fails with.
pub fn classify(
    method: &mut dyn Method,
    inputs: &TestInputs<'_>,
    classes: usize,
    services: &Services<'_>,
    on_batch: &mut dyn FnMut(Classified) -> Result<()>,
) -> Result<()> {
    classify_by(inputs, classes, |batch| Ok(method.logits(batch, services)?), on_batch)
}

/// Predicts the classes of test images by the method's logits.
///
/// # Errors
///
/// As those of [`classify`].
pub fn evaluate(
    method: &mut dyn Method,
    inputs: &TestInputs<'_>,
    labels: &[u32],
    classes: usize,
    services: &Services<'_>,
) -> Result<Predictions> {
    let mut predictions = Predictions { predicted: Vec::with_capacity(labels.len()), labels: labels.to_vec() };
    classify(method, inputs, classes, services, &mut |batch| {
        predictions.extend(batch);
        Ok(())
    })?;
    Ok(predictions)
}

/// Predictions of zero-shot CLIP: the prompts are each template with each class name in it (`trainers/zsclip.py`; for
/// several templates OpenAI's notebook).
///
/// # Errors
///
/// When there is no template, or a prompt is too long.
pub fn zero_shot_predictions<T: AsRef<str>>(
    backbone: &dyn Backbone,
    features: &Tensor,
    labels: &[u32],
    class_names: &[String],
    templates: &[T],
) -> Result<Predictions> {
    let names: Vec<String> = class_names.iter().map(|name| class_words(name)).collect();
    let encode = |prompts: &[String]| backbone.encode_strings(prompts).map_err(method::Error::from);
    let text = text_features(&names, templates, Average::OfUnits, encode)?;
    predictions_of(backbone, features, labels, &text)
}

/// Predictions of zero-shot CLIP from sentences for each class, whose features are averaged as unit vectors, as for
/// several templates.
///
/// # Errors
///
/// When a class has no sentence, or one is too long.
pub fn described_predictions(
    backbone: &dyn Backbone,
    features: &Tensor,
    labels: &[u32],
    sentences: &[Vec<String>],
) -> Result<Predictions> {
    let mean = |own: &Vec<String>| {
        if own.is_empty() {
            return Err(Error::new("a class has no description"));
        }
        Ok(unit(&unit(&backbone.encode_strings(own)?).mean_dim([0i64].as_slice(), false, None::<Kind>)))
    };
    let means = no_grad(|| sentences.iter().map(mean).collect::<Result<Vec<_>>>())?;
    predictions_of(backbone, features, labels, &Tensor::f_stack(&means, 0)?)
}

/// Predictions with text features `[classes, embed_dim]` of length one.
fn predictions_of(backbone: &dyn Backbone, features: &Tensor, labels: &[u32], text: &Tensor) -> Result<Predictions> {
    let scale = backbone.spec().logit_scale;
    let inputs = TestInputs::features(features);
    let logits_of = |batch: &Batch| Ok(unit(batch.features()?).f_matmul(&text.tr())? * scale);
    let mut predictions = Predictions { predicted: Vec::with_capacity(labels.len()), labels: labels.to_vec() };
    classify_by(&inputs, text.size()[0] as usize, logits_of, &mut |batch| {
        predictions.extend(batch);
        Ok(())
    })?;
    Ok(predictions)
}

fn classify_by(
    inputs: &TestInputs<'_>,
    classes: usize,
    mut logits_of: impl FnMut(&Batch) -> Result<Tensor>,
    on_batch: &mut dyn FnMut(Classified) -> Result<()>,
) -> Result<()> {
    for batch in inputs.batches() {
        let batch = batch?;
        let logits = no_grad(|| logits_of(&batch))?;
        if !logits.defined() {
            return Err(Error::new("the logits are an undefined tensor").expected("floating-point numbers"));
        }
        let (wanted, found) = (vec![batch.items.len() as i64, classes as i64], logits.size());
        if found != wanted {
            return Err(Error::new(format!("the logits have the shape {found:?}")).expected(format!("{wanted:?}")));
        }
        if !logits.is_floating_point() {
            return Err(Error::new(format!("the logits are of the type {:?}", logits.kind()))
                .expected("floating-point numbers")
                .help("whole numbers lose what tells classes apart"));
        }
        let finite = logits.isfinite().all_dim(1, false);
        if !bool::try_from(finite.all())? {
            let broken = i64::try_from(finite.logical_not().sum(Kind::Int64))?;
            return Err(Error::new(format!("the logits of {broken} of {} test images are not finite", found[0]))
                .help("check what was learned, and the formula of the method's logits"));
        }
        let best: Vec<i64> = Vec::try_from(&logits.argmax(-1, false).to_device(Device::Cpu))?;
        on_batch(Classified { logits, classes: best.into_iter().map(|class| class as u32).collect() })?;
    }
    Ok(())
}
