//! Errors as Python exceptions, with the text that the command prints.

use crate::method::word_of;
use nemesis_core::Error;
use pyo3::prelude::*;

pyo3::create_exception!(nemesis, NemesisError, pyo3::exceptions::PyRuntimeError, "An error of nemesis.");

/// The exception of an error.
pub(crate) fn to_python(error: &Error) -> PyErr {
    NemesisError::new_err(error.to_string())
}

/// The exception of a method's or a service's error.
pub(crate) fn of_method(error: nemesis_sdk::Error) -> PyErr {
    let kind = word_of(error.kind());
    let exception = to_python(&Error::from(error));
    // What a method does not catch goes back to the engine, which asks for the kind.
    Python::attach(|py| {
        let _ = exception.value(py).setattr("kind", kind);
    });
    exception
}

/// Runs `body`, in which a panic becomes an error, and turns errors into exceptions.
pub(crate) fn caught<T>(body: impl FnOnce() -> nemesis_core::Result<T>) -> PyResult<T> {
    nemesis_sdk::border::report_panics();
    let mut result = None;
    let caught = nemesis_sdk::border::catch(|| {
        result = Some(body());
        Ok(())
    });
    caught.map_err(of_method)?;
    match result {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(to_python(&error)),
        None => Err(to_python(&Error::new("nothing was computed"))),
    }
}
