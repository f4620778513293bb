//! Where values cross between Python and Rust: all unsafe code of this package.
//!
//! A tensor crosses as its `TensorImpl`, which both sides count references to. Storage and autograd graph are shared, so
//! nothing is copied and `backward` passes through. This is sound because there is one libtorch in the process: the module
//! is linked to `libtorch_cpu` by its soname, which Python's torch has loaded before, and [`find_torch`] is called with the
//! library of that torch once its version was compared.
#![expect(unsafe_code, reason = "Python's torch is reached through the pointers that it hands out")]

use crate::error::to_python as error;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use nemesis_core::Error;
use nemesis_core::backbone::Backbone;
use nemesis_sdk::Host;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::ffi::c_void;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::thread::{self, ThreadId};
use tch::Tensor;

/// `PyObject* THPVariable_Wrap(const at::TensorBase&)` of libtorch's Python bindings. It is C++ and may throw. With this ABI
/// an exception unwinds to where panics are caught, which may end the process; with plain `C` it would be undefined.
type Wrap = unsafe extern "C-unwind" fn(*const c_void) -> *mut pyo3::ffi::PyObject;

const WRAP: &[u8] = b"_Z16THPVariable_WrapRKN2at10TensorBaseE";

/// What is known of Python's torch once it was found.
struct Torch {
    wrap: Wrap,
    tensor: Py<PyType>,
}

static TORCH: OnceLock<Torch> = OnceLock::new();

/// Finds what tensors cross with: a function of `libtorch_python`, which `library` names, and the class `torch.Tensor`.
/// Call it after the versions of both libtorches were compared.
pub(crate) fn find_torch(library: &Path, tensor: &Bound<'_, PyType>) -> nemesis_core::Result<()> {
    let failed = |e: libloading::Error| Error::new(format!("Python's torch cannot be reached: {e}")).at(library);
    // SAFETY: `import torch` has loaded the library already, so that no initialiser runs.
    let opened = unsafe { Library::open(Some(library), RTLD_NOW | RTLD_LOCAL) }.map_err(failed)?;
    // SAFETY: the mangled name says that the function takes one reference, and the header of torch 2.11 that it returns
    // an owned `PyObject*`; a reference is passed as a pointer.
    let wrap = unsafe { *opened.get::<Wrap>(WRAP).map_err(failed)? };
    // Python never unloads its modules either.
    std::mem::forget(opened);
    let _ = TORCH.set(Torch { wrap, tensor: tensor.clone().unbind() });
    Ok(())
}

fn torch() -> PyResult<&'static Torch> {
    TORCH.get().ok_or_else(|| error(&Error::new("import the package `nemesis`, not its module `_native`")))
}

/// A tensor on its way between the two languages.
#[derive(Debug)]
pub(crate) struct Crossing(pub(crate) Tensor);

impl<'a, 'py> FromPyObject<'a, 'py> for Crossing {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if !object.is_instance(torch()?.tensor.bind(object.py()))? {
            let class = object.get_type().name()?;
            return Err(PyTypeError::new_err(format!("expected a torch.Tensor, not {class}")));
        }
        // The address of the tensor's `TensorImpl`. An `at::Tensor` is one counted pointer to it and nothing else.
        let address: usize = object.getattr("_cdata")?.extract()?;
        let lent = address as *mut c_void;
        if lent.is_null() {
            return Err(error(&Error::new("the tensor is undefined")));
        }
        // SAFETY: `lent` has the layout of an `at::Tensor` and is alive, since `object` holds a reference to the same
        // `TensorImpl`. The clone takes a reference of its own, and `lent` is never dropped as a tensor.
        Ok(Self(unsafe { Tensor::clone_from_ptr((&raw const lent).cast_mut().cast()) }))
    }
}

