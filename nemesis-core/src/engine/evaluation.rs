//! An evaluation cell: what a training has left, or zero-shot CLIP, on test images.

use super::classes::refuse_other_classes;
use super::{Engine, Notice, clean_names, opened, task, unchanged};
use crate::backbone::Backbone;
use crate::dataset::{ClassSubset, Sample, limited_test};
use crate::method::Task;
use crate::record::{Evaluated, EvaluationCell, Subject, TrainingCell};
use crate::train::{Pictures, Services, TestInputs, context_norms, corrupt, evaluate, zero_shot_predictions};
use crate::{Error, Result};
use std::cell::LazyCell;
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
        let (backbone, folder) = (&self.backbone, dataset.folder());
        // All classes' features are encoded together, so that base, new and all share them.
        let mut features = || {
            let features = self.features.test(backbone, folder, &test)?;
            Ok::<_, Error>(rows_of_subset(&features, &test, cell.classes, classes))
        };
        let mut norms = Vec::new();
        // The method, what it has learned, and the seed that it learned it with. An imported state is all there is of
        // its training, and without a corruption nothing is drawn in an evaluation.
        let learned = match &cell.subject {
            Subject::ZeroShot { template } => Err(template),
            Subject::Training { cell: training } => {
                let id = training.id();
                let record = self.store.get::<TrainingCell>(&id)?.ok_or_else(|| self.store.failure_of_training(&id))?;
                let classes = self.store.classes_of_state(self.store.hash_of_learned(&record, cell.epoch)?);
                Ok((&training.method, self.store.learned(&record, cell.epoch)?, classes?, training.seed))
            }
            Subject::Imported { state, method } => {
                Ok((method, self.store.state(state)?, self.store.classes_of_state(state)?, 0))
            }
        };
        let predictions = match learned {
            Err(template) => zero_shot_predictions(backbone, &features()?, &labels, &names, template)?,
            Ok((key, mut state, learned_for, seed)) => {
                let plugin = self.plugins.get(key)?;
                let needs = plugin.descriptor().needs;
                let prompts = backbone.class_prompts(&names, 0)?;
                let services = Services::new(backbone, &prompts, seed, self.recompute, &self.cancelled);
                let task = task(backbone.spec(), names.clone(), dataset.template(), 0, self.setup.precision);
                let mut method = plugin.create(&task, &key.options, &services)?;
                if let Some(learned_for) = learned_for.filter(|learned_for| *learned_for != names) {
                    let shapes_for = |names: &[String]| {
                        let prompts = backbone.class_prompts(names, 0)?;
                        let services = Services::new(backbone, &prompts, seed, self.recompute, &self.cancelled);
                        let task = Task { class_names: names.to_vec(), ..task.clone() };
                        Ok(plugin.create(&task, &key.options, &services)?.state()?)
                    };
                    refuse_other_classes(&state, &learned_for, &names, shapes_for)?;
                }
                if let Some(corruption) = &cell.corruption {
                    corrupt(&mut state, corruption, seed)?;
                }
                norms = context_norms(&state)?;
                method.load_state(&state)?;
                let features = needs.features_alone().then(&mut features).transpose()?;
                // Most methods look at no picture.
                let pictures = LazyCell::new(|| {
                    let paths = of_subset.iter().map(|sample| folder.join(&sample.path)).collect();
                    Pictures::of_files(backbone, paths)
                });
                let seen = |places: &[usize]| pictures.see(backbone, needs, 0, places);
                let inputs = TestInputs::new(labels.len(), needs, features.as_ref(), &seen);
                let predictions = evaluate(&mut *method, &inputs, &labels, names.len(), &services)?;
                for warning in services.take_warnings() {
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
