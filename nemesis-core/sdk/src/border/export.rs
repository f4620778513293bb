//! The functions that a plugin exports, for any type that implements [`Plugin`].

use super::{
    GuestHost, batch, borrow, borrowed, catch, feature_set, release, report_panics, required, result, sized, slice,
    status, task, text,
};
use crate::{Batch, Descriptor, Error, Host, Plugin, Result, parse_options, versions};
use nemesis_abi as abi;
use std::ffi::{c_char, c_void};
use std::marker::PhantomData;
use tch::Tensor;

/// The plugin's entry, given the version and the source hash of the crate that exports it; `None` if creating it
/// panics.
///
/// The text it points to is never freed, because the plugin is never unloaded.
pub fn entry<P: Plugin>(version: &str, source: &str) -> Option<abi::Entry> {
    report_panics();
    let descriptor = catch(|| {
        let source = format!("{source}-{}", versions::SOURCE);
        serde_json::to_string(&Descriptor::of::<P>(version, &source)).map_err(|e| Error::new(e.to_string()))
    });
    let descriptor: &'static str = descriptor.ok()?.leak();
    Some(abi::Entry {
        struct_size: size_of::<abi::Entry>(),
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        libtorch: borrowed(versions::LIBTORCH),
        cxx11_abi: borrowed(versions::CXX11_ABI),
        sdk: borrowed(versions::SDK),
        descriptor: borrowed(descriptor),
        method: Exports::<P>::TABLE,
        create: Some(Exports::<P>::create),
        get_extension: Some(get_extension),
    })
}

/// The SDK has no optional features yet.
unsafe extern "C" fn get_extension(_name: *const c_char) -> *const c_void {
    std::ptr::null()
}

struct Exports<P>(PhantomData<P>);

// In each block below, SAFETY: the host keeps the rules of the border (see `nemesis_abi`): a method pointer is what
// `create` wrote and not yet destroyed, calls to it do not overlap, and every pointer argument leads to a struct of the
// host that lives until the call returns, or is null where that is checked.
impl<P: Plugin> Exports<P> {
    const TABLE: &'static abi::MethodTable = &abi::MethodTable {
        struct_size: size_of::<abi::MethodTable>(),
        destroy: Some(Self::destroy),
        parameters: Some(Self::parameters),
        loss: Some(Self::loss),
        logits: Some(Self::logits),
        save: Some(Self::save),
        load: Some(Self::load),
        prepare: Some(Self::prepare),
        fit: Some(Self::fit),
        compute_gradients: Some(Self::compute_gradients),
    };

    unsafe extern "C" fn create(
        host: *const abi::Host,
        about: *const abi::Task,
        options: abi::Str,
        out: *mut *mut c_void,
    ) -> abi::Status {
        status(catch(|| {
            // SAFETY: see above.
            let (host, task, options) = unsafe { (GuestHost::new(host)?, task(about)?, text(options)?) };
            let options = serde_json::from_str(options)
                .map_err(|e| Error::new(format!("the options are not a JSON object: {e}")))?;
            let method = P::create(task, parse_options(&options)?, &host)?;
            // SAFETY: see above.
            unsafe { out.write(Box::into_raw(Box::new(method)).cast()) };
            Ok(())
        }))
    }

    unsafe extern "C" fn destroy(method: *mut c_void) {
        // There is nobody to report a panic in a destructor to: the method is gone.
        let _ = catch(|| {
            // SAFETY: see above; this is the last call.
            drop(unsafe { Box::from_raw(method.cast::<P>()) });
            Ok(())
        });
    }

    /// Runs a call on the method that the host passes.
    ///
    /// # Safety
    ///
    /// `method` is what `create` wrote and not yet destroyed, and no other call to it is going on.
    unsafe fn call(method: *mut c_void, body: impl FnOnce(&mut P) -> Result<()>) -> abi::Status {
        // SAFETY: the caller vouches for it.
        status(catch(|| body(unsafe { &mut *method.cast::<P>() })))
    }

    /// Lets the method compute something from a batch, and hands it over; `None` becomes a null pointer.
    unsafe fn compute(
        method: *mut c_void,
        inputs: *const abi::Batch,
        host: *const abi::Host,
        out: *mut abi::Tensor,
        body: impl FnOnce(&mut P, &Batch, &dyn Host) -> Result<Option<Tensor>>,
    ) -> abi::Status {
        // SAFETY: see above.
        unsafe {
            Self::call(method, |method| {
                let (inputs, host) = (batch(inputs)?, GuestHost::new(host)?);
                let computed = body(method, &inputs, &host)?;
                out.write(computed.map_or(std::ptr::null_mut(), release));
                Ok(())
            })
        }
    }

    unsafe extern "C" fn parameters(method: *mut c_void, sink: *const abi::ParameterSink) -> abi::Status {
        let body = |method: &mut P| -> Result<()> {
            // SAFETY: see above.
            let sink = unsafe { sized(sink, "parameter sink") }?;
            let push = required(sink.push, "push")?;
            for parameter in method.parameters()? {
                let names: Vec<_> = parameter.options.keys().map(|name| borrowed(name)).collect();
                let values: Vec<_> = parameter.options.values().copied().collect();
                let pushed = abi::Parameter {
                    struct_size: size_of::<abi::Parameter>(),
                    name: borrowed(&parameter.name),
                    tensor: borrow(&parameter.tensor),
                    group: borrowed(&parameter.group),
                    optimiser: borrowed(&parameter.optimiser),
                    option_names: names.as_ptr(),
                    option_values: values.as_ptr(),
                    option_count: names.len(),
                };
                // SAFETY: see above; `pushed` and what it points to outlive the call.
                unsafe { result(push(sink.context, &raw const pushed)) }?;
            }
            Ok(())
        };
        // SAFETY: see above.
        unsafe { Self::call(method, body) }
    }

    unsafe extern "C" fn loss(
        method: *mut c_void,
        inputs: *const abi::Batch,
        host: *const abi::Host,
        out: *mut abi::Tensor,
    ) -> abi::Status {
        // SAFETY: see above.
        unsafe { Self::compute(method, inputs, host, out, |method, inputs, host| method.loss(inputs, host).map(Some)) }
    }

    unsafe extern "C" fn logits(
        method: *mut c_void,
        inputs: *const abi::Batch,
        host: *const abi::Host,
        out: *mut abi::Tensor,
    ) -> abi::Status {
        // SAFETY: see above.
        unsafe {
            Self::compute(method, inputs, host, out, |method, inputs, host| method.logits(inputs, host).map(Some))
        }
    }

    unsafe extern "C" fn save(method: *mut c_void, sink: *const abi::TensorSink) -> abi::Status {
        let body = |method: &mut P| -> Result<()> {
            // SAFETY: see above.
            let sink = unsafe { sized(sink, "tensor sink") }?;
            let push = required(sink.push, "push")?;
            for (name, tensor) in method.state()? {
                // SAFETY: see above; name and tensor outlive the call.
                unsafe { result(push(sink.context, borrowed(&name), borrow(&tensor))) }?;
            }
            Ok(())
        };
        // SAFETY: see above.
        unsafe { Self::call(method, body) }
    }

    unsafe extern "C" fn load(method: *mut c_void, state: *const abi::TensorList) -> abi::Status {
        // SAFETY: see above.
        unsafe {
            Self::call(method, |method| {
                let list = sized(state, "state")?;
                let names = slice(list.names, list.count, "names of a state")?;
                let tensors = slice(list.tensors, list.count, "tensors of a state")?;
                let named = names.iter().zip(tensors);
                let state = named.map(|(name, tensor)| Ok((text(*name)?.to_owned(), super::copy(*tensor, "state")?)));
                let state: Vec<_> = state.collect::<Result<_>>()?;
                method.load_state(&state)
            })
        }
    }

    unsafe extern "C" fn prepare(
        method: *mut c_void,
        train: *const abi::FeatureSet,
        val: *const abi::FeatureSet,
        host: *const abi::Host,
    ) -> abi::Status {
        // SAFETY: see above.
        unsafe {
            Self::call(method, |method| {
                let val = (!val.is_null()).then(|| feature_set(val)).transpose()?;
                method.prepare(&feature_set(train)?, val.as_ref(), &GuestHost::new(host)?)
            })
        }
    }

    unsafe extern "C" fn fit(
        method: *mut c_void,
        train: *const abi::FeatureSet,
        host: *const abi::Host,
    ) -> abi::Status {
        // SAFETY: see above.
        unsafe { Self::call(method, |method| method.fit(&feature_set(train)?, &GuestHost::new(host)?)) }
    }

    unsafe extern "C" fn compute_gradients(
        method: *mut c_void,
        inputs: *const abi::Batch,
        host: *const abi::Host,
        out: *mut abi::Tensor,
    ) -> abi::Status {
        // SAFETY: see above.
        unsafe { Self::compute(method, inputs, host, out, P::compute_gradients) }
    }
}

