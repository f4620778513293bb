//! The trait that a method implements, and the values that pass between it and the host.

use crate::{Error, Host, Needs, OptionSchema, OptionSet, ProtocolPatch, Result};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// What a method is and what it asks of the host. It crosses the border as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Descriptor {
    /// The name in suites, tables and on the command line, in kebab case: `nemesis-pen`.
    pub id: String,
    /// The label of the method's columns in tables: `Nemesis-PEN`.
    pub label: String,
    /// The version of the plugin.
    pub version: String,
    /// One line that says what the method does.
    pub summary: String,
    /// The publication, if there is one.
    pub paper: Option<String>,
    /// The inputs that batches must carry.
    pub needs: Needs,
    /// Who optimises the parameters.
    pub optimisation: Optimisation,
    /// Whether a training can be resumed between two epochs: [`Plugin::RESUMES`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumes: bool,
    /// All options with their defaults.
    pub options: Vec<OptionSchema>,
    /// The protocol that the method was published with, where it differs from the one that others are trained with.
    #[serde(default, skip_serializing_if = "ProtocolPatch::is_empty")]
    pub protocol: ProtocolPatch,
    /// A hash over the sources the plugin was built from, which is part of every cell's id.
    pub source: String,
}

impl Descriptor {
    /// The descriptor of a method, given the version and the source hash of the crate that holds it.
    pub fn of<P: Plugin>(version: &str, source: &str) -> Self {
        let About { id, label, summary, paper, needs, optimisation } = P::ABOUT;
        Self {
            id: id.to_owned(),
            label: label.to_owned(),
            version: version.to_owned(),
            summary: summary.to_owned(),
            paper: paper.map(str::to_owned),
            needs,
            optimisation,
            resumes: P::RESUMES,
            options: P::Options::schema(),
            protocol: P::protocol(),
            source: source.to_owned(),
        }
    }
}

/// What a method says about itself: the part of its [`Descriptor`] that its author writes.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The name in suites, tables and on the command line, in kebab case: `nemesis-pen`.
    pub id: &'static str,
    /// The label of the method's columns in tables: `Nemesis-PEN`.
    pub label: &'static str,
    /// One line that says what the method does.
    pub summary: &'static str,
    /// The publication, if there is one.
    pub paper: Option<&'static str>,
    /// The inputs that batches must carry.
    pub needs: Needs,
    /// Who optimises the parameters.
    pub optimisation: Optimisation,
}

/// Who optimises a method's parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimisation {
    /// The host, with [`Method::loss`] or [`Method::compute_gradients`] for every batch.
    #[default]
    Host,
    /// The method itself, with one call of [`Method::fit`].
    Fit,
    /// Nobody: nothing is learned by gradients. What follows from the training sample is made in [`Method::prepare`].
    None,
}

/// What a method is created for: one data set, one backbone, one device.
#[derive(Clone, Debug)]
pub struct Task {
    /// Class names by label, underscores already replaced by spaces.
    pub class_names: Vec<String>,
    /// The data set's zero-shot template, with `{}` in place of the class name.
    pub template: String,
    /// Width of the text transformer, which is that of a context vector.
    pub width: i64,
    /// Width of the shared embedding space.
    pub embed_dim: i64,
    /// The factor on cosine similarities.
    pub logit_scale: f64,
    /// The device of all tensors.
    pub device: Device,
    /// The type of parameters and features.
    pub kind: Kind,
    /// The name of the protocol's precision, such as `fp32`. Autocast is off in every call, whatever it is.
    pub precision: String,
    /// The number of training epochs.
    pub epochs: u64,
}

