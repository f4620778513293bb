//! Nemesis with its position-aware norm loss: cross-entropy plus the mean norm of those context vectors whose
//! corruption would classify more of the batch correctly (Fu et al., "Nemesis: Normalizing the Soft-prompt Vectors of
//! Vision-Language Models", ICLR 2024; `trainers/coop_nemesis.py` of its code with `BETA` 0, or a mix of both losses in
//! between).

use nemesis_sdk::norm::{NormKind, NormLoss, NormLossKind, NormLossOptions, Positions};
use nemesis_sdk::omega::Omega;
use nemesis_sdk::prompt::PromptLearner;
use nemesis_sdk::tch::Tensor;
use nemesis_sdk::{About, Batch, Host, Method, Needs, Optimisation, Parameter, Plugin, Result, State, Task};

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
    norm: Option<NormLoss>,
}

impl Plugin for NemesisPan {
    type Options = Options;

    const RESUMES: bool = true;

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
        let norm = NormLossOptions {
            kind: NormLossKind::Pan,
            alpha: options.alpha,
            alpha_pan: options.alpha_pan,
            beta: options.beta,
            tau: options.tau,
            positions: options.positions,
            norm: options.norm,
            omega: options.omega,
        };
        let norm = NormLoss::new(norm, prompt.vectors(), &task)?;
        Ok(Self { prompt, norm })
    }
}

impl Method for NemesisPan {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(vec![self.prompt.parameter()])
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        self.prompt.loss(self.norm.as_ref(), batch, host)
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
