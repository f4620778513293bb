//! Evaluating a method, or the zero-shot baseline: logits of test features, predictions.

use super::services::Services;
use crate::backbone::Backbone;
use crate::dataset::class_words;
use crate::method::prompt::unit;
use crate::method::{Batch, Method};
use crate::{Error, Result};
use tch::{Kind, Tensor, no_grad};

/// The classes predicted for a test split, in its order, and what they should have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predictions {
    /// The predicted class of each image.
    pub predicted: Vec<u32>,
    /// The label of each image.
    pub labels: Vec<u32>,
}

/// Rows of features whose logits are computed at a time: the text features are then encoded once or a few times, and
/// the logits of a thousand classes take no more than some dozen megabytes.
const ROWS: i64 = 8192;

impl Predictions {
    /// How many are right.
    pub fn correct(&self) -> u64 {
        self.predicted.iter().zip(&self.labels).filter(|(predicted, label)| predicted == label).count() as u64
    }

    /// Top-1 accuracy in percent: all that is right by all there is (`dassl/evaluation/evaluator.py`).
    pub fn accuracy(&self) -> f64 {
        100.0 * self.correct() as f64 / self.labels.len() as f64
    }
}

/// Predicts the classes of `features` `[images, embed_dim]` by the method's logits.
///
/// # Errors
///
/// When the method fails or its logits have another shape than `[images, classes]`.
pub fn evaluate(
    method: &mut dyn Method,
    features: &Tensor,
    labels: &[u32],
    classes: usize,
    services: &Services<'_>,
) -> Result<Predictions> {
    predict(features, labels, classes, |rows, start| {
        let batch = Batch {
            items: (start..start + rows.size()[0]).map(|item| item as u64).collect(),
            labels: Tensor::zeros([0], (Kind::Int64, rows.device())),
            features: Some(rows.shallow_clone()),
            dense: None,
            pixels: None,
            epoch: 0,
            epochs: 0,
            step: 0,
            steps: 0,
        };
        Ok(method.logits(&batch, services)?)
    })
}

/// Logits `[images, classes]` of zero-shot CLIP: the prompts are the template with each class name in it
/// (`trainers/zsclip.py`).
///
/// # Errors
///
/// When a prompt is too long.
pub fn zero_shot_predictions(
    backbone: &dyn Backbone,
    features: &Tensor,
    labels: &[u32],
    class_names: &[String],
    template: &str,
) -> Result<Predictions> {
    let prompts: Vec<String> = class_names.iter().map(|name| template.replace("{}", &class_words(name))).collect();
    let text = no_grad(|| backbone.encode_strings(&prompts).map(|text| unit(&text)))?;
    let scale = backbone.spec().logit_scale;
    predict(features, labels, class_names.len(), |rows, _| Ok(unit(rows).f_matmul(&text.tr())? * scale))
}

fn predict(
    features: &Tensor,
    labels: &[u32],
    classes: usize,
    mut logits_of: impl FnMut(&Tensor, i64) -> Result<Tensor>,
) -> Result<Predictions> {
    let images = features.size()[0];
    let mut predicted = Vec::with_capacity(labels.len());
    for start in (0..images).step_by(ROWS as usize) {
        let rows = features.narrow(0, start, ROWS.min(images - start));
        let logits = no_grad(|| logits_of(&rows, start))?;
        let (wanted, found) = (vec![rows.size()[0], classes as i64], logits.size());
        if found != wanted {
            return Err(Error::new(format!("the logits have the shape {found:?}")).expected(format!("{wanted:?}")));
        }
        if !bool::try_from(logits.isfinite().all())? {
            return Err(Error::new("the logits are not finite"));
        }
        let best: Vec<i64> = Vec::try_from(&logits.argmax(-1, false).to_device(tch::Device::Cpu))?;
        predicted.extend(best.into_iter().map(|class| class as u32));
    }
    Ok(Predictions { predicted, labels: labels.to_vec() })
}
