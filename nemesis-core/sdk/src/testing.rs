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
use tch::{Device, Kind, Tensor};

/// A host for tests, in double precision by default, over a [`ToyTower`].
#[derive(Debug)]
pub struct ToyHost {
    classes: usize,
    tower: ToyTower,
    seed: u64,
    reports: RefCell<Vec<(String, Tensor)>>,
    logged: RefCell<Vec<String>>,
}

/// A "text tower" with one small layer. Its features depend on every context vector, the class and the class position,
/// and on nothing else.
#[derive(Clone, Copy, Debug)]
pub struct ToyTower {
    /// The type that it computes in.
    pub kind: Kind,
}

impl ToyHost {
    /// A host for a task with this many classes.
    pub fn new(classes: usize) -> Self {
        let tower = ToyTower { kind: Kind::Double };
        Self { classes, tower, seed: 1, reports: RefCell::default(), logged: RefCell::default() }
    }

    /// The same host with a different seed for its random draws.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same host with a different tensor type.
    #[must_use]
    pub fn of_kind(self, kind: Kind) -> Self {
        Self { tower: ToyTower { kind }, ..self }
    }

    /// The task that a method is created for.
    pub fn task(&self) -> Task {
        Task {
            class_names: self.class_names(),
            template: "a photo of a {}.".to_owned(),
            width: ToyTower::WIDTH,
            embed_dim: ToyTower::EMBED_DIM,
            logit_scale: 10.0,
            device: Device::Cpu,
            kind: self.tower.kind,
            precision: if self.tower.kind == Kind::Double { "fp64" } else { "fp32" }.to_owned(),
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
            features: Some(self.tower.numbers("features", step, &[rows, ToyTower::EMBED_DIM])),
            dense: Some(self.tower.numbers("dense", step, &[rows, 4, ToyTower::EMBED_DIM])),
            pixels: Some(self.tower.numbers("pixels", step, &[rows, 3, 8, 8])),
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

    fn class_names(&self) -> Vec<String> {
        (0..self.classes).map(|class| format!("class {class}")).collect()
    }
}

impl ToyTower {
    /// Width of a context vector.
    pub const WIDTH: i64 = 6;
    /// Width of the embedding space.
    pub const EMBED_DIM: i64 = 5;
    /// The longest prompt in tokens.
    pub const CONTEXT_LENGTH: i64 = 77;

    /// Fixed normally distributed numbers, a pure function of name and index.
    pub fn numbers(self, name: &str, index: u64, shape: &[i64]) -> Tensor {
        let count = shape.iter().product::<i64>() as usize;
        let numbers = normals(count, |bits| draws(99, name, index, bits));
        Tensor::from_slice(&numbers).view(shape).to_kind(self.kind)
    }

    /// Features `[copies, classes, embed_dim]` of class names behind `contexts` `[copies, 1 or classes, context
    /// vectors, width]`.
    ///
    /// # Errors
    ///
    /// When the shape of `contexts` does not fit, or there are too many context vectors.
    pub fn encode_contexts(self, class_names: &[String], contexts: &Tensor, position: ClassPosition) -> Result<Tensor> {
        let size = contexts.size();
        let classes = class_names.len() as i64;
        let &[_, of_classes, vectors, Self::WIDTH] = size.as_slice() else {
            let width = Self::WIDTH;
            return Err(Error::new(format!(
                "contexts have the shape {size:?}, not [copies, 1 or {classes}, vectors, {width}]"
            )));
        };
        if of_classes != 1 && of_classes != classes {
            return Err(Error::new(format!("contexts for {of_classes} classes do not fit {classes} classes")));
        }
        if vectors + 3 > Self::CONTEXT_LENGTH {
            let longest = Self::CONTEXT_LENGTH;
            return Err(Error::new(format!("a prompt with {vectors} context vectors is longer than {longest} tokens")));
        }
        let mix = self.numbers("mix", position as u64, &[Self::CONTEXT_LENGTH, 1]).narrow(0, 0, vectors);
        let hidden = (contexts * mix).sum_dim_intlist([-2i64].as_slice(), false, None::<Kind>);
        let hidden = (hidden + self.embeddings(class_names)?).tanh();
        Ok(hidden.f_matmul(&self.numbers("projection", 0, &[Self::WIDTH, Self::EMBED_DIM]))?)
    }

    /// Features `[prompts, embed_dim]` of whole prompts.
    ///
    /// # Errors
    ///
    /// When there are no prompts.
    pub fn encode_strings(self, prompts: &[String]) -> Result<Tensor> {
        let rows: Vec<_> = prompts.iter().map(|prompt| self.numbers(prompt, 0, &[Self::EMBED_DIM])).collect();
        Ok(Tensor::f_stack(&rows, 0)?)
    }

    /// Embeddings `[words, width]` of words, each of which is one token here.
    ///
    /// # Errors
    ///
    /// When libtorch fails.
    pub fn embeddings<W: AsRef<str>>(self, words: &[W]) -> Result<Tensor> {
        if words.is_empty() {
            return Ok(Tensor::zeros([0, Self::WIDTH], (self.kind, Device::Cpu)));
        }
        let rows: Vec<_> = words.iter().map(|word| self.numbers(word.as_ref(), 0, &[Self::WIDTH])).collect();
        Ok(Tensor::f_stack(&rows, 0)?)
    }
}

impl Host for ToyHost {
    fn encode_strings(&self, prompts: &[String]) -> Result<Tensor> {
        self.tower.encode_strings(prompts)
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition) -> Result<Tensor> {
        self.tower.encode_contexts(&self.class_names(), contexts, position)
    }

    fn embed_text(&self, text: &str) -> Result<Tensor> {
        self.tower.embeddings(&text.split_whitespace().collect::<Vec<_>>())
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
