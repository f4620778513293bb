//! A method on the other side of the border, as a [`Method`].

use super::services::with_table;
use crate::method::border::{
    BorrowedBatch, BorrowedFeatures, abi, adopt, borrow, borrowed, catch, copy, required, result, sized, slice, status,
    text, written,
};
use crate::method::{Batch, Error, ErrorKind, FeatureSet, Host, Method, Needs, Parameter, Result, State};
use std::ffi::c_void;
use std::ptr;
use tch::{Tensor, no_grad, with_grad};

/// A method of a loaded plugin. It stays on the thread that created it.
pub(super) enum LoadedMethod {
    /// One of a library.
    Library(LibraryMethod),
    /// One that runs in Python.
    Python(Box<dyn Method>),
}

/// A method of a library.
pub(super) struct LibraryMethod {
    instance: *mut c_void,
    table: &'static abi::MethodTable,
    needs: Needs,
}

impl LibraryMethod {
    /// Wraps what the `create` of a plugin with these needs wrote.
    ///
    /// # Safety
    ///
    /// `instance` belongs to `table`, and to nobody else.
    pub(super) unsafe fn new(instance: *mut c_void, table: &'static abi::MethodTable, needs: Needs) -> Self {
        Self { instance, table, needs }
    }

    fn call_loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let loss = required(self.table.loss, "loss")?;
        let batch = BorrowedBatch::new(batch);
        // SAFETY: see below.
        with_table(host, self.needs, |host| unsafe { written(|out| loss(self.instance, batch.as_ptr(), host, out)) })
    }

    fn call_logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let logits = required(self.table.logits, "logits")?;
        let batch = BorrowedBatch::new(batch);
        // SAFETY: see below.
        with_table(host, self.needs, |host| unsafe { written(|out| logits(self.instance, batch.as_ptr(), host, out)) })
    }
}

impl LoadedMethod {
    fn get(&self) -> &dyn Method {
        match self {
            Self::Library(method) => method,
            Self::Python(method) => &**method,
        }
    }

    fn get_mut(&mut self) -> &mut dyn Method {
        match self {
            Self::Library(method) => method,
            Self::Python(method) => &mut **method,
        }
    }

    /// The loss, in whatever grad mode holds.
    pub(super) fn call_loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        match self {
            Self::Library(method) => method.call_loss(batch, host),
            Self::Python(method) => method.loss(batch, host),
        }
    }

    /// The logits, in whatever grad mode holds.
    pub(super) fn call_logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        match self {
            Self::Library(method) => method.call_logits(batch, host),
            Self::Python(method) => method.logits(batch, host),
        }
    }
}

/// Each function in the grad mode that it is promised.
impl Method for LoadedMethod {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        no_grad(|| self.get().parameters())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        with_grad(|| self.get_mut().loss(batch, host))
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        no_grad(|| self.get_mut().logits(batch, host))
    }

    fn state(&self) -> Result<State> {
        no_grad(|| self.get().state())
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        no_grad(|| self.get_mut().load_state(state))
    }

    fn prepare(&mut self, train: &FeatureSet, val: Option<&FeatureSet>, host: &dyn Host) -> Result<()> {
        no_grad(|| self.get_mut().prepare(train, val, host))
    }

    fn fit(&mut self, train: &FeatureSet, host: &dyn Host) -> Result<()> {
        with_grad(|| self.get_mut().fit(train, host))
    }

    fn compute_gradients(&mut self, batch: &Batch, host: &dyn Host) -> Result<Option<Tensor>> {
        with_grad(|| self.get_mut().compute_gradients(batch, host))
    }
}

impl Drop for LibraryMethod {
    fn drop(&mut self) {
        if let Some(destroy) = self.table.destroy {
            // SAFETY: see below; this is the last call.
            no_grad(|| unsafe { destroy(self.instance) });
        }
    }
}