/// The inputs of one step, or of one evaluation.
#[derive(Debug)]
pub struct Batch {
    /// For each row the image's index in the few-shot sample or the test split.
    pub items: Vec<u64>,
    /// Labels `[images]`, 64-bit integers. Empty in an evaluation.
    pub labels: Tensor,
    /// Global features `[images, embed_dim]` as they leave the image tower, if [`Needs::features`].
    pub features: Option<Tensor>,
    /// Dense features `[images, places, embed_dim]`, if [`Needs::dense`].
    pub dense: Option<Tensor>,
    /// Pixels `[images, 3, side, side]` of the images as they are encoded, augmented in training and normalised, if
    /// [`Needs::pixels`].
    pub pixels: Option<Tensor>,
    /// The epoch, counted from zero.
    pub epoch: u64,
    /// How many epochs there are.
    pub epochs: u64,
    /// The step, counted from zero over the whole training.
    pub step: u64,
    /// How many steps there are in the whole training.
    pub steps: u64,
}

impl Batch {
    /// The global features.
    ///
    /// # Errors
    ///
    /// When the method's descriptor does not ask for them.
    pub fn features(&self) -> Result<&Tensor> {
        self.features.as_ref().ok_or_else(|| Error::new("the batch has no features: the descriptor must ask for them"))
    }

    /// The dense features.
    ///
    /// # Errors
    ///
    /// When the method's descriptor does not ask for them.
    pub fn dense(&self) -> Result<&Tensor> {
        self.dense
            .as_ref()
            .ok_or_else(|| Error::new("the batch has no dense features: the descriptor must ask for them"))
    }

    /// The pixels.
    ///
    /// # Errors
    ///
    /// When the method's descriptor does not ask for them.
    pub fn pixels(&self) -> Result<&Tensor> {
        self.pixels.as_ref().ok_or_else(|| Error::new("the batch has no pixels: the descriptor must ask for them"))
    }
}

/// Features with labels of a whole split, for methods that use the data before training.
#[derive(Debug)]
pub struct FeatureSet {
    /// Features `[views · images, embed_dim]`, not normalised, one view of all images after the other. There is one view
    /// unless [`Needs::views`] asks for more.
    pub features: Tensor,
    /// Labels `[images]`.
    pub labels: Tensor,
}

impl FeatureSet {
    /// The features as `[views, images, embed_dim]`.
    ///
    /// # Errors
    ///
    /// When their number is not a multiple of that of the images.
    pub fn by_view(&self) -> Result<Tensor> {
        let (rows, images) = (self.features.size()[0], self.labels.size()[0]);
        if images == 0 || rows % images != 0 {
            return Err(Error::new(format!("{rows} features are not a number of views of {images} images")));
        }
        Ok(self.features.f_view([rows / images, images, -1])?)
    }
}

/// A tensor that is trained.
#[derive(Debug)]
pub struct Parameter {
    /// The name, unique within the method.
    pub name: String,
    /// A leaf with `requires_grad`.
    pub tensor: Tensor,
    /// The group whose options it shares.
    pub group: String,
    /// The optimiser by name (`sgd`, `adam` or `adamw`); empty for the protocol's.
    pub optimiser: String,
    /// Factors and replacements for the protocol's optimiser options: `lr_scale`, `weight_decay`, and those of the
    /// optimiser: `momentum` and `dampening`, or `beta1`, `beta2` and `eps`.
    pub options: std::collections::BTreeMap<String, f64>,
}

impl Parameter {
    /// A parameter that the protocol's optimiser trains with the protocol's options.
    pub fn new(name: &str, tensor: Tensor) -> Self {
        Self {
            name: name.to_owned(),
            tensor,
            group: "default".to_owned(),
            optimiser: String::new(),
            options: std::collections::BTreeMap::new(),
        }
    }
}

/// What is learned: tensors by name.
pub type State = Vec<(String, Tensor)>;

/// A prompt-tuning method. It knows neither paths nor the training loop: the host owns epochs, optimiser, schedule
/// and evaluation.
pub trait Method {
    /// The tensors that are trained, the same ones in every call.
    ///
    /// # Errors
    ///
    /// When the plugin on the other side of the border fails.
    fn parameters(&self) -> Result<Vec<Parameter>>;

    /// The loss of a batch, a scalar with a graph. Grad mode is on.
    ///
    /// The host takes its gradient. In the first step it must reach every one of [`Method::parameters`] (except those
    /// whose `lr_scale` is zero), and must not be zero everywhere. Otherwise training fails, because it would finish as
    /// if it had learned something. Later steps may leave parameters out, and a loss may become constant.
    ///
    /// # Errors
    ///
    /// When the loss cannot be computed; training then fails.
    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor>;

