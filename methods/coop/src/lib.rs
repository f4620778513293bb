//! CoOp: learns the context vectors of a prompt with cross-entropy (Zhou et al., "Learning to Prompt for
//! Vision-Language Models", IJCV 2022; `trainers/coop.py` of its code).
//!
//! With `norm_loss`, it takes the losses of Nemesis; `nemesis-pen` and `nemesis-pan` are `CoOp` with one of them.

use nemesis_sdk::norm::NormLoss;
use nemesis_sdk::prompt::PromptLearner;
use nemesis_sdk::tch::Tensor;
use nemesis_sdk::{About, Batch, Host, Method, Needs, Optimisation, Parameter, Plugin, Result, State, Task};

nemesis_sdk::with_norm_loss! {
    prompt_options;
    /// The options of `CoOp`, with the authors' defaults.
    pub struct Options {}
}

/// A context learned with cross-entropy.
#[derive(Debug)]
pub struct CoOp {
    prompt: PromptLearner,
    norm: Option<NormLoss>,
}

impl Plugin for CoOp {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "coop",
        label: "CoOp",
        summary: "context vectors learned with cross-entropy",
        paper: Some("Zhou et al., Learning to Prompt for Vision-Language Models, IJCV 2022"),
        needs: Needs::FEATURES,
        optimisation: Optimisation::Host,
    };

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let prompt = PromptLearner::new(&task, &options.prompt(), host)?;
        let norm = NormLoss::new(options.norm_loss(), prompt.vectors(), &task)?;
        Ok(Self { prompt, norm })
    }
}

impl Method for CoOp {
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

nemesis_sdk::export_method!(CoOp);