/// Exports a type that implements [`Plugin`] as the method of this plugin.
///
/// Write it once, at the root of a `cdylib` crate.
#[macro_export]
macro_rules! export_method {
    ($Method:ty) => {
        const _: () = {
            const VERSION: &str = ::std::env!("CARGO_PKG_VERSION");
            const SOURCE: &str = $crate::source_fingerprint!(local);

            const METADATA: &[&str] = &[
                "abi=",
                $crate::border::abi::ABI_VERSION,
                "\nlibtorch=",
                $crate::versions::LIBTORCH,
                "\ncxx11_abi=",
                $crate::versions::CXX11_ABI,
                "\nsdk=",
                $crate::versions::SDK,
                "\nid=",
                <$Method as $crate::Plugin>::ABOUT.id,
                "\nversion=",
                VERSION,
                "\nsource=",
                SOURCE,
                "-",
                $crate::versions::SOURCE,
                "\n",
            ];

            #[used]
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__nemesis_plugin"))]
            #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".nemesis_plugin"))]
            static SECTION: [u8; $crate::border::concatenated_length(METADATA)] = $crate::border::concatenate(METADATA);

            /// The function that the host calls first; see `nemesis_abi`.
            #[unsafe(no_mangle)]
            pub extern "C" fn nemesis_plugin_entry_v1() -> *const $crate::border::abi::Entry {
                static ENTRY: ::std::sync::OnceLock<::std::option::Option<$crate::border::abi::Entry>> =
                    ::std::sync::OnceLock::new();
                ENTRY
                    .get_or_init(|| $crate::border::entry::<$Method>(VERSION, SOURCE))
                    .as_ref()
                    .map_or(::std::ptr::null(), ::std::ptr::from_ref)
            }
        };
    };
}
