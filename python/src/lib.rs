//! The module `nemesis._native`: nemesis for Python.
//!
//! It holds no libtorch of its own. It is linked to one by name, and Python's torch, which `nemesis/__init__.py` imports
//! first, has loaded the library of that name. What users see is written in Python, in the folder `nemesis`.

#![expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

mod border;
mod changes;
mod data;
mod error;
mod host;
mod images;
mod method;
mod pool;
mod results;
mod tower;

use pyo3::prelude::*;

/// The native part of the package `nemesis`.
#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::changes::PyTowerSizes;
    #[pymodule_export]
    use crate::data::few_shot;
    #[pymodule_export]
    use crate::error::NemesisError;
    #[pymodule_export]
    use crate::host::{PyHost, toy_host};
    #[pymodule_export]
    use crate::images::PyPreprocess;
    #[pymodule_export]
    use crate::results::{columns, learned, predictions, records};
    #[pymodule_export]
    use crate::tower::Tower;

    use crate::border::{self, detached};
    use crate::error::to_python;
    use crate::method::{Running, word_of};
    use nemesis_core::{Error, FINGERPRINT};
    use nemesis_sdk::ErrorKind;
    use pyo3::prelude::*;
    use pyo3::types::PyType;
    use std::path::PathBuf;

    /// Gives every error a kind. Those of a service have one of their own.
    #[pymodule_init]
    fn init(py: Python<'_>) -> PyResult<()> {
        py.get_type::<NemesisError>().setattr("kind", word_of(ErrorKind::Failed))
    }

    /// The version of libtorch that this module was built against, and the value of `_GLIBCXX_USE_CXX11_ABI`.
    #[pyfunction]
    fn built_for() -> (&'static str, &'static str) {
        (nemesis_sdk::versions::LIBTORCH, nemesis_sdk::versions::CXX11_ABI)
    }

    /// A hash over the sources of this module and of the SDK, which methods in Python compute with.
    #[pymodule_export]
    const SOURCE: &str = nemesis_sdk::source_fingerprint!();

    /// The version of the package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// Finds Python's torch, whose version was compared: its library `libtorch_python` and its class of tensors.
    #[pyfunction]
    fn find_torch(library: PathBuf, tensor: &Bound<'_, PyType>) -> PyResult<()> {
        border::find_torch(&library, tensor).map_err(|error| to_python(&error))
    }

    /// Refuses an engine, by its fingerprint, that is not that of this module. The Python is `python`.
    #[pyfunction]
    fn check_engine(python: PathBuf, engine: &str) -> PyResult<()> {
        if engine == FINGERPRINT {
            return Ok(());
        }
        let what = "the package `nemesis` of this Python computes with other sources than the command `nemesis`";
        let help = "build both from the same sources: `cargo xtask python` and `cargo xtask install`";
        Err(to_python(&Error::new(what).at(&python).help(help)))
    }

    /// Runs a command of `nemesis` in this process, whose Python is `python`, and returns the exit code. `engine` is the
    /// fingerprint of the engine that the caller has, if another program calls.
    #[pyfunction]
    #[pyo3(signature = (python, arguments, engine = None))]
    fn main(py: Python<'_>, python: PathBuf, arguments: Vec<String>, engine: Option<&str>) -> PyResult<u8> {
        engine.map_or(Ok(()), |engine| check_engine(python.clone(), engine))?;
        nemesis_bench::choose_python(&python);
        nemesis_core::plugin::python::set_interpreter(Box::new(Running));
        Ok(detached(py, || {
            nemesis_bench::cli::main_with(
                std::iter::once("nemesis".into()).chain(arguments.into_iter().map(Into::into)),
            )
        }))
    }
}
