//! A plugin that asks for everything a method may see, and keeps what it saw first in its state, so that a test can
//! compare it with what should have been shown.

#![forbid(unsafe_code)]

use nemesis_sdk::prompt::{PromptLearner, PromptOptions, cross_entropy};
use nemesis_sdk::tch::Tensor;
use nemesis_sdk::{
    About, Batch, ClassPosition, Error, FeatureSet, Host, Method, Needs, Optimisation, Parameter, Plugin,
    ProtocolPatch, Result, State, Task,
};

nemesis_sdk::options! {
    /// It has none.
    pub struct Options {}
}

/// A context whose logits are the mean of those of all places of an image.
#[derive(Debug)]
pub struct Onlooker {
    prompt: PromptLearner,
    /// What was seen of the sample and of the first batch.
    seen: State,
}

impl Plugin for Onlooker {
    type Options = Options;

    const ABOUT: About = About {
        id: "onlooker",
        label: "Onlooker",
        summary: "averages the logits of all places of an image",
        paper: None,
        needs: Needs { pixels: true, features: true, dense: true, validation: true, towers: false, views: 1 },
        optimisation: Optimisation::Host,
    };

    fn protocol() -> ProtocolPatch {
        ProtocolPatch { batch_size: Some(8), epochs: Some(3.into()), ..ProtocolPatch::default() }
    }

    fn create(task: Task, _: Options, host: &dyn Host) -> Result<Self> {
        let prompt =
            PromptOptions { n_ctx: 2, ctx_init: String::new(), csc: false, class_position: ClassPosition::End };
        Ok(Self { prompt: PromptLearner::new(&task, &prompt, host)?, seen: State::new() })
    }
}

impl Onlooker {
    /// The mean over places, given that the batch shows everything else, too.
    fn scores(&self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let images = batch.items.len() as i64;
        let all = [batch.features()?, batch.dense()?, batch.pixels()?];
        if let Some(other) = all.iter().find(|tensor| tensor.size()[0] != images) {
            return Err(Error::new(format!("inputs of the shape {:?} for {images} images", other.size())));
        }
        let scores = self.prompt.compare(batch.dense()?, &self.prompt.text_features(host)?)?;
        Ok(scores.mean_dim(1, false, None))
    }
}

impl Method for Onlooker {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(vec![self.prompt.parameter()])
    }

    fn prepare(&mut self, train: &FeatureSet, val: Option<&FeatureSet>, _: &dyn Host) -> Result<()> {
        let val = val.ok_or_else(|| Error::new("there is no validation sample"))?;
        let sets = [("train", train), ("validation", val)];
        self.seen.extend(sets.map(|(name, set)| (name.to_owned(), set.features.copy())));
        self.seen.extend(sets.map(|(name, set)| (format!("{name}_labels"), set.labels.copy())));
        Ok(())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        if batch.step == 0 && !self.seen.iter().any(|(name, _)| name == "items") {
            let items: Vec<i64> = batch.items.iter().map(|item| *item as i64).collect();
            self.seen.push(("items".to_owned(), Tensor::from_slice(&items)));
            for (name, tensor) in
                [("features", batch.features()?), ("dense", batch.dense()?), ("pixels", batch.pixels()?)]
            {
                self.seen.push((name.to_owned(), tensor.copy()));
            }
        }
        cross_entropy(&self.scores(batch, host)?, &batch.labels, host)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        self.scores(batch, host)
    }

    fn state(&self) -> Result<State> {
        let seen = self.seen.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        Ok(self.prompt.state().into_iter().chain(seen).collect())
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.prompt.load_state(state)?;
        for (name, own) in &self.seen {
            let stored = state.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor.size());
            if stored.as_ref() != Some(&own.size()) {
                return Err(Error::new(format!("the stored `{name}` has the shape {stored:?}, not {:?}", own.size())));
            }
        }
        let seen = state.iter().filter(|(name, _)| name != "ctx");
        self.seen = seen.map(|(name, tensor)| (name.clone(), tensor.copy())).collect();
        Ok(())
    }
}

nemesis_sdk::export_method!(Onlooker);
