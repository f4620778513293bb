//! The host's services for a method in Python, for the length of one call.

use crate::border::{Crossing, Lent, detached};
use crate::changes::{PyChanges, PyTowerSizes};
use crate::error::{caught, of_method, to_python};
use crate::tower::kind_of;
use nemesis_core::Error;
use nemesis_sdk::testing::ToyHost;
use nemesis_sdk::towers::Towers;
use nemesis_sdk::{ClassPosition, Host, LogLevel, Result, random};
use pyo3::prelude::*;
use tch::{Kind, Tensor};

/// What a method gets as `host`. See `nemesis/_native.pyi`.
#[pyclass(frozen, name = "Host")]
pub(crate) struct PyHost {
    lent: Lent,
    /// Whether the method's `ABOUT` asks for the towers.
    towers: bool,
}

impl PyHost {
    /// Lends a host to Python while `body` runs, with its towers only if the method asks for them.
    pub(crate) fn during<'py, T>(
        py: Python<'py>,
        (host, towers): (&dyn Host, bool),
        body: impl FnOnce(&Bound<'py, Self>) -> PyResult<T>,
    ) -> PyResult<T> {
        /// Takes the host back even after a panic.
        struct Return<'a, 'py>(&'a Bound<'py, PyHost>);
        impl Drop for Return<'_, '_> {
            fn drop(&mut self) {
                self.0.get().lent.take_back();
            }
        }
        let lent = Bound::new(py, Self { lent: Lent::new(host), towers })?;
        let _return = Return(&lent);
        body(&lent)
    }

    /// Runs a service of the towers.
    fn serve_towers<T>(&self, py: Python<'_>, service: impl FnOnce(&dyn Towers) -> Result<T>) -> PyResult<T> {
        let asked = self.towers;
        self.serve(py, |host| match host.towers().filter(|_| asked) {
            Some(towers) => service(towers),
            None if asked => Err(nemesis_sdk::Error::new("this backbone takes no changes in its towers")),
            None => Err(nemesis_sdk::Error::new(
                "the host offers no towers: ask for them with `needs=(\"pixels\", \"towers\")` in `ABOUT`",
            )),
        })
    }

    /// Runs a service without holding Python's lock: autograd's threads may need it.
    fn serve<T>(&self, py: Python<'_>, service: impl FnOnce(&dyn Host) -> Result<T>) -> PyResult<T> {
        self.lent.with(|host| {
            let mut failure = None;
            let result = detached(py, || {
                caught(|| match service(host) {
                    Ok(value) => Ok(Some(value)),
                    Err(error) => {
                        failure = Some(error);
                        Ok(None)
                    }
                })
            })?;
            match (result, failure) {
                (Some(value), _) => Ok(value),
                (None, Some(error)) => Err(of_method(error)),
                (None, None) => Err(to_python(&Error::new("the host gave no answer"))),
            }
        })
    }
}

/// What a method may report.
#[derive(FromPyObject)]
enum Value {
    Tensor(Crossing),
    Number(f64),
}

#[pymethods]
impl PyHost {
    #[pyo3(signature = (prompts, changes = None))]
    fn encode_strings(&self, py: Python<'_>, prompts: Vec<String>, changes: Option<PyChanges>) -> PyResult<Crossing> {
        let encoded = match changes.map(PyChanges::of_text) {
            None => self.serve(py, |host| host.encode_strings(&prompts)),
            Some(changes) => self.serve_towers(py, |towers| towers.encode_strings(&prompts, &changes)),
        };
        encoded.map(Crossing)
    }

    #[pyo3(signature = (contexts, position = "end", changes = None))]
    fn encode_contexts(
        &self,
        py: Python<'_>,
        contexts: Crossing,
        position: &str,
        changes: Option<PyChanges>,
    ) -> PyResult<Crossing> {
        let (contexts, position) = (contexts.0, position_of(position)?);
        let encoded = match changes.map(PyChanges::of_text) {
            None => self.serve(py, |host| host.encode_contexts(&contexts, position)),
            Some(changes) => self.serve_towers(py, |towers| towers.encode_contexts(&contexts, position, &changes)),
        };
        encoded.map(Crossing)
    }

    #[pyo3(signature = (pixels, changes = None))]
    fn encode_images(&self, py: Python<'_>, pixels: Crossing, changes: Option<PyChanges>) -> PyResult<Crossing> {
        let changes = changes.map(PyChanges::of_images).unwrap_or_default();
        let encoded = self.serve_towers(py, |towers| towers.encode_images(&pixels.0, &changes, false))?;
        Ok(Crossing(encoded.global))
    }

