//! The plugin under test, and what a check can find about it.

use super::stage::Stage;
use crate::Result;
use crate::method::{self, Batch, Descriptor, FeatureSet, Host, Method, Needs, Optimisation, Parameter};
use crate::plugin::method::LoadedMethod;
use crate::plugin::{Plugin, PluginFile};
use crate::train::{Recompute, Services};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The plugin does what the check's sentence says.
    Passed,
    /// It does not, for this reason.
    Failed(String),
    /// The sentence does not apply to this plugin, for this reason.
    Skipped(String),
}

/// Why a check ended before it passed.
pub(super) enum Stop {
    Failed(String),
    Skipped(String),
}

/// What a check returns.
pub(super) type Finding<T = ()> = std::result::Result<T, Stop>;

/// Ends a check as failed.
pub(super) fn failed<T>(why: impl Into<String>) -> Finding<T> {
    Err(Stop::Failed(why.into()))
}

/// Ends a check that does not apply.
pub(super) fn skipped<T>(why: impl Into<String>) -> Finding<T> {
    Err(Stop::Skipped(why.into()))
}

/// Ends a check as failed unless `holds`.
pub(super) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Finding {
    if holds { Ok(()) } else { failed(why()) }
}

impl From<Finding> for Outcome {
    fn from(finding: Finding) -> Self {
        match finding {
            Ok(()) => Self::Passed,
            Err(Stop::Failed(why)) => Self::Failed(why),
            Err(Stop::Skipped(why)) => Self::Skipped(why),
        }
    }
}

