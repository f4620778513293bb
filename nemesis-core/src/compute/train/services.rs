//! The host's services for a method: encoding, gradients, random draws, reports.

use crate::backbone::{Backbone, ClassPrompts};
use crate::method::{self, ClassPosition, Host, LogLevel, random};
use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use tch::{Tensor, no_grad, with_grad};

/// Whether text features are computed in one graph, or in chunks of classes that are recomputed for the gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recompute {
    /// One graph holds the activations of all classes.
    #[default]
    Never,
    /// The graph is cut at the text features, and at most this many classes have activations at any time.
    Chunks(usize),
    /// Chunks whose activations take about this many bytes; one graph if all activations fit.
    Within(u64),
}

/// The services for one task: a backbone, the task's classes and the cell's seed.
pub struct Services<'a> {
    backbone: &'a dyn Backbone,
    /// The backbone for contexts that get a gradient, if it is a different one: in mixed precision.
    mixed: Option<&'a dyn Backbone>,
    classes: &'a ClassPrompts,
    seed: u64,
    recompute: Recompute,
    cuts: RefCell<Vec<Cut>>,
    watched: RefCell<Vec<Tensor>>,
    reports: RefCell<BTreeMap<String, Vec<Tensor>>>,
    warnings: RefCell<Vec<String>>,
    cancelled: &'a AtomicBool,
}

/// A cut in the graph: text features whose graph is rebuilt, chunk by chunk, in the backward pass.
struct Cut {
    /// The contexts that came in, with whatever graph they have.
    contexts: Tensor,
    position: ClassPosition,
    /// How many classes are encoded at once.
    chunk: usize,
    /// The features that went out: a leaf, which collects their gradient.
    features: Tensor,
}

impl std::fmt::Debug for Services<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services")
            .field("classes", &self.classes.len())
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl<'a> Services<'a> {
    /// Services over a backbone for the given classes; `cancelled` is the run's flag.
    pub fn new(
        backbone: &'a dyn Backbone,
        classes: &'a ClassPrompts,
        seed: u64,
        recompute: Recompute,
        cancelled: &'a AtomicBool,
    ) -> Self {
        Self {
            backbone,
            mixed: None,
            classes,
            seed,
            recompute,
            cuts: RefCell::default(),
            watched: RefCell::default(),
            reports: RefCell::default(),
            warnings: RefCell::default(),
            cancelled,
        }
    }

    /// The same services in mixed precision: contexts that get a gradient are encoded by `mixed`, everything else as
    /// before.
    #[must_use]
    pub fn with_mixed(self, mixed: Option<&'a dyn Backbone>) -> Self {
        Self { mixed, ..self }
    }

    /// Whether there is a different backbone for gradients, so that the loss needs a scale.
    pub(super) fn is_mixed(&self) -> bool {
        self.mixed.is_some()
    }

    /// The backbone that encodes contexts, with a gradient or without.
    fn tower(&self, needs_graph: bool) -> &dyn Backbone {
        self.mixed.filter(|_| needs_graph).unwrap_or(self.backbone)
    }

    /// Names the parameters that [`Host::backward`] must reach through cuts.
    pub fn watch(&self, parameters: impl IntoIterator<Item = Tensor>) {
        *self.watched.borrow_mut() = parameters.into_iter().collect();
    }

    /// Ends a step: forgets its graph cuts and returns what was reported, by name, one tensor per report.
    pub fn end_step(&self) -> BTreeMap<String, Vec<Tensor>> {
        self.cuts.borrow_mut().clear();
        self.reports.take()
    }

    /// What was reported in the step so far.
    pub(super) fn reported(&self) -> Ref<'_, BTreeMap<String, Vec<Tensor>>> {
        self.reports.borrow()
    }

    /// The warnings logged by the method so far, which the caller shows and records.
    pub fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// Encodes all classes without a graph, a chunk at a time.
    fn encode_in_chunks(
        &self,
        tower: &dyn Backbone,
        contexts: &Tensor,
        position: ClassPosition,
        chunk: usize,
    ) -> method::Result<Tensor> {
        let parts = self
            .chunks(chunk)
            .map(|(start, classes)| {
                let part = class_range(contexts, start, classes.len());
                no_grad(|| tower.encode_contexts(&classes, &part, position))
            })
            .collect::<crate::Result<Vec<_>>>()?;
        Ok(Tensor::f_cat(&parts, 1)?)
    }

    /// How many classes are encoded at once, unless all of them are in one graph.
    fn chunk(&self, contexts: &Tensor, position: ClassPosition) -> Option<usize> {
        match self.recompute {
            Recompute::Never => None,
            Recompute::Chunks(chunk) => Some(chunk),
            Recompute::Within(budget) => {
                let needed = self.backbone.graph_bytes(self.classes, contexts, position);
                let fit = self.classes.len() as f64 * (budget as f64 / needed.max(1) as f64);
                (needed > budget).then_some((fit as usize).max(1))
            }
        }
    }

    fn chunks(&self, chunk: usize) -> impl Iterator<Item = (usize, ClassPrompts)> + '_ {
        let classes = self.classes.len();
        (0..classes)
            .step_by(chunk.max(1))
            .map(move |start| (start, self.classes.slice(start..classes.min(start + chunk))))
    }

    /// The gradients of `loss` in `inputs` through all cuts, the latest first: a cut's contexts may depend on the
    /// features of an earlier one. The graphs are kept, because loss and contexts may share parts. An input that the
    /// loss does not depend on gets an undefined tensor.
    fn gradients_through_cuts(&self, loss: &Tensor, inputs: &[&Tensor]) -> method::Result<Vec<Tensor>> {
        let cuts = self.cuts.borrow();
        // All that a backward pass may reach: the inputs first, then the features at each cut.
        let targets: Vec<&Tensor> = inputs.iter().copied().chain(cuts.iter().map(|cut| &cut.features)).collect();
        let mut gradients = Tensor::f_run_backward(&[loss], &targets, true, false)?;
        for (i, cut) in cuts.iter().enumerate().rev() {
            let at = inputs.len() + i;
            if !gradients[at].defined() || !cut.contexts.requires_grad() {
                continue;
            }
            let gradient = self.backward_of_encoding(cut, &gradients[at])?;
            let continued = with_grad(|| (&cut.contexts * gradient).sum(None::<tch::Kind>));
            let further = Tensor::f_run_backward(&[continued], &targets[..at], true, false)?;
            for (sum, part) in gradients.iter_mut().zip(further) {
                if part.defined() {
                    *sum = if sum.defined() { &*sum + part } else { part };
                }
            }
        }
        gradients.truncate(inputs.len());
        Ok(gradients)
    }

    /// The gradient in a cut's contexts of features whose gradient is known, a chunk of classes at a time.
    fn backward_of_encoding(&self, cut: &Cut, gradient: &Tensor) -> method::Result<Tensor> {
        let leaf = cut.contexts.detach().set_requires_grad(true);
        for (start, classes) in self.chunks(cut.chunk) {
            with_grad(|| -> method::Result<()> {
                let part = class_range(&leaf, start, classes.len());
                let features =
                    self.tower(true).encode_contexts(&classes, &part, cut.position).map_err(method::Error::from)?;
                let wanted = gradient.narrow(1, start as i64, classes.len() as i64);
                Ok((features * wanted).sum(None::<tch::Kind>).f_backward()?)
            })?;
        }
        Ok(leaf.grad())
    }
}

