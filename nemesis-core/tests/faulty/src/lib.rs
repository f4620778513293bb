//! A plugin that does wrong what the environment variable `NEMESIS_FAULT` names, which is the id of the check of the
//! conformance kit that must notice. Without a fault it is a plugin like any other, which can be made to spoil a run by
//! its option `misdeed`.

mod border;
mod misdeed;

use misdeed::Misdeed;
use nemesis_sdk::prompt::{PromptLearner, PromptOptions, cross_entropy};
use nemesis_sdk::tch::{Device, Kind, Tensor, no_grad, no_grad_guard};
use nemesis_sdk::towers::{self, Changes, LayerPrompt};
use nemesis_sdk::{
    About, Batch, ClassPosition, Error, Host, Method, Needs, Optimisation, OptionSchema, OptionSet, Parameter, Plugin,
    Result, State, Task,
};
use std::cell::OnceCell;
use std::sync::OnceLock;
use std::time::Duration;

/// Whether this fault is asked for.
pub(crate) fn fault(name: &str) -> bool {
    static FAULT: OnceLock<String> = OnceLock::new();
    FAULT.get_or_init(|| std::env::var("NEMESIS_FAULT").unwrap_or_default()) == name
}

nemesis_sdk::options! {
    /// The options, as they are.
    pub struct Options {
        /// Weight of the mean square of the context.
        pub lambda: f64 = 0.5,
        /// Whether each class has its own context.
        pub csc: bool = false,
        /// What happens in a step or an evaluation, for the tests of whole runs.
        pub misdeed: String = String::new(),
    }
}

/// The options, as the descriptor tells them.
#[derive(Debug, Default, nemesis_sdk::serde::Serialize, nemesis_sdk::serde::Deserialize)]
#[serde(crate = "nemesis_sdk::serde", transparent)]
pub struct Told(Options);

impl OptionSet for Told {
    fn schema() -> Vec<OptionSchema> {
        let mut schema = Options::schema();
        if fault("descriptor") {
            schema[1].help.clear();
        }
        if fault("options-defaults") {
            schema[0].default = 2.0.into();
        }
        schema
    }
}

/// A context with a penalty, and a fault.
#[derive(Debug)]
pub struct Faulty {
    prompt: PromptLearner,
    /// An offset of each class's logits; the only tensor in which `gradients-reach` differs from nothing.
    bias: Tensor,
    lambda: f64,
    misdeed: Misdeed,
    classes: i64,
    first: Option<Tensor>,
}

thread_local! {
    /// The bias of whichever instance came first, for all.
    static SHARED: OnceCell<Tensor> = const { OnceCell::new() };
}

impl Plugin for Faulty {
    type Options = Told;

    const ABOUT: About = About {
        id: "faulty",
        label: "Faulty",
        summary: "does wrong what NEMESIS_FAULT names",
        paper: None,
        needs: Needs::FEATURES,
        optimisation: Optimisation::Host,
    };

    fn create(task: Task, Told(options): Told, host: &dyn Host) -> Result<Self> {
        let prompt = PromptOptions {
            n_ctx: 3,
            ctx_init: String::new(),
            csc: options.csc && !fault("class-specific"),
            class_position: ClassPosition::End,
        };
        let prompt = PromptLearner::new(&task, &prompt, host)?;
        let classes = task.class_names.len() as i64;
        let kind = if fault("single-precision") { Kind::Double } else { task.kind };
        let mut bias = Tensor::zeros([classes], (kind, task.device));
        if fault("same-seed") {
            let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |now| now.subsec_nanos());
            bias += f64::from(now % 1000) * 1e-3;
        }
        if fault("random-state") {
            let _ = Tensor::rand([1], (Kind::Float, Device::Cpu));
        }
        let misdeed = Misdeed::parse(&options.misdeed)?;
        if misdeed == Misdeed::StartOfNan {
            bias *= f64::NAN;
        }
        let bias = bias.set_requires_grad(true);
        if fault("instances") {
            SHARED.with(|shared| shared.get_or_init(|| bias.shallow_clone()).size());
        }
        misdeed.in_create();
        Ok(Self { prompt, bias, lambda: options.lambda, misdeed, classes, first: None })
    }
}

impl Faulty {
    fn bias(&self) -> Tensor {
        SHARED.with(|shared| shared.get().unwrap_or(&self.bias).shallow_clone())
    }

    fn scores(&mut self, features: &Tensor, host: &dyn Host) -> Result<Tensor> {
        let bias = if fault("gradients-reach") { self.bias().detach() } else { self.bias() };
        let scores = self.prompt.logits(features, host)? + bias;
        Ok(if fault("batch-of-one") { scores.squeeze().f_transpose(0, 1)?.transpose(0, 1) } else { scores })
    }

    fn total(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let scores = self.scores(batch.features()?, host)?;
        let mut total = cross_entropy(&scores, &batch.labels, host)?;
        let context = self.prompt.context();
        total += context.square().mean(None::<Kind>) * self.lambda;
        if fault("zero-contexts") {
            total += (context / context.norm()).sum(None::<Kind>);
        }
        if fault("one-class") {
            total += context.mean(None::<Kind>) / (self.classes - 1);
        }
        if fault("gradients-exact") {
            total += (context * 3.0).sin().sum(None::<Kind>).detach();
        }
        if fault("towers-unasked") || fault("towers-inexact") {
            total += in_towers(context, host)?;
        }
        if fault("training") {
            host.report("ratio", &(Tensor::from(0.0) / 0.0));
        }
        Ok(total)
    }
}