    /// The logits `[images, classes]` of a batch. Grad mode is off.
    ///
    /// # Errors
    ///
    /// When they cannot be computed; the evaluation then fails.
    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor>;

    /// What was learned, for storage.
    ///
    /// # Errors
    ///
    /// When the plugin on the other side of the border fails.
    fn state(&self) -> Result<State>;

    /// Replaces what was learned by a stored state.
    ///
    /// # Errors
    ///
    /// When a tensor is missing or has a different shape.
    fn load_state(&mut self, state: &State) -> Result<()>;

    /// Called once before training with features of the training sample, as in its first epoch, for methods that use
    /// the data in advance. It is called only if the method asks for [`Needs::features`], and then also with
    /// [`Optimisation::None`]: what a method learns without gradients, it learns here. With [`Needs::views`], the features of
    /// that many first epochs follow each other, as far as the protocol has different ones.
    ///
    /// `val` holds features of the few-shot validation sample, under the preprocessing of test images, if
    /// [`Needs::validation`] and the data set has one: as many images of each class as in training, at most four.
    ///
    /// # Errors
    ///
    /// When the method cannot use the data.
    fn prepare(&mut self, train: &FeatureSet, val: Option<&FeatureSet>, host: &dyn Host) -> Result<()> {
        let _ = (train, val, host);
        Ok(())
    }

    /// Trains the method in a single call, if the descriptor says [`Optimisation::Fit`]. Grad mode is on.
    ///
    /// The host does not see where a step ends. So no gradient can be taken of features once one was taken of features that
    /// were encoded later, and not of the former as well: these must be encoded again.
    ///
    /// # Errors
    ///
    /// When it cannot.
    fn fit(&mut self, train: &FeatureSet, host: &dyn Host) -> Result<()> {
        let _ = (train, host);
        Err(Error::new("the method has no `fit`"))
    }

    /// Fills the gradients of the parameters itself (for instance from two losses) and returns the loss to record;
    /// `None`, the default, lets the host take [`Method::loss`] and its gradient. Grad mode is on, and every `grad` is
    /// empty or zero.
    ///
    /// The host's optimiser updates the parameters with whatever is in their `grad` when this returns. To put it there,
    /// call [`Host::backward`] once or several times (gradients add up), or call
    /// [`gradients::fill`](crate::gradients::fill) with gradients computed from the results of [`Host::gradients`],
    /// which does not touch any `grad` itself. Do not call libtorch's own `backward`: the graph may be cut at the text
    /// features. The first step must meet the same conditions as with [`Method::loss`], so a method that forgets to
    /// fill gradients fails there.
    ///
    /// # Errors
    ///
    /// When the gradients cannot be computed.
    fn compute_gradients(&mut self, batch: &Batch, host: &dyn Host) -> Result<Option<Tensor>> {
        let _ = (batch, host);
        Ok(None)
    }
}

/// A method that can be created from options, and so be exported as a plugin.
pub trait Plugin: Method + Sized + 'static {
    /// The options, declared with [`options!`](crate::options); their defaults are the authors' values.
    type Options: OptionSet;

    /// What the method is.
    const ABOUT: About;

    /// Whether nothing of the method but the values of its [`Method::parameters`] changes while it is trained, after
    /// [`Method::prepare`]. A long training that was interrupted is then resumed at its last epoch, with the same result.
    /// `nemesis plugin check` tries it.
    const RESUMES: bool = false;

    /// The protocol that the method was published with: only what differs from the protocol of the run, which gives
    /// the rest. By default it is trained just like the others.
    fn protocol() -> ProtocolPatch {
        ProtocolPatch::default()
    }

    /// Creates the method for a task.
    ///
    /// # Errors
    ///
    /// When the options contradict each other or the task.
    fn create(task: Task, options: Self::Options, host: &dyn Host) -> Result<Self>;
}