impl<'py> IntoPyObject<'py> for Crossing {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let wrap = torch()?.wrap;
        // SAFETY: `as_ptr` leads to an `at::Tensor` that lives until the end of this function, `at::Tensor` begins with its
        // base class `TensorBase`, and this thread is attached to Python. The result is a new reference, or null with a
        // Python exception set.
        unsafe { Bound::from_owned_ptr_or_err(py, wrap(self.0.as_ptr().cast())) }
    }
}

/// A backbone that threads may share although the compiler cannot know it.
pub(crate) struct Shared(Box<dyn Backbone>);

// SAFETY: a backbone holds tensors and plain values. Tensors are counted atomically, so that any thread may drop them.
unsafe impl Send for Shared {}
// SAFETY: a backbone's functions take `&self` and only read its tensors, which libtorch allows on many threads at once. What
// it works out when it is first needed lies in a `OnceLock`; it has no other state.
unsafe impl Sync for Shared {}

impl Shared {
    /// A backbone for all threads.
    pub(crate) fn new(backbone: Box<dyn Backbone>) -> Self {
        Self(backbone)
    }

    pub(crate) fn get(&self) -> &dyn Backbone {
        &*self.0
    }
}

/// Runs `body` without holding Python's lock, on this thread. What it borrows never leaves the thread, so it need not be
/// [`Send`]; it must not touch Python objects.
pub(crate) fn detached<T>(py: Python<'_>, body: impl FnOnce() -> T) -> T {
    struct Here<B>(B);
    // SAFETY: `Python::detach` calls the closure on the calling thread before it returns; the bound `Send` keeps Python
    // objects out, which the callers in this crate have none of in `body`.
    unsafe impl<B> Send for Here<B> {}
    impl<B> Here<B> {
        fn call<T>(self) -> T
        where
            B: FnOnce() -> T,
        {
            (self.0)()
        }
    }
    let here = Here(body);
    let done = py.detach(move || Here(here.call()));
    done.0
}

/// A host that Python may use until it is taken back, on the thread that it was lent on.
#[derive(Debug)]
pub(crate) struct Lent {
    thread: ThreadId,
    /// Null when it was taken back.
    host: AtomicPtr<Pointer>,
}

/// What the pointer of [`Lent`] leads to: a reference is two words wide, and an atomic holds one.
#[derive(Debug)]
struct Pointer(*const (dyn Host + 'static));

impl Lent {
    /// Lends a host. The caller takes it back before the borrow ends.
    #[expect(clippy::transmute_ptr_to_ptr, reason = "a cast may not make a lifetime longer")]
    pub(crate) fn new(host: &dyn Host) -> Self {
        // SAFETY: only the lifetime changes; `with` uses the pointer until `take_back` at most.
        let host: *const (dyn Host + 'static) = unsafe { std::mem::transmute(std::ptr::from_ref(host)) };
        let host = AtomicPtr::new(Box::into_raw(Box::new(Pointer(host))));
        Self { thread: thread::current().id(), host }
    }

    /// Takes the host back: Python may keep the object, but it is of no use any more.
    pub(crate) fn take_back(&self) {
        let host = self.host.swap(std::ptr::null_mut(), Ordering::AcqRel);
        if !host.is_null() {
            // SAFETY: made by `new`, and no longer reachable: another thread never reads it, and this one is not in `with`.
            drop(unsafe { Box::from_raw(host) });
        }
    }

    /// Runs `body` with the host.
    pub(crate) fn with<T>(&self, body: impl FnOnce(&dyn Host) -> PyResult<T>) -> PyResult<T> {
        if thread::current().id() != self.thread {
            return Err(error(&Error::new("the host was used on another thread than that of the call")));
        }
        let host = self.host.load(Ordering::Acquire);
        if host.is_null() {
            return Err(error(
                &Error::new("the host was used after the call that it was given to")
                    .help("do not keep `host` in the method"),
            ));
        }
        // SAFETY: on this thread the host is lent until `take_back`, which the caller of `new` calls after the call into
        // Python that leads here has returned.
        body(unsafe { &*(*host).0 })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.take_back();
    }
}