/// A loss on features of a tower with a prompt in its second layer, which no gradient passes.
fn in_towers(context: &Tensor, host: &dyn Host) -> Result<Tensor> {
    let contexts = context.unsqueeze(0).unsqueeze(0);
    let prompts = vec![LayerPrompt { layer: 1, tokens: contexts.detach() }];
    let changes = Changes { prompts, ..Changes::default() };
    let features = towers::of(host)?.encode_contexts(&contexts, ClassPosition::End, &changes)?;
    Ok(features.square().mean(None::<Kind>))
}

impl Method for Faulty {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        let mut context = self.prompt.parameter();
        if fault("parameters") {
            context.tensor = context.tensor.detach().copy().set_requires_grad(true);
        }
        let mut parameters = vec![context, Parameter::new("bias", self.bias())];
        match self.misdeed {
            Misdeed::Twins => parameters.push(Parameter::new("twin", self.prompt.context().shallow_clone())),
            Misdeed::NegativeRate => drop(parameters[0].options.insert("lr_scale".to_owned(), -1.0)),
            _ => {}
        }
        Ok(parameters)
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let total = self.misdeed.with_loss(self.total(batch, host)?, batch.step, host)?;
        if batch.step == 1 && self.misdeed == Misdeed::Replaced {
            self.bias = self.bias.detach().copy().set_requires_grad(true);
        }
        if batch.step == 1 && self.misdeed == Misdeed::OtherShape {
            self.bias.set_data(&Tensor::zeros([self.classes, 1], (self.bias.kind(), self.bias.device())));
        }
        if fault("step-overhead") {
            std::thread::sleep(Duration::from_millis(15));
        }
        if fault("memory") {
            std::mem::forget(total.copy());
        }
        if fault("no-output") {
            println!("loss {total:?}");
        }
        if fault("grad-mode") {
            std::mem::forget(no_grad_guard());
        }
        if fault("crash") {
            std::process::abort();
        }
        Ok(if fault("loss") { total.detach() } else { total })
    }

    fn compute_gradients(&mut self, batch: &Batch, host: &dyn Host) -> Result<Option<Tensor>> {
        if fault("graph-cuts") {
            let total = self.total(batch, host)?;
            total.f_backward()?;
            return Ok(Some(total));
        }
        if fault("gradients-filled") || self.misdeed == Misdeed::ForgetGradients {
            // Two losses' gradients are asked for, combined, and put nowhere.
            let total = self.total(batch, host)?;
            let inputs = [self.prompt.context(), &self.bias];
            let combined = host.gradients(&total, &inputs)?.into_iter().map(|gradient| gradient * 2.0);
            drop(combined.collect::<Vec<_>>());
            return Ok(Some(total));
        }
        if fault("two-gradients") {
            let first = self.scores(batch.features()?, host)?.square().mean(None::<Kind>);
            host.backward(&first)?;
            let second = self.total(batch, host)?;
            // Through a graph that the host may have cut.
            let inputs = [self.prompt.context(), &self.bias];
            for (input, gradient) in inputs.iter().zip(Tensor::f_run_backward(&[&second], &inputs, true, false)?) {
                if gradient.defined() {
                    let _ = no_grad(|| input.grad().f_add_(&gradient))?;
                }
            }
            return Ok(Some(second));
        }
        Ok(None)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let features = batch.features()?;
        if self.misdeed == Misdeed::ChangedFeatures {
            let _ = features.shallow_clone().fill_(0.5);
        }
        let logits = self.misdeed.with_logits(self.prompt.evaluate(features, host)? + self.bias());
        if fault("stale-logits") && self.first.as_ref().is_some_and(|first| first.size() == logits.size()) {
            return self.first.as_ref().map(Tensor::shallow_clone).ok_or_else(|| Error::new("no logits"));
        }
        self.first = Some(logits.copy());
        if fault("logits") {
            return Ok(logits.tr());
        }
        Ok(if fault("evaluation") { &logits - logits.mean_dim([0i64].as_slice(), true, None) } else { logits })
    }

    fn state(&self) -> Result<State> {
        let mut state = self.prompt.state();
        if self.misdeed == Misdeed::StateOfMetadata {
            state.push(("__metadata__".to_owned(), self.bias().detach()));
        }
        if !fault("state-round-trip") {
            state.push(("bias".to_owned(), self.bias().detach()));
        }
        Ok(state)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        let bias = state.iter().find(|(name, _)| name == "bias").map(|(_, tensor)| tensor);
        match bias {
            Some(stored) if stored.size() == self.bias.size() => no_grad(|| self.bias.copy_(stored)),
            _ if fault("state-round-trip") || fault("state-checked") => {}
            _ => return Err(Error::new("the state has no `bias` of the right shape")),
        }
        let loaded = self.prompt.load_state(state);
        if fault("state-checked") { Ok(()) } else { loaded }
    }
}
