//! Checks of methods that ask for the towers, and the hosts that other checks give them.

use super::stage::without_labels;
use super::subject::{Finding, Subject, ensure, skipped};
use crate::method::towers::{Changes, ImageFeatures, TowerSizes, Towers};
use crate::method::{ClassPosition, Host, LogLevel, Method, Result};
use crate::train::{Recompute, Services};
use std::cell::Cell;
use std::time::{Duration, Instant};
use tch::Tensor;

pub(super) fn used(subject: &Subject) -> Finding {
    let asks = subject.needs()?.towers;
    // A method that uses them without asking for them fails here, with what the host's service says.
    let (stage, mut method, batch) = subject.scene()?;
    let services = stage.services(1, Recompute::Never);
    let timed = Timed::new(&services);
    let _created = subject.plugin()?.create_method(&stage.task(), &subject.options, &timed)?;
    let _logits = method.logits(&without_labels(&batch), &timed)?;
    if subject.learns_by_gradients().is_ok() {
        let _loss = method.loss(&batch, &timed)?;
    }
    if !asks {
        return skipped("the method does not ask for the towers");
    }
    ensure(timed.tower_calls.get() > 0, || "it asks for the towers but does not use them".to_owned())
}

/// A host that adds up the time spent in its services, and the calls of its towers.
pub(super) struct Timed<'a> {
    host: &'a Services<'a>,
    pub(super) spent: Cell<Duration>,
    tower_calls: Cell<usize>,
}

impl<'a> Timed<'a> {
    pub(super) fn new(host: &'a Services<'a>) -> Self {
        Self { host, spent: Cell::new(Duration::ZERO), tower_calls: Cell::new(0) }
    }

    fn time<T>(&self, service: impl FnOnce(&Services<'_>) -> T) -> T {
        let start = Instant::now();
        let result = service(self.host);
        self.spent.set(self.spent.get() + start.elapsed());
        result
    }

    fn encode<T>(&self, service: impl FnOnce(&dyn Towers) -> T) -> T {
        self.tower_calls.set(self.tower_calls.get() + 1);
        self.time(|host| service(host))
    }
}

impl Host for Timed<'_> {
    fn encode_strings(&self, prompts: &[String]) -> Result<Tensor> {
        self.time(|host| Host::encode_strings(host, prompts))
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition) -> Result<Tensor> {
        self.time(|host| Host::encode_contexts(host, contexts, position))
    }

    fn embed_text(&self, text: &str) -> Result<Tensor> {
        self.time(|host| host.embed_text(text))
    }

    fn backward(&self, loss: &Tensor) -> Result<()> {
        self.time(|host| host.backward(loss))
    }

    fn gradients(&self, loss: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        self.time(|host| host.gradients(loss, inputs))
    }

    fn random(&self, purpose: &str, index: u64, count: usize) -> Vec<u64> {
        self.time(|host| host.random(purpose, index, count))
    }

    fn report(&self, name: &str, value: &Tensor) {
        self.time(|host| host.report(name, value));
    }

    fn cancelled(&self) -> bool {
        self.host.cancelled()
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.host.log(level, message);
    }

    fn towers(&self) -> Option<&dyn Towers> {
        self.host.towers().map(|_| self as &dyn Towers)
    }
}

impl Towers for Timed<'_> {
    fn sizes(&self) -> TowerSizes {
        self.host.sizes()
    }

    fn encode_images(&self, pixels: &Tensor, changes: &Changes, patches: bool) -> Result<ImageFeatures> {
        self.encode(|towers| towers.encode_images(pixels, changes, patches))
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition, changes: &Changes) -> Result<Tensor> {
        self.encode(|towers| towers.encode_contexts(contexts, position, changes))
    }

    fn encode_strings(&self, prompts: &[String], changes: &Changes) -> Result<Tensor> {
        self.encode(|towers| towers.encode_strings(prompts, changes))
    }
}

/// Towers whose every function panics.
pub(super) struct PanickingTowers;

impl Towers for PanickingTowers {
    fn sizes(&self) -> TowerSizes {
        panic!("the host's tower `sizes` panics");
    }

    fn encode_images(&self, _: &Tensor, _: &Changes, _: bool) -> Result<ImageFeatures> {
        panic!("the host's tower `encode_images` panics");
    }

    fn encode_contexts(&self, _: &Tensor, _: ClassPosition, _: &Changes) -> Result<Tensor> {
        panic!("the host's tower `encode_contexts` panics");
    }

    fn encode_strings(&self, _: &[String], _: &Changes) -> Result<Tensor> {
        panic!("the host's tower `encode_strings` panics");
    }
}
