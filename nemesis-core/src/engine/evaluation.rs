//! An evaluation cell: what a training has left, or zero-shot CLIP, on test images.

use super::{Classifier, Engine, Notice, clean_names, opened, unchanged};
use crate::dataset::{ClassSubset, Sample, limited_test};
use crate::record::{Evaluated, EvaluationCell, Subject, TrainingCell};
use crate::train::{Predictions, context_norms, corrupt, described_predictions, zero_shot_predictions};
use crate::{Error, Result};
use std::time::Instant;
use tch::Tensor;

impl Engine {
    pub(super) fn evaluate(&mut self, cell: &EvaluationCell, tell: &mut dyn FnMut(Notice<'_>)) -> Result<()> {
        let started = Instant::now();
        self.enter(cell.home());
        let dataset = opened(&self.registry, &mut self.datasets, &self.setup.data, &cell.dataset, &cell.manifest)?;
        let classes = dataset.class_names().len();
        let test = limited_test(dataset, cell.limit);
        let of_subset = cell.classes.samples(&test, classes);
        unchanged(dataset, &cell.images, &self.features.images(dataset.folder(), &of_subset)?)?;
        let labels: Vec<u32> = of_subset.iter().map(|sample| sample.label).collect();
        let names = clean_names(cell.classes.class_names(dataset.class_names()));
        let (backbone, folder) = (&*self.backbone, dataset.folder());
        // All classes' features are encoded together, so that base, new and all share them.
        let mut features = || {
            let features = self.features.test(backbone, folder, &test)?;
            Ok::<_, Error>(rows_of_subset(&features, &test, cell.classes, classes))
        };
        let mut norms = Vec::new();
        // The method, what it has learned, and the seed that it learned it with. An imported state is all there is of
        // its training, and without a corruption nothing is drawn in an evaluation.
        let learned = match &cell.subject {
            Subject::ZeroShot { template } => Err(Prompts::Templates(std::slice::from_ref(template))),
            Subject::Ensemble { templates, .. } => Err(Prompts::Templates(templates)),
            Subject::Described { sentences, .. } => Err(Prompts::Sentences(sentences)),
            Subject::Training { cell: training } => {
                let id = training.id();
                let record = self.store.get::<TrainingCell>(&id)?.ok_or_else(|| self.store.failure_of_training(&id))?;
                let classes = self.store.classes_of_state(self.store.hash_of_learned(&record, cell.epoch)?);
                Ok((
                    &training.method,
                    self.store.learned(&record, cell.epoch)?,
                    classes?,
                    training.seeds().initialisation,
                ))
            }
            Subject::Imported { state, method } => {
                Ok((method, self.store.state(state)?, self.store.classes_of_state(state)?, 0))
            }
        };
        let predictions = match learned {
            Err(Prompts::Templates(templates)) => {
                zero_shot_predictions(backbone, &features()?, &labels, &names, templates)?
            }
            Err(Prompts::Sentences(sentences)) => {
                if sentences.len() != names.len() {
                    let (described, tested) = (sentences.len(), names.len());
                    return Err(Error::new(format!("{described} classes are described, and {tested} are tested")));
                }
                described_predictions(backbone, &features()?, &labels, sentences)?
            }
            Ok((key, mut state, learned_for, seed)) => {
                if let Some(corruption) = &cell.corruption {
                    corrupt(&mut state, corruption, seed)?;
                }
                norms = context_norms(&state)?;
                let classifier = Classifier {
                    method: key,
                    state,
                    learned_for,
                    class_names: names.clone(),
                    template: dataset.template(),
                    seed,
                    precision: self.setup.precision,
                    recompute: self.recompute,
                };
                let mut predictions = Predictions { predicted: Vec::new(), labels: labels.clone() };
                let paths = || of_subset.iter().map(|sample| folder.join(&sample.path)).collect();
                let plugin = self.plugins.get(key)?;
                let warnings = classifier.classify(backbone, plugin, paths, labels.len(), features, &mut |batch| {
                    predictions.extend(batch);
                    Ok(())
                })?;
                for warning in warnings {
                    tell(Notice::Warning(&warning));
                }
                predictions
            }
        };
        let provenance = self.provenance(cell.subject.method(), started)?;
        let evaluated = Evaluated {
            predicted: &predictions.predicted,
            labels: &labels,
            classes: names.len(),
            context_norms: norms,
        };
        self.store.put_evaluation(cell, evaluated, provenance)?;
        Ok(())
    }
}

/// Hand-written prompts.
enum Prompts<'a> {
    /// What each class name is put into.
    Templates(&'a [String]),
    /// Sentences of each class.
    Sentences(&'a [Vec<String>]),
}

/// The rows of test features whose classes are in a subset, in their order.
fn rows_of_subset(features: &Tensor, test: &[Sample], subset: ClassSubset, classes: usize) -> Tensor {
    if subset == ClassSubset::All {
        return features.shallow_clone();
    }
    let labels = subset.labels(classes);
    let rows: Vec<i64> =
        (0..).zip(test).filter(|(_, s)| labels.contains(&(s.label as usize))).map(|(i, _)| i).collect();
    features.index_select(0, &Tensor::from_slice(&rows).to_device(features.device()))
}
