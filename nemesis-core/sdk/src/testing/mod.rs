//! A toy host, so that a method can be tested without a checkpoint, data or the harness.
//!
//! ```no_run
//! use nemesis_sdk::testing::ToyHost;
//!
//! let host = ToyHost::new(5);
//! let (task, batch) = (host.task(), host.batch(8, 0));
//! // let mut method = MyMethod::create(task, Options::default(), &host)?;
//! // let loss = method.loss(&batch, &host)?;
//! ```

mod gradients;
mod norm_loss;
mod tower;
mod transformer;

pub use gradients::check_gradients;
pub use norm_loss::check_norm_loss;
pub use tower::ToyTower;

use crate::random::{below, draws};
use crate::towers::{Changes, ImageFeatures, TowerSizes, Towers};
use crate::{Batch, ClassPosition, Host, LogLevel, Result, Task};
use std::cell::RefCell;
use tch::{Device, Kind, Tensor};

/// A host for tests, in double precision by default, over a [`ToyTower`]. It offers [`Towers`] to any method.
#[derive(Debug)]
pub struct ToyHost {
    towers: ToyTowers,
    reports: RefCell<Vec<(String, Tensor)>>,
    logged: RefCell<Vec<String>>,
}

/// The towers over the host's classes.
#[derive(Debug)]
struct ToyTowers {
    class_names: Vec<String>,
    tower: ToyTower,
}

impl ToyHost {
    /// A host for a task with this many classes. It makes libtorch compute on one thread: for a handful of numbers,
    /// several are slower, by far on a busy machine.
    pub fn new(classes: usize) -> Self {
        tch::set_num_threads(1);
        let tower = ToyTower { kind: Kind::Double, seed: 1 };
        let towers = ToyTowers { class_names: (0..classes).map(|class| format!("class {class}")).collect(), tower };
        Self { towers, reports: RefCell::default(), logged: RefCell::default() }
    }

    /// The same host with a different seed for its random draws.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        self.with(|tower| ToyTower { seed, ..tower })
    }

    /// The same host with a different tensor type.
    #[must_use]
    pub fn of_kind(self, kind: Kind) -> Self {
        self.with(|tower| ToyTower { kind, ..tower })
    }

    /// The task that a method is created for.
    pub fn task(&self) -> Task {
        Task {
            class_names: self.towers.class_names.clone(),
            template: "a photo of a {}.".to_owned(),
            width: ToyTower::WIDTH,
            embed_dim: ToyTower::EMBED_DIM,
            logit_scale: 10.0,
            device: Device::Cpu,
            kind: self.towers.tower.kind,
            precision: if self.towers.tower.kind == Kind::Double { "fp64" } else { "fp32" }.to_owned(),
            epochs: 4,
        }
    }

    /// A batch of random features, dense features and labels; the same step gives the same batch.
    pub fn batch(&self, images: usize, step: u64) -> Batch {
        let rows = images as i64;
        let labels = draws(7, "labels", step, images);
        let labels: Vec<i64> =
            labels.into_iter().map(|draw| below(draw, self.towers.class_names.len() as u64) as i64).collect();
        Batch {
            items: (0..images as u64).collect(),
            labels: Tensor::from_slice(&labels),
            features: Some(self.towers.tower.numbers("features", step, &[rows, ToyTower::EMBED_DIM])),
            dense: Some(self.towers.tower.numbers("dense", step, &[rows, 4, ToyTower::EMBED_DIM])),
            pixels: Some(self.towers.tower.numbers("pixels", step, &[rows, 3, ToyTower::SIDE, ToyTower::SIDE])),
            epoch: step.min(3),
            epochs: 4,
            step,
            steps: 4,
        }
    }

    /// What was reported since the last call, in order.
    pub fn take_reports(&self) -> Vec<(String, Tensor)> {
        self.reports.take()
    }

    /// What was logged so far.
    pub fn logged(&self) -> Vec<String> {
        self.logged.borrow().clone()
    }

    fn with(self, change: impl FnOnce(ToyTower) -> ToyTower) -> Self {
        Self { towers: ToyTowers { tower: change(self.towers.tower), ..self.towers }, ..self }
    }
}

impl Host for ToyHost {
    fn encode_strings(&self, prompts: &[String]) -> Result<Tensor> {
        self.towers.encode_strings(prompts, &Changes::default())
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition) -> Result<Tensor> {
        self.towers.encode_contexts(contexts, position, &Changes::default())
    }

    fn embed_text(&self, text: &str) -> Result<Tensor> {
        self.towers.tower.embeddings(&text.split_whitespace().collect::<Vec<_>>())
    }

    fn backward(&self, loss: &Tensor) -> Result<()> {
        Ok(loss.f_backward()?)
    }

    fn gradients(&self, loss: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let gradients = Tensor::f_run_backward(&[loss], inputs, true, false)?;
        let or_zeros =
            |(gradient, input): (Tensor, &&Tensor)| if gradient.defined() { gradient } else { input.zeros_like() };
        Ok(gradients.into_iter().zip(inputs).map(or_zeros).collect())
    }

    fn random(&self, purpose: &str, index: u64, count: usize) -> Vec<u64> {
        draws(self.towers.tower.seed, purpose, index, count)
    }

    fn report(&self, name: &str, value: &Tensor) {
        self.reports.borrow_mut().push((name.to_owned(), value.detach()));
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn log(&self, _level: LogLevel, message: &str) {
        self.logged.borrow_mut().push(message.to_owned());
    }

    fn towers(&self) -> Option<&dyn Towers> {
        Some(&self.towers)
    }
}

impl Towers for ToyTowers {
    fn sizes(&self) -> TowerSizes {
        ToyTower::SIZES
    }

    fn encode_images(&self, pixels: &Tensor, changes: &Changes, patches: bool) -> Result<ImageFeatures> {
        self.tower.encode_images(pixels, changes, patches)
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition, changes: &Changes) -> Result<Tensor> {
        self.tower.encode_contexts(&self.class_names, contexts, position, changes)
    }

    fn encode_strings(&self, prompts: &[String], changes: &Changes) -> Result<Tensor> {
        self.tower.encode_strings(prompts, changes)
    }
}