impl Host for Services<'_> {
    fn encode_strings(&self, prompts: &[String]) -> method::Result<Tensor> {
        no_grad(|| self.backbone.encode_strings(prompts)).map_err(method::Error::from)
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition) -> method::Result<Tensor> {
        let needs_graph = contexts.requires_grad() && grad_enabled();
        let tower = self.tower(needs_graph);
        let Some(chunk) = self.chunk(contexts, position) else {
            return tower.encode_contexts(self.classes, contexts, position).map_err(method::Error::from);
        };
        let features = self.encode_in_chunks(tower, contexts, position, chunk)?.set_requires_grad(needs_graph);
        if needs_graph {
            let (contexts, features) = (contexts.shallow_clone(), features.shallow_clone());
            self.cuts.borrow_mut().push(Cut { contexts, position, chunk, features });
        }
        Ok(features)
    }

    fn embed_text(&self, text: &str) -> method::Result<Tensor> {
        self.backbone.embed_text(text).map_err(method::Error::from)
    }

    fn backward(&self, loss: &Tensor) -> method::Result<()> {
        if self.cuts.borrow().is_empty() {
            return Ok(loss.f_backward()?);
        }
        let watched = self.watched.borrow();
        let watched: Vec<&Tensor> = watched.iter().collect();
        for (parameter, gradient) in watched.iter().zip(self.gradients_through_cuts(loss, &watched)?) {
            if gradient.defined() {
                // The gradient of this product is `gradient`, and this adds it to the leaf's own.
                with_grad(|| (*parameter * gradient).sum(None::<tch::Kind>)).f_backward()?;
            }
        }
        Ok(())
    }

    fn gradients(&self, loss: &Tensor, inputs: &[&Tensor]) -> method::Result<Vec<Tensor>> {
        let gradients = self.gradients_through_cuts(loss, inputs)?;
        let or_zeros = |(gradient, input): (Tensor, &&Tensor)| {
            if gradient.defined() { gradient } else { input.zeros_like() }
        };
        Ok(gradients.into_iter().zip(inputs).map(or_zeros).collect())
    }

    fn random(&self, purpose: &str, index: u64, count: usize) -> Vec<u64> {
        random::draws(self.seed, purpose, index, count)
    }

    fn report(&self, name: &str, value: &Tensor) {
        self.reports.borrow_mut().entry(name.to_owned()).or_default().push(value.detach());
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn log(&self, level: LogLevel, message: &str) {
        if level == LogLevel::Warn {
            self.warnings.borrow_mut().push(message.to_owned());
        }
    }
}

/// The contexts of a range of classes: all of them where one context serves every class.
fn class_range(contexts: &Tensor, start: usize, len: usize) -> Tensor {
    if contexts.size().get(1) == Some(&1) {
        contexts.shallow_clone()
    } else {
        contexts.narrow(1, start as i64, len as i64)
    }
}

/// Whether grad mode is on, which the method sets for itself.
fn grad_enabled() -> bool {
    let probe = Tensor::from(0.0f32).set_requires_grad(true);
    (&probe + 1.0).requires_grad()
}
