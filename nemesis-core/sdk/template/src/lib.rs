//! `SparsePrompt`: CoOp with an L1 penalty on its context vectors, which pulls their elements towards zero.

use nemesis_sdk::norm::at_least_zero;
use nemesis_sdk::prompt::{PromptLearner, cross_entropy};
use nemesis_sdk::tch::{Kind, Tensor};
use nemesis_sdk::{About, Batch, Host, Method, Needs, Optimisation, Parameter, Plugin, Result, State, Task};

// Options have a documentation line and a default; users set them with `--set sparse-prompt.lambda=0.1` or in a suite.
nemesis_sdk::prompt_options! {
    /// The options of `SparsePrompt`, after those of every prompt learner.
    pub struct Options {
        /// Weight of the penalty.
        pub lambda: f64 = 1.0,
    }
}

/// A context learned with cross-entropy plus the mean absolute value of its elements.
#[derive(Debug)]
pub struct SparsePrompt {
    prompt: PromptLearner,
    lambda: f64,
}

impl Plugin for SparsePrompt {
    type Options = Options;

    const ABOUT: About = About {
        id: "sparse-prompt",
        label: "SparsePrompt",
        summary: "CoOp with an L1 penalty on its context vectors",
        paper: None,
        needs: Needs::FEATURES,
        optimisation: Optimisation::Host,
    };

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        let prompt = PromptLearner::new(&task, &options.prompt(), host)?;
        Ok(Self { prompt, lambda: at_least_zero("lambda", options.lambda)? })
    }
}

impl Method for SparsePrompt {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(vec![self.prompt.parameter()])
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let logits = self.prompt.logits(batch.features()?, host)?;
        let cross_entropy = cross_entropy(&logits, &batch.labels, host)?;
        let penalty = self.prompt.context().abs().mean(None::<Kind>);
        // Reported values are stored in the training's record.
        host.report("penalty", &penalty);
        Ok(cross_entropy + penalty * self.lambda)
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

nemesis_sdk::export_method!(SparsePrompt);

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::testing::ToyHost;

    /// The untrained method, on a toy host with four classes.
    fn method(lambda: f64, host: &ToyHost) -> Result<SparsePrompt> {
        SparsePrompt::create(host.task(), Options { lambda, ..Options::default() }, host)
    }

    fn loss(lambda: f64) -> f64 {
        let host = ToyHost::new(4);
        let loss = method(lambda, &host).and_then(|mut method| method.loss(&host.batch(8, 0), &host)).unwrap();
        f64::try_from(loss).unwrap()
    }

    #[test]
    fn the_penalty_counts_by_its_weight() {
        let host = ToyHost::new(4);
        let context = method(0.0, &host).unwrap().prompt.context().shallow_clone();
        let penalty = f64::try_from(context.abs().mean(Kind::Double)).unwrap();
        assert!(penalty > 0.0);
        assert!((loss(3.0) - loss(0.0) - 3.0 * penalty).abs() < 1e-12);
    }

    #[test]
    fn a_step_against_the_gradient_lowers_the_loss() {
        let host = ToyHost::new(4);
        let batch = host.batch(8, 0);
        let mut method = method(1.0, &host).unwrap();
        let before = method.loss(&batch, &host).unwrap();
        host.backward(&before).unwrap();
        let context = method.prompt.context();
        let _ = context.data().subtract_(&(context.grad() * 1e-3));
        let after = method.loss(&batch, &host).unwrap();
        assert!(f64::try_from(after).unwrap() < f64::try_from(before).unwrap());
    }

    #[test]
    fn a_negative_weight_is_refused() {
        let error = method(-1.0, &ToyHost::new(4)).unwrap_err();
        assert_eq!(error.to_string(), "option `lambda`: -1 is not a number of at least 0");
    }
}
