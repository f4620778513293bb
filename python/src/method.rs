//! Methods that are written in Python, as the engine calls them. What is called here is in `nemesis/_method.py`.

use crate::border::Crossing;
use crate::host::PyHost;
use nemesis_core::plugin::python::{Interpreter, Source};
use nemesis_core::{Error, Result};
use nemesis_sdk::{self as sdk, Batch, Descriptor, ErrorKind, FeatureSet, Host, Method, Parameter, State, Task};
use pyo3::prelude::*;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// Runs plugins that are written in Python, in the Python that has started this process.
pub(crate) struct Running;

impl Interpreter for Running {
    fn describe(&self, source: &Source) -> Result<Descriptor> {
        let described = Python::attach(|py| {
            let files: Vec<_> = source.files.keys().map(|file| source.root.join(file)).collect();
            let arguments = (&source.file, &source.root, files, source.hash());
            module(py)?.call_method1("describe", arguments)?.extract::<String>()
        });
        let described = described.map_err(|e| Error::from(failure(e)).at(&source.file))?;
        serde_json::from_str(&described)
            .map_err(|e| Error::new(format!("the plugin's descriptor cannot be read: {e}")).at(&source.file))
    }

    fn create(
        &self,
        source: &Source,
        task: &Task,
        options: &Map<String, Value>,
        host: &dyn Host,
    ) -> sdk::Result<Box<dyn Method>> {
        let options = Value::Object(options.clone()).to_string();
        let dtype = dtype_of(task.kind)?;
        let method = Python::attach(|py| {
            let module = module(py)?;
            let task = module.call_method1(
                "make_task",
                (
                    &task.class_names,
                    &task.template,
                    task.width,
                    task.embed_dim,
                    task.logit_scale,
                    device_name(task.device),
                    dtype,
                    &task.precision,
                    task.epochs,
                ),
            )?;
            let towers = module.call_method1("asks_for_towers", (&source.file,))?.extract()?;
            let instance = PyHost::during(py, (host, towers), |host| {
                Ok(module.call_method1("create", (&source.file, task, options, host))?.unbind())
            })?;
            Ok(PyMethod { instance, towers })
        });
        Ok(Box::new(method.map_err(failure)?))
    }
}

fn module(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    Ok(py.import("nemesis._method")?.into_any())
}

/// A method, in Python an `Adapter` of `nemesis/_method.py`.
struct PyMethod {
    instance: Py<PyAny>,
    /// Whether its `ABOUT` asks for the towers.
    towers: bool,
}

impl PyMethod {
    fn call<T>(&self, body: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T>) -> sdk::Result<T> {
        Python::attach(|py| body(py, self.instance.bind(py))).map_err(failure)
    }
}

