//! Nemesis with its position-aware norm loss: cross-entropy plus the mean norm of those context vectors whose
//! corruption would classify more of the batch correctly (Fu et al., "Nemesis: Normalizing the Soft-prompt Vectors of
//! Vision-Language Models", ICLR 2024; `trainers/coop_nemesis.py` of its code with `BETA` 0, or a mix of both losses in
//! between).

mod positions;

use nemesis_sdk::corruption::rescaled_copies;
use nemesis_sdk::norm::{NormKind, at_least_zero, norm_loss, position_norms, report_context_norm};
use nemesis_sdk::omega::Omega;
use nemesis_sdk::prompt::{PromptLearner, cross_entropy};
use nemesis_sdk::random::sample_without_replacement;
use nemesis_sdk::tch::{Kind, Tensor, no_grad};
use nemesis_sdk::{About, Batch, Error, Host, Method, Needs, Optimisation, Parameter, Plugin, Result, State, Task};

pub use positions::Positions;

nemesis_sdk::prompt_options! {
    /// The options of Nemesis-PAN, with the authors' defaults if they have one.
    pub struct Options {
        /// Weight of the norm loss; the authors leave it open, 1 is our choice.
        pub alpha: f64 = 1.0,
        /// Weight of the position-aware norm loss, or `alpha` if null; the authors fix it at 50 for Food101 and
        /// OxfordPets.
        pub alpha_pan: Option<f64> = None,
        /// Share of the position-uniform norm loss in a mix with the position-aware one; 0 means only the latter.
        pub beta: f64 = 0.0,
        /// Factor that corrupts a context vector, between 0 and 1; the authors leave it open, 0.5 is our choice.
        pub tau: f64 = 0.5,
        /// How many positions are tried in a step, or `randomK` to choose K without trying; the authors leave it open,
        /// 1 is our choice.
        pub positions: Positions = Positions::Tried(1),
        /// Which norm of a context vector to use.
        pub norm: NormKind = NormKind::Two,
        /// How the weight of the norm loss changes by epoch; the authors use none for Food101 and OxfordPets.
        pub omega: Omega = Omega::Logistic,
    }
}

/// A context learned with cross-entropy and the norms of the harmful vectors.
#[derive(Debug)]
pub struct NemesisPan {
    prompt: PromptLearner,
    options: Options,
    /// Whether the authors' code tries positions in a different precision from training.
    mixed: bool,
}

impl Plugin for NemesisPan {
    type Options = Options;

    const ABOUT: About = About {
        id: "nemesis-pan",
        label: "Nemesis-PAN",
        summary: "CoOp plus the norms of the context vectors whose corruption helps",
        paper: Some("Fu et al., Nemesis: Normalizing the Soft-prompt Vectors of Vision-Language Models, ICLR 2024"),
        needs: Needs::FEATURES,
        optimisation: Optimisation::Host,
    };

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let prompt = PromptLearner::new(&task, &options.prompt(), host)?;
        at_least_zero("alpha", options.alpha)?;
        at_least_zero("alpha_pan", options.alpha_pan.unwrap_or_default())?;
        if !(0.0..=1.0).contains(&options.beta) {
            return Err(Error::option("beta", format_args!("{} is not between 0 and 1", options.beta)));
        }
        if !(0.0..1.0).contains(&options.tau) {
            return Err(Error::option("tau", format_args!("{} is not between 0 and 1", options.tau)));
        }
        let (count, vectors) = (options.positions.count(), prompt.vectors());
        if count == 0 || count > vectors {
            let why = format_args!("{count} positions cannot be drawn from {vectors} context vectors");
            return Err(Error::option("positions", why));
        }
        Ok(Self { prompt, options, mixed: task.precision == "amp" })
    }
}

impl NemesisPan {
    /// The coefficient of each position in this step `[vectors]`: the weight if corruption helped, otherwise zero
    /// (`update_alpha`).
    fn aware(&self, batch: &Batch, logits: &Tensor, host: &dyn Host) -> Result<Tensor> {
        let context = self.prompt.context();
        let alpha = Tensor::zeros([self.prompt.vectors() as i64], (context.kind(), context.device()));
        if self.options.beta >= 1.0 {
            return Ok(alpha);
        }
        let drawn = sample_without_replacement(self.prompt.vectors(), self.options.positions.count(), |bits| {
            host.random("positions", batch.step, bits)
        });
        let chosen = match self.options.positions {
            Positions::Random(_) => Tensor::ones([drawn.len() as i64], (Kind::Bool, context.device())),
            Positions::Tried(_) => self.helped(&drawn, batch, logits, host)?,
        };
        let index: Vec<i64> = drawn.iter().map(|position| *position as i64).collect();
        let index = Tensor::from_slice(&index).to_device(context.device());
        let weight = self.options.alpha_pan.unwrap_or(self.options.alpha);
        Ok(alpha.f_index_copy(0, &index, &(chosen.to_kind(context.kind()) * weight))?)
    }

    /// For each of `positions`, whether strictly more images of the batch are classified correctly with its vector
    /// times tau, one position at a time (`inference_batch`). The uncorrupted logits are those of the training pass,
    /// and all corrupted copies are encoded at once. In mixed precision, however, the authors' code tries positions
    /// outside of autocast, so the training pass does not compare with the corrupted copies.
    fn helped(&self, positions: &[usize], batch: &Batch, logits: &Tensor, host: &dyn Host) -> Result<Tensor> {
        let corrupted = rescaled_copies(self.prompt.context(), positions, self.options.tau)?;
        let corrupted = self.prompt.logits_of(&corrupted, batch.features()?, host)?;
        let uncorrupted = self.mixed.then(|| self.prompt.logits(batch.features()?, host)).transpose()?;
        let logits = uncorrupted.as_ref().unwrap_or(logits);
        let right = |logits: &Tensor| {
            let predicted = logits.argmax(-1, false);
            predicted.eq_tensor(&batch.labels).sum_dim_intlist([-1i64].as_slice(), false, Kind::Int64)
        };
        Ok(right(&corrupted).gt_tensor(&right(logits)))
    }
}

impl Method for NemesisPan {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(vec![self.prompt.parameter()])
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let beta = self.options.beta;
        let logits = self.prompt.logits(batch.features()?, host)?;
        let cross_entropy = cross_entropy(&logits, &batch.labels, host)?;
        let norms = position_norms(self.prompt.context(), self.options.norm);
        let aware = no_grad(|| self.aware(batch, &logits, host))?;
        let uniform = aware.full_like(self.options.alpha);
        let norm_loss = norm_loss(&uniform, &norms)? * beta + norm_loss(&aware, &norms)? * (1.0 - beta);
        let omega = self.options.omega.weight(batch.epoch, batch.epochs);
        host.report("norm_loss", &norm_loss);
        host.report("omega", &Tensor::from(omega));
        host.report("alpha", &aware);
        report_context_norm(self.prompt.context(), host);
        Ok(cross_entropy + norm_loss * omega)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        self.prompt.evaluate(batch.features()?, host)
    }

    fn state(&self) -> Result<State> {
        Ok(self.prompt.state())
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.prompt.load_state(state)
    }
}

nemesis_sdk::export_method!(NemesisPan);
