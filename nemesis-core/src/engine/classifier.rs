//! What was learned, at work on images: the one way from a state to logits, in evaluations and in predictions.

use super::classes::refuse_other_classes;
use super::task;
use crate::Result;
use crate::backbone::Backbone;
use crate::method::{State, Task};
use crate::plugin::Plugin;
use crate::record::MethodKey;
use crate::train::{Classified, Pictures, Precision, Recompute, Seen, Services, TestInputs, classify};
use std::cell::LazyCell;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use tch::Tensor;

/// A method with what it has learned, for some classes.
#[derive(Debug)]
pub struct Classifier<'a> {
    /// The method and its options.
    pub method: &'a MethodKey,
    /// What it has learned.
    pub state: State,
    /// The classes that it was learned for, as far as that is known.
    pub learned_for: Option<Vec<String>>,
    /// The classes that images are to be told apart by, as prompts have them.
    pub class_names: Vec<String>,
    /// The template of the data set's prompts.
    pub template: &'a str,
    /// The seed that was learned with.
    pub seed: u64,
    /// The precision that everything is computed in.
    pub precision: Precision,
    /// Whether text features are computed in chunks.
    pub recompute: Recompute,
}

impl Classifier<'_> {
    /// Hands on what each batch of some image files is classified as, and returns what the method warned of. Features
    /// `[images, embed_dim]` of all of them are asked for where the method wants them and nothing else.
    ///
    /// # Errors
    ///
    /// When the method cannot be created, what it learned belongs to other classes, an image cannot be read, or the method
    /// fails; and what `on_batch` fails with.
    pub fn classify(
        &self,
        backbone: &dyn Backbone,
        plugin: &Plugin,
        paths: impl FnOnce() -> Vec<PathBuf>,
        images: usize,
        features: impl FnOnce() -> Result<Tensor>,
        on_batch: &mut dyn FnMut(Classified) -> Result<()>,
    ) -> Result<Vec<String>> {
        let never_cancelled = AtomicBool::new(false);
        let (key, names, needs) = (self.method, &self.class_names, plugin.descriptor().needs);
        let prompts = backbone.class_prompts(names, 0)?;
        let services =
            Services::new(backbone, &prompts, self.seed, self.recompute, &never_cancelled).with_towers(needs);
        let task = task(backbone.spec(), names.clone(), self.template, 0, self.precision);
        let mut method = plugin.create(&task, &key.options, &services)?;
        if let Some(learned_for) = self.learned_for.as_ref().filter(|learned_for| *learned_for != names) {
            refuse_other_classes(&self.state, learned_for, names, |names| {
                let prompts = backbone.class_prompts(names, 0)?;
                let task = Task { class_names: names.to_vec(), ..task.clone() };
                let services =
                    Services::new(backbone, &prompts, self.seed, self.recompute, &never_cancelled).with_towers(needs);
                Ok(plugin.create(&task, &key.options, &services)?.state()?)
            })?;
        }
        method.load_state(&self.state)?;
        let features = needs.features_alone().then(features).transpose()?;
        // Most methods look at no picture.
        let pictures = LazyCell::new(|| Pictures::of_files(backbone, paths()));
        let at_a_time = Pictures::at_a_time(backbone, needs);
        let mut classify = |seen: &dyn Fn(&[usize]) -> Result<Seen>| {
            let inputs = TestInputs::new(images, needs, features.as_ref(), seen, at_a_time);
            classify(&mut *method, &inputs, names.len(), &services, on_batch)
        };
        if needs.images() {
            let starts = (0..images).step_by(at_a_time);
            let batches = starts.map(|start| (0, (start..images.min(start + at_a_time)).collect()));
            pictures.ahead(backbone.spec().kind, batches, |ahead| {
                classify(&|places| ahead.see(backbone, needs, 0, places))
            })?;
        } else {
            classify(&|_| Ok(Seen::default()))?;
        }
        Ok(services.take_warnings())
    }
}
