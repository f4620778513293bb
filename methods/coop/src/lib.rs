//! CoOp: learns the context vectors of a prompt with cross-entropy (Zhou et al., "Learning to Prompt for
//! Vision-Language Models", IJCV 2022; `trainers/coop.py` of its code).

use nemesis_sdk::norm::report_context_norm;
use nemesis_sdk::prompt::{PromptLearner, cross_entropy};
use nemesis_sdk::tch::Tensor;
use nemesis_sdk::{About, Batch, Host, Method, Needs, Optimisation, Parameter, Plugin, Result, State, Task};

nemesis_sdk::prompt_options! {
    /// The options of `CoOp`, with the authors' defaults.
    pub struct Options {}
}

/// A context learned with cross-entropy only.
#[derive(Debug)]
pub struct CoOp {
    prompt: PromptLearner,
}

impl Plugin for CoOp {
    type Options = Options;

    const ABOUT: About = About {
        id: "coop",
        label: "CoOp",
        summary: "context vectors learned with cross-entropy",
        paper: Some("Zhou et al., Learning to Prompt for Vision-Language Models, IJCV 2022"),
        needs: Needs::FEATURES,
        optimisation: Optimisation::Host,
    };

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        Ok(Self { prompt: PromptLearner::new(&task, &options.prompt(), host)? })
    }
}

impl Method for CoOp {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(vec![self.prompt.parameter()])
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let logits = self.prompt.logits(batch.features()?, host)?;
        report_context_norm(self.prompt.context(), host);
        cross_entropy(&logits, &batch.labels, host)
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