// In each block below, SAFETY: the table and the instance belong together (see `new`), the plugin keeps the rules of the
// border (see `nemesis_abi`), and every pointer argument leads to values that outlive the call.
impl Method for LibraryMethod {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        let parameters = required(self.table.parameters, "parameters")?;
        let mut pushed: Vec<Parameter> = Vec::new();
        let sink = abi::ParameterSink {
            struct_size: size_of::<abi::ParameterSink>(),
            context: (&raw mut pushed).cast(),
            push: Some(push_parameter),
        };
        // SAFETY: see above.
        no_grad(|| unsafe { result(parameters(self.instance, &raw const sink)) })?;
        Ok(pushed)
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        with_grad(|| self.call_loss(batch, host))
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        no_grad(|| self.call_logits(batch, host))
    }

    fn state(&self) -> Result<State> {
        let save = required(self.table.save, "save")?;
        let mut pushed: State = Vec::new();
        let sink = abi::TensorSink {
            struct_size: size_of::<abi::TensorSink>(),
            context: (&raw mut pushed).cast(),
            push: Some(push_tensor),
        };
        // SAFETY: see above.
        no_grad(|| unsafe { result(save(self.instance, &raw const sink)) })?;
        Ok(pushed)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        let load = required(self.table.load, "load")?;
        let names: Vec<_> = state.iter().map(|(name, _)| borrowed(name)).collect();
        let tensors: Vec<_> = state.iter().map(|(_, tensor)| borrow(tensor)).collect();
        let list = abi::TensorList {
            struct_size: size_of::<abi::TensorList>(),
            names: names.as_ptr(),
            tensors: tensors.as_ptr(),
            count: names.len(),
        };
        // SAFETY: see above.
        no_grad(|| unsafe { result(load(self.instance, &raw const list)) })
    }

    fn prepare(&mut self, train: &FeatureSet, val: Option<&FeatureSet>, host: &dyn Host) -> Result<()> {
        let Some(prepare) = self.table.prepare else { return Ok(()) };
        let (train, val) = (BorrowedFeatures::new(train), val.map(BorrowedFeatures::new));
        let val = val.as_ref().map_or(ptr::null(), BorrowedFeatures::as_ptr);
        // SAFETY: see above.
        let call = |host| unsafe { result(prepare(self.instance, train.as_ptr(), val, host)) };
        no_grad(|| with_table(host, self.needs, call))
    }

    fn fit(&mut self, train: &FeatureSet, host: &dyn Host) -> Result<()> {
        let Some(fit) = self.table.fit else {
            return Err(Error::of_kind(ErrorKind::Unsupported, "the method has no `fit`"));
        };
        let train = BorrowedFeatures::new(train);
        // SAFETY: see above.
        let call = |host| unsafe { result(fit(self.instance, train.as_ptr(), host)) };
        with_grad(|| with_table(host, self.needs, call))
    }

    fn compute_gradients(&mut self, batch: &Batch, host: &dyn Host) -> Result<Option<Tensor>> {
        let Some(compute_gradients) = self.table.compute_gradients else { return Ok(None) };
        let batch = BorrowedBatch::new(batch);
        let call = |host| {
            let mut out = ptr::null_mut();
            // SAFETY: see above; after OK the tensor is taken over.
            unsafe {
                result(compute_gradients(self.instance, batch.as_ptr(), host, &raw mut out))?;
                Ok(adopt(out))
            }
        };
        with_grad(|| with_table(host, self.needs, call))
    }
}

unsafe extern "C" fn push_parameter(context: *mut c_void, parameter: *const abi::Parameter) -> abi::Status {
    status(catch(|| {
        // SAFETY: see above; `context` is the vector that `parameters` has on its stack.
        unsafe {
            let pushed = &mut *context.cast::<Vec<Parameter>>();
            let parameter = sized(parameter, "parameter")?;
            let names = slice(parameter.option_names, parameter.option_count, "names of a parameter's options")?;
            let values = slice(parameter.option_values, parameter.option_count, "values of a parameter's options")?;
            pushed.push(Parameter {
                name: text(parameter.name)?.to_owned(),
                tensor: copy(parameter.tensor, "parameter")?,
                group: text(parameter.group)?.to_owned(),
                optimiser: text(parameter.optimiser)?.to_owned(),
                options: names
                    .iter()
                    .zip(values)
                    .map(|(name, value)| Ok((text(*name)?.to_owned(), *value)))
                    .collect::<Result<_>>()?,
            });
        }
        Ok(())
    }))
}

unsafe extern "C" fn push_tensor(context: *mut c_void, name: abi::Str, tensor: abi::Tensor) -> abi::Status {
    status(catch(|| {
        // SAFETY: see above; `context` is the vector that `state` has on its stack.
        unsafe {
            let pushed = &mut *context.cast::<State>();
            pushed.push((text(name)?.to_owned(), copy(tensor, "state")?));
        }
        Ok(())
    }))
}