    #[pyo3(signature = (pixels, changes = None))]
    fn encode_patches(
        &self,
        py: Python<'_>,
        pixels: Crossing,
        changes: Option<PyChanges>,
    ) -> PyResult<(Crossing, Crossing)> {
        let changes = changes.map(PyChanges::of_images).unwrap_or_default();
        let encoded = self.serve_towers(py, |towers| towers.encode_images(&pixels.0, &changes, true))?;
        let none = || to_python(&Error::new("the host made no features of patches"));
        Ok((Crossing(encoded.global), Crossing(encoded.patches.ok_or_else(none)?)))
    }

    fn tower_sizes(&self, py: Python<'_>) -> PyResult<PyTowerSizes> {
        self.serve_towers(py, |towers| Ok(towers.sizes().into()))
    }

    fn embed_text(&self, py: Python<'_>, text: &str) -> PyResult<Crossing> {
        self.serve(py, |host| host.embed_text(text)).map(Crossing)
    }

    fn backward(&self, py: Python<'_>, loss: Crossing) -> PyResult<()> {
        self.serve(py, |host| host.backward(&loss.0))
    }

    fn gradients(&self, py: Python<'_>, loss: Crossing, inputs: Vec<Crossing>) -> PyResult<Vec<Crossing>> {
        let inputs: Vec<&Tensor> = inputs.iter().map(|input| &input.0).collect();
        let gradients = self.serve(py, |host| host.gradients(&loss.0, &inputs))?;
        Ok(gradients.into_iter().map(Crossing).collect())
    }

    fn random(&self, py: Python<'_>, purpose: &str, index: u64, count: usize) -> PyResult<Vec<u64>> {
        self.serve(py, |host| Ok(host.random(purpose, index, count)))
    }

    fn normals(&self, py: Python<'_>, purpose: &str, index: u64, shape: Vec<i64>) -> PyResult<Crossing> {
        let count = shape.iter().product::<i64>().max(0) as usize;
        let numbers = self.serve(py, |host| Ok(random::normals(count, |bits| host.random(purpose, index, bits))))?;
        caught(|| Ok(Tensor::from_slice(&numbers).f_view(&shape[..])?.to_kind(Kind::Double))).map(Crossing)
    }

    fn sample(&self, py: Python<'_>, purpose: &str, index: u64, n: usize, count: usize) -> PyResult<Vec<usize>> {
        if count > n {
            return Err(to_python(&Error::new(format!("{count} of {n} cannot be drawn without replacement"))));
        }
        self.serve(py, |host| {
            Ok(random::sample_without_replacement(n, count, |bits| host.random(purpose, index, bits)))
        })
    }

    fn report(&self, py: Python<'_>, name: &str, value: Value) -> PyResult<()> {
        let value = match value {
            Value::Number(number) => Tensor::from(number),
            Value::Tensor(tensor) => tensor.0,
        };
        self.serve(py, |host| {
            host.report(name, &value);
            Ok(())
        })
    }

    #[pyo3(signature = (message, level = "info"))]
    fn log(&self, py: Python<'_>, message: &str, level: &str) -> PyResult<()> {
        let level = match level {
            "warn" => LogLevel::Warn,
            "info" => LogLevel::Info,
            "debug" => LogLevel::Debug,
            _ => {
                let what = format!("there is no log level `{level}`");
                return Err(to_python(&Error::new(what).expected("`warn`, `info` or `debug`")));
            }
        };
        self.serve(py, |host| {
            host.log(level, message);
            Ok(())
        })
    }

    fn cancelled(&self, py: Python<'_>) -> PyResult<bool> {
        self.serve(py, |host| Ok(host.cancelled()))
    }
}

/// A host for tests, over a tower with one small layer. It is used on the thread that made it.
#[pyfunction]
pub(crate) fn toy_host(classes: usize, seed: u64, dtype: &str) -> PyResult<PyHost> {
    // A test makes few, and each is small: they stay until the process ends, since Python may keep the object.
    let toy: &'static ToyHost = Box::leak(Box::new(ToyHost::new(classes).seeded(seed).of_kind(kind_of(dtype)?)));
    Ok(PyHost { lent: Lent::new(toy), towers: true })
}

/// The class position with this name.
pub(crate) fn position_of(name: &str) -> PyResult<ClassPosition> {
    match name {
        "end" => Ok(ClassPosition::End),
        "middle" => Ok(ClassPosition::Middle),
        "front" => Ok(ClassPosition::Front),
        _ => {
            let what = format!("there is no class position `{name}`");
            Err(to_python(&Error::new(what).expected("`end`, `middle` or `front`")))
        }
    }
}
