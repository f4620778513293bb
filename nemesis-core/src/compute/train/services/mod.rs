//! The host's services for a method: encoding, gradients, random draws, reports.

mod cuts;
mod encoding;
mod towers;

use crate::backbone::{Backbone, ClassPrompts};
use crate::method::towers::Towers;
use crate::method::{self, ClassPosition, Host, LogLevel, Needs, random};
use cuts::Cut;
use encoding::Encoding;
use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use tch::{Tensor, no_grad};

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

impl Recompute {
    /// The bytes that activations may take, if they are bounded so.
    pub(crate) fn activations(self) -> Option<u64> {
        if let Self::Within(bytes) = self { Some(bytes) } else { None }
    }
}

/// The services for one task: a backbone, the task's classes and the cell's seed.
pub struct Services<'a> {
    backbone: &'a dyn Backbone,
    /// The backbone for contexts that get a gradient, if it is a different one: in mixed precision.
    mixed: Option<&'a dyn Backbone>,
    classes: &'a ClassPrompts,
    seed: u64,
    recompute: Recompute,
    /// Whether the method may change something in the towers.
    offers_towers: bool,
    cuts: RefCell<Vec<Cut>>,
    /// How many cuts there have been, those that are forgotten included.
    cuts_made: Cell<u64>,
    /// Whether a step or an evaluation may be going on; not while a method prepares or trains itself.
    in_step: Cell<bool>,
    /// About how many bytes the graphs of this step take that are not cut, those of towers with changes.
    held: Cell<u64>,
    reports: RefCell<BTreeMap<String, Vec<Tensor>>>,
    warnings: RefCell<Vec<String>>,
    cancelled: &'a AtomicBool,
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
            offers_towers: false,
            cuts: RefCell::default(),
            cuts_made: Cell::default(),
            in_step: Cell::new(true),
            held: Cell::default(),
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

    /// The same services with towers for a method whose descriptor asks for them.
    #[must_use]
    pub fn with_towers(self, needs: Needs) -> Self {
        Self { offers_towers: needs.towers, ..self }
    }

    /// Whether there is a different backbone for gradients, so that the loss needs a scale.
    pub(super) fn is_mixed(&self) -> bool {
        self.mixed.is_some()
    }

    /// The backbone that encodes, with a gradient or without.
    fn tower(&self, needs_graph: bool) -> &dyn Backbone {
        self.mixed.filter(|_| needs_graph).unwrap_or(self.backbone)
    }

    /// Runs a call of the method that is no step, such as that of `fit`: what it reports is dropped, and cuts in the graph
    /// go once the method is done with them.
    pub(crate) fn outside_of_steps<T>(&self, call: impl FnOnce() -> T) -> T {
        self.in_step.set(false);
        let result = call();
        self.in_step.set(true);
        self.end_step();
        result
    }

    /// Ends a step: forgets its graph cuts and returns what was reported, by name, one tensor per report.
    pub fn end_step(&self) -> BTreeMap<String, Vec<Tensor>> {
        self.cuts.borrow_mut().clear();
        self.held.set(0);
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

    /// What an encoding gives that gives one tensor.
    fn one(&self, encoding: Encoding) -> method::Result<Tensor> {
        let features = self.encode(encoding)?.pop();
        features.ok_or_else(|| method::Error::new("there is nothing to encode"))
    }
}

impl Host for Services<'_> {
    fn encode_strings(&self, prompts: &[String]) -> method::Result<Tensor> {
        no_grad(|| self.backbone.encode_strings(prompts)).map_err(method::Error::from)
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition) -> method::Result<Tensor> {
        self.one(Encoding::Frozen { contexts: contexts.shallow_clone(), position })
    }

    fn embed_text(&self, text: &str) -> method::Result<Tensor> {
        self.backbone.embed_text(text).map_err(method::Error::from)
    }

    fn backward(&self, loss: &Tensor) -> method::Result<()> {
        if self.cuts.borrow().is_empty() {
            return Ok(loss.f_backward()?);
        }
        self.backward_through_cuts(loss)
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
        if !self.in_step.get() {
            return;
        }
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

    fn towers(&self) -> Option<&dyn Towers> {
        (self.offers_towers && self.backbone.towers().is_some()).then_some(self)
    }
}

/// Whether grad mode is on, which the method sets for itself.
fn grad_enabled() -> bool {
    let probe = Tensor::from(0.0f32).set_requires_grad(true);
    (&probe + 1.0).requires_grad()
}