impl From<crate::Error> for Stop {
    fn from(error: crate::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<method::Error> for Stop {
    fn from(error: method::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<tch::TchError> for Stop {
    fn from(error: tch::TchError) -> Self {
        crate::Error::from(error).into()
    }
}

/// The plugin under test.
pub(super) struct Subject {
    pub(super) path: PathBuf,
    pub(super) options: Map<String, Value>,
}

/// The number of classes of most checks.
pub(super) const CLASSES: usize = 5;

impl Subject {
    pub(super) fn new(path: &Path, options: &Map<String, Value>) -> Self {
        Self { path: path.to_owned(), options: options.clone() }
    }

    /// Loads the plugin.
    pub(super) fn plugin(&self) -> Result<Plugin> {
        Plugin::load(&self.path)
    }

    /// Creates a method on a stage, as far as training does before its first step: prepared where it is shown
    /// features, and trained if it trains itself.
    pub(super) fn method(&self, stage: &Stage, seed: u64) -> Finding<LoadedMethod> {
        self.method_with(stage, seed, &Map::new())
    }

    /// Creates a method with more options than the user gave.
    pub(super) fn method_with(&self, stage: &Stage, seed: u64, more: &Map<String, Value>) -> Finding<LoadedMethod> {
        self.method_over(stage, &stage.services(seed, Recompute::Never), more)
    }

    /// Creates a method over services that may cut the graph.
    pub(super) fn method_over(
        &self,
        stage: &Stage,
        services: &Services<'_>,
        more: &Map<String, Value>,
    ) -> Finding<LoadedMethod> {
        let plugin = self.plugin()?;
        let options = self.options.clone().into_iter().chain(more.clone()).collect();
        let mut method = plugin.create_method(&stage.task(), &options, services)?;
        let Descriptor { needs, optimisation, .. } = plugin.descriptor();
        let sample = |images, step| {
            let Batch { features, labels, .. } = stage.batch(images, step, Needs::FEATURES);
            features.map(|features| FeatureSet { features, labels })
        };
        let Some(train) = sample(16, 0).filter(|_| needs.features) else {
            return Ok(method);
        };
        let val = sample(5, 9).filter(|_| needs.validation);
        services.outside_of_steps(|| method.prepare(&train, val.as_ref(), services))?;
        if *optimisation == Optimisation::Fit {
            services.outside_of_steps(|| method.fit(&train, services))?;
        }
        Ok(method)
    }

    /// The inputs that the plugin asks for.
    pub(super) fn needs(&self) -> Finding<Needs> {
        Ok(self.plugin()?.descriptor().needs)
    }

    /// Skips a check of the C interface if the plugin has none.
    pub(super) fn is_compiled(&self) -> Finding {
        if PluginFile::inspect(&self.path)?.python().is_none() {
            return Ok(());
        }
        skipped("the plugin is written in Python, which does not cross the C interface")
    }

    /// Skips the check if the method does not learn by gradients.
    pub(super) fn learns_by_gradients(&self) -> Finding {
        match self.plugin()?.descriptor().optimisation {
            Optimisation::Host => Ok(()),
            Optimisation::Fit => skipped("the method trains itself"),
            Optimisation::None => skipped("the method learns nothing"),
        }
    }

    /// A method with a batch of eight images, on a stage with five classes.
    pub(super) fn scene(&self) -> Finding<(Stage, LoadedMethod, Batch)> {
        let stage = Stage::new(CLASSES, Kind::Double);
        let method = self.method(&stage, 1)?;
        let batch = stage.batch(8, 0, self.needs()?);
        Ok((stage, method, batch))
    }
}

/// One training step up to the gradients: the loss, and the gradient of every parameter.
pub(super) struct Step {
    pub(super) loss: Tensor,
    pub(super) parameters: Vec<Parameter>,
    pub(super) gradients: Vec<Tensor>,
    /// The parameters that no gradient reached, whose `gradients` are zeros.
    pub(super) missing: Vec<String>,
    /// Whether the method filled the gradients itself.
    pub(super) by_itself: bool,
}

impl Step {
    /// Takes the step. A missing gradient does not fail here: other checks test for it.
    pub(super) fn take(method: &mut dyn Method, batch: &Batch, services: &Services<'_>) -> Finding<Self> {
        let mut parameters = method.parameters()?;
        for parameter in &mut parameters {
            parameter.tensor.zero_grad();
        }
        let own = method.compute_gradients(batch, services)?;
        let by_itself = own.is_some();
        let loss = if let Some(loss) = own {
            loss
        } else {
            let loss = method.loss(batch, services)?;
            services.backward(&loss)?;
            loss
        };
        services.end_step();
        let (mut gradients, mut missing) = (Vec::new(), Vec::new());
        for parameter in &parameters {
            let gradient = parameter.tensor.grad();
            if gradient.defined() {
                gradients.push(gradient.copy());
            } else {
                gradients.push(parameter.tensor.zeros_like());
                missing.push(parameter.name.clone());
            }
        }
        Ok(Self { loss, parameters, gradients, missing, by_itself })
    }

    /// Ends the check as failed if a gradient is missing, not finite, or zero everywhere.
    pub(super) fn ensure_reached(&self) -> Finding {
        match self.untouched()? {
            None => Ok(()),
            Some(name) => failed(format!("the gradient of `{name}` is zero")),
        }
    }

    /// The first parameter whose gradient is zero everywhere. Ends the check as failed if one is missing or not finite.
    pub(super) fn untouched(&self) -> Finding<Option<&str>> {
        if let Some(name) = self.missing.first() {
            return failed(format!("no gradient reaches the parameter `{name}`"));
        }
        let mut untouched = None;
        for (parameter, gradient) in self.parameters.iter().zip(&self.gradients) {
            let name = &parameter.name;
            ensure(finite(gradient)?, || format!("the gradient of `{name}` is not finite"))?;
            if f64::try_from(gradient.abs().max())? == 0.0 {
                untouched = untouched.or(Some(name.as_str()));
            }
        }
        Ok(untouched)
    }
}

/// Whether two tensors agree to a relative tolerance.
pub(super) fn close(one: &Tensor, two: &Tensor, tolerance: f64) -> bool {
    one.size() == two.size()
        && one.to_kind(Kind::Double).allclose(&two.to_kind(Kind::Double), tolerance, tolerance, false)
}

/// Whether all numbers are finite.
pub(super) fn finite(tensor: &Tensor) -> Finding<bool> {
    Ok(bool::try_from(tensor.isfinite().all())?)
}
