//! Nemesis with its position-uniform norm loss: cross-entropy plus the mean norm of all context vectors (Fu et al.,
//! "Nemesis: Normalizing the Soft-prompt Vectors of Vision-Language Models", ICLR 2024; `trainers/coop_nemesis.py` of
//! its code with `BETA` 1). The paper calls it PUN; the submitted version called it PEN.

use nemesis_sdk::norm::{NormKind, NormLoss, NormLossKind, NormLossOptions};
use nemesis_sdk::omega::Omega;
use nemesis_sdk::prompt::PromptLearner;
use nemesis_sdk::tch::Tensor;
use nemesis_sdk::{About, Batch, Host, Method, Needs, Optimisation, Parameter, Plugin, Result, State, Task};

nemesis_sdk::prompt_options! {
    /// The options of Nemesis-PEN, with the authors' defaults if they have one.
    pub struct Options {
        /// Weight of the norm loss; the authors leave it open, 1 is our choice.
        pub alpha: f64 = 1.0,
        /// Which norm of a context vector to use.
        pub norm: NormKind = NormKind::Two,
        /// How the weight of the norm loss changes by epoch; the authors use none for Food101 and OxfordPets.
        pub omega: Omega = Omega::Logistic,
    }
}

/// A context learned with cross-entropy and the norm of every vector.
#[derive(Debug)]
pub struct NemesisPen {
    prompt: PromptLearner,
    norm: Option<NormLoss>,
}

impl Plugin for NemesisPen {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "nemesis-pen",
        label: "Nemesis-PEN",
        summary: "CoOp plus the mean norm of all context vectors (PUN in the paper)",
        paper: Some("Fu et al., Nemesis: Normalizing the Soft-prompt Vectors of Vision-Language Models, ICLR 2024"),
        needs: Needs::FEATURES,
        optimisation: Optimisation::Host,
    };

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let prompt = PromptLearner::new(&task, &options.prompt(), host)?;
        let norm = NormLossOptions {
            kind: NormLossKind::Pen,
            alpha: options.alpha,
            norm: options.norm,
            omega: options.omega,
            ..NormLossOptions::default()
        };
        let norm = NormLoss::new(norm, prompt.vectors(), &task)?;
        Ok(Self { prompt, norm })
    }
}

impl Method for NemesisPen {
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

nemesis_sdk::export_method!(NemesisPen);