impl Method for PyMethod {
    fn parameters(&self) -> sdk::Result<Vec<Parameter>> {
        type Told = (String, Crossing, String, String, BTreeMap<String, f64>);
        let told: Vec<Told> = self.call(|_, method| method.call_method0("parameters")?.extract())?;
        let parameter = |(name, tensor, group, optimiser, options): Told| Parameter {
            name,
            tensor: tensor.0,
            group,
            optimiser,
            options,
        };
        Ok(told.into_iter().map(parameter).collect())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> sdk::Result<Tensor> {
        self.call(|py, method| {
            let batch = batch_of(py, batch)?;
            let loss = PyHost::during(py, (host, self.towers), |host| method.call_method1("loss", (batch, host)))?;
            loss.extract::<Crossing>().map(|loss| loss.0)
        })
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> sdk::Result<Tensor> {
        self.call(|py, method| {
            let batch = batch_of(py, batch)?;
            let logits = PyHost::during(py, (host, self.towers), |host| method.call_method1("logits", (batch, host)))?;
            logits.extract::<Crossing>().map(|logits| logits.0)
        })
    }

    fn state(&self) -> sdk::Result<State> {
        let state: Vec<(String, Crossing)> = self.call(|_, method| method.call_method0("state")?.extract())?;
        Ok(state.into_iter().map(|(name, tensor)| (name, tensor.0)).collect())
    }

    fn load_state(&mut self, state: &State) -> sdk::Result<()> {
        self.call(|_, method| {
            let state: Vec<_> = state.iter().map(|(name, tensor)| (name, Crossing(tensor.shallow_clone()))).collect();
            method.call_method1("load_state", (state,)).map(drop)
        })
    }

    fn prepare(&mut self, train: &FeatureSet, val: Option<&FeatureSet>, host: &dyn Host) -> sdk::Result<()> {
        self.call(|py, method| {
            let arguments = (feature_set(train), val.map(feature_set));
            PyHost::during(py, (host, self.towers), |host| {
                method.call_method1("prepare", (arguments.0, arguments.1, host)).map(drop)
            })
        })
    }

    fn fit(&mut self, train: &FeatureSet, host: &dyn Host) -> sdk::Result<()> {
        self.call(|py, method| {
            PyHost::during(py, (host, self.towers), |host| {
                method.call_method1("fit", (feature_set(train), host)).map(drop)
            })
        })
    }

    fn compute_gradients(&mut self, batch: &Batch, host: &dyn Host) -> sdk::Result<Option<Tensor>> {
        self.call(|py, method| {
            let batch = batch_of(py, batch)?;
            let loss = PyHost::during(py, (host, self.towers), |host| {
                method.call_method1("compute_gradients", (batch, host))
            })?;
            Ok(loss.extract::<Option<Crossing>>()?.map(|loss| loss.0))
        })
    }
}

fn feature_set(set: &FeatureSet) -> (Crossing, Crossing) {
    (Crossing(set.features.shallow_clone()), Crossing(set.labels.shallow_clone()))
}

fn batch_of<'py>(py: Python<'py>, batch: &Batch) -> PyResult<Bound<'py, PyAny>> {
    let Batch { items, labels, features, dense, pixels, epoch, epochs, step, steps } = batch;
    let lent = |tensor: &Option<Tensor>| tensor.as_ref().map(|tensor| Crossing(tensor.shallow_clone()));
    let labels = Crossing(labels.shallow_clone());
    let inputs = (lent(features), lent(dense), lent(pixels));
    let arguments = (items, labels, inputs.0, inputs.1, inputs.2, *epoch, *epochs, *step, *steps);
    module(py)?.getattr("Batch")?.call1(arguments)
}

/// An exception of a method, as an error: with its traceback, and with what kind of failure it is.
fn failure(exception: PyErr) -> sdk::Error {
    let first = exception.to_string();
    let explained = Python::attach(|py| {
        // With the traceback, which `value` alone may lack.
        let explained = module(py)?.call_method1("explain", (exception.into_value(py),))?;
        explained.extract::<(String, Option<String>, String)>()
    });
    match explained {
        Ok((_, Some(option), text)) => sdk::Error::option(&option, text),
        Ok((kind, None, text)) => sdk::Error::of_kind(kind_of(&kind), text),
        Err(second) => sdk::Error::new(format!("{first} (and while this was explained: {second})")),
    }
}

const KINDS: [(ErrorKind, &str); 6] = [
    (ErrorKind::Failed, "failed"),
    (ErrorKind::Panicked, "panicked"),
    (ErrorKind::InvalidOptions, "invalid-options"),
    (ErrorKind::Cancelled, "cancelled"),
    (ErrorKind::Unsupported, "unsupported"),
    (ErrorKind::OutOfMemory, "out-of-memory"),
];

fn kind_of(word: &str) -> ErrorKind {
    KINDS.iter().find(|(_, known)| *known == word).map_or(ErrorKind::Failed, |(kind, _)| *kind)
}

/// The word that an exception carries the kind of an error as.
pub(crate) fn word_of(kind: ErrorKind) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("failed", |(_, word)| *word)
}

/// A device as torch names it.
pub(crate) fn device_name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// A type as torch names it.
fn dtype_of(kind: Kind) -> sdk::Result<&'static str> {
    match kind {
        Kind::Float => Ok("float32"),
        Kind::Double => Ok("float64"),
        Kind::Half => Ok("float16"),
        Kind::BFloat16 => Ok("bfloat16"),
        _ => Err(sdk::Error::new(format!("features cannot have the type {kind:?}"))),
    }
}
