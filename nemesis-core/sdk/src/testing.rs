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

use crate::random::{below, draws, normals};
use crate::{Batch, ClassPosition, Error, Host, LogLevel, Result, Task};
use std::cell::RefCell;
use tch::{Device, Kind, Tensor, no_grad};

/// A host whose "text tower" is one small layer, in double precision: every context vector, the class and the class
/// position change the features, and nothing else does.
#[derive(Debug)]
pub struct ToyHost {
    classes: usize,
    kind: Kind,
    seed: u64,
    reports: RefCell<Vec<(String, Tensor)>>,
    logged: RefCell<Vec<String>>,
}

/// Width of a context vector.
const WIDTH: i64 = 6;
/// Width of the embedding space.
const EMBED_DIM: i64 = 5;
/// The longest prompt in tokens.
const CONTEXT_LENGTH: i64 = 77;

impl ToyHost {
    /// A host for a task of so many classes.
    pub fn new(classes: usize) -> Self {
        Self { classes, kind: Kind::Double, seed: 1, reports: RefCell::default(), logged: RefCell::default() }
    }

    /// The same host with another seed for its random draws.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same host with another type of tensors.
    #[must_use]
    pub fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The task that a method is created for.
    pub fn task(&self) -> Task {
        Task {
            class_names: (0..self.classes).map(|class| format!("class {class}")).collect(),
            template: "a photo of a {}.".to_owned(),
            width: WIDTH,
            embed_dim: EMBED_DIM,
            logit_scale: 10.0,
            device: Device::Cpu,
            kind: self.kind,
            precision: if self.kind == Kind::Double { "fp64" } else { "fp32" }.to_owned(),
            epochs: 4,
        }
    }

    /// A batch of random features, dense features and labels; the same step gives the same batch.
    pub fn batch(&self, images: usize, step: u64) -> Batch {
        let rows = images as i64;
        let labels = draws(7, "labels", step, images);
        let labels: Vec<i64> = labels.into_iter().map(|draw| below(draw, self.classes as u64) as i64).collect();
        Batch {
            items: (0..images as u64).collect(),
            labels: Tensor::from_slice(&labels),
            features: Some(self.numbers("features", step, &[rows, EMBED_DIM])),
            dense: Some(self.numbers("dense", step, &[rows, 4, EMBED_DIM])),
            pixels: Some(self.numbers("pixels", step, &[rows, 3, 8, 8])),
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

    /// Constant numbers of about one, a pure function of the name.
    fn numbers(&self, name: &str, index: u64, shape: &[i64]) -> Tensor {
        let count = shape.iter().product::<i64>() as usize;
        let numbers = normals(count, |bits| draws(99, name, index, bits));
        Tensor::from_slice(&numbers).view(shape).to_kind(self.kind)
    }
}

impl Host for ToyHost {
    fn encode_strings(&self, prompts: &[String]) -> Result<Tensor> {
        let rows: Vec<_> = prompts.iter().map(|prompt| self.numbers(prompt, 0, &[EMBED_DIM])).collect();
        Ok(no_grad(|| Tensor::f_stack(&rows, 0))?)
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition) -> Result<Tensor> {
        let size = contexts.size();
        let classes = self.classes as i64;
        let &[_, of_classes, vectors, WIDTH] = size.as_slice() else {
            return Err(Error::new(format!(
                "contexts have the shape {size:?}, not [copies, 1 or {classes}, vectors, {WIDTH}]"
            )));
        };
        if of_classes != 1 && of_classes != classes {
            return Err(Error::new(format!("contexts of {of_classes} classes do not fit {classes} classes")));
        }
        if vectors + 3 > CONTEXT_LENGTH {
            return Err(Error::new(format!("a prompt with {vectors} context vectors is longer than {CONTEXT_LENGTH}")));
        }
        let mix = self.numbers("mix", position as u64, &[CONTEXT_LENGTH, 1]).narrow(0, 0, vectors);
        let names = self.numbers("names", 0, &[classes, WIDTH]);
        let hidden = ((contexts * mix).sum_dim_intlist([-2i64].as_slice(), false, None::<Kind>) + names).tanh();
        Ok(hidden.f_matmul(&self.numbers("projection", 0, &[WIDTH, EMBED_DIM]))?)
    }

    fn embed_text(&self, text: &str) -> Result<Tensor> {
        let words: Vec<_> = text.split_whitespace().map(|word| self.numbers(word, 0, &[WIDTH])).collect();
        if words.is_empty() {
            return Ok(Tensor::zeros([0, WIDTH], (self.kind, Device::Cpu)));
        }
        Ok(Tensor::f_stack(&words, 0)?)
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
        draws(self.seed, purpose, index, count)
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
}
