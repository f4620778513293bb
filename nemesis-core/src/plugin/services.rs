//! The host's services as a C table, for the length of a call.

use super::towers;
use crate::method::border::{abi, catch, class_position, copy, release, slice, status, text};
use crate::method::{Error, Host, LogLevel, Needs, Result};
use std::cell::OnceCell;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use tch::Tensor;

/// What the context of a table leads to.
pub(super) struct Context<'a> {
    pub(super) host: &'a dyn Host,
    /// What the method asks for: it gets no other service.
    needs: Needs,
    /// The sizes of the towers, once they were asked for.
    pub(super) sizes: OnceCell<abi::TowerSizes>,
}

/// Runs `body` with a table over `host` for a method with these needs. The table and all it points to are valid only
/// during this call; the other side must not keep any of it.
pub(super) fn with_table<T>(host: &dyn Host, needs: Needs, body: impl FnOnce(*const abi::Host) -> T) -> T {
    let context = Context { host, needs, sizes: OnceCell::new() };
    let table = abi::Host {
        struct_size: size_of::<abi::Host>(),
        context: (&raw const context).cast_mut().cast(),
        log: Some(log),
        cancelled: Some(cancelled),
        encode_strings: Some(encode_strings),
        encode_contexts: Some(encode_contexts),
        embed_text: Some(embed_text),
        backward: Some(backward),
        gradients: Some(gradients),
        random: Some(random),
        report: Some(report),
        get_extension: Some(get_extension),
    };
    body(&raw const table)
}

// In each block below, SAFETY: `context` is the one that `with_table` made and is still on its stack; the plugin keeps
// the rules of the border (see `nemesis_abi`), so that every other pointer leads to values that live until the call
// returns.

/// Runs a service with the host behind `context`.
pub(super) unsafe fn serve(context: *mut c_void, body: impl FnOnce(&dyn Host) -> Result<()>) -> abi::Status {
    // SAFETY: see above.
    status(catch(|| body(unsafe { &*context.cast::<Context<'_>>() }.host)))
}

/// Hands over the tensor that a service returns.
///
/// # Safety
///
/// `out` is null, or has room for a tensor.
pub(super) unsafe fn write(out: *mut abi::Tensor, tensor: Tensor) -> Result<()> {
    if out.is_null() {
        return Err(Error::new("there is nowhere to write the result: the pointer is null"));
    }
    // SAFETY: see above.
    unsafe { out.write(release(tensor)) };
    Ok(())
}

unsafe extern "C" fn log(context: *mut c_void, level: u32, message: abi::Str) {
    let level = match level {
        abi::LOG_WARN => LogLevel::Warn,
        abi::LOG_INFO => LogLevel::Info,
        _ => LogLevel::Debug,
    };
    // SAFETY: see above. A message that cannot be read is not worth a failure.
    let status = unsafe { serve(context, |host| text(message).map(|message| host.log(level, message))) };
    // SAFETY: made on the line above.
    let _ = unsafe { crate::method::border::result(status) };
}

unsafe extern "C" fn cancelled(context: *mut c_void) -> u32 {
    // SAFETY: see above.
    catch(|| Ok(unsafe { &*context.cast::<Context<'_>>() }.host.cancelled())).unwrap_or(true).into()
}

unsafe extern "C" fn encode_strings(
    context: *mut c_void,
    prompts: *const abi::Str,
    count: usize,
    out: *mut abi::Tensor,
) -> abi::Status {
    // SAFETY: see above.
    unsafe {
        serve(context, |host| {
            let prompts = slice(prompts, count, "prompts")?.iter().map(|prompt| text(*prompt).map(str::to_owned));
            write(out, host.encode_strings(&prompts.collect::<Result<Vec<_>>>()?)?)
        })
    }
}

unsafe extern "C" fn encode_contexts(
    context: *mut c_void,
    contexts: abi::Tensor,
    position: u32,
    out: *mut abi::Tensor,
) -> abi::Status {
    // SAFETY: see above.
    unsafe {
        serve(context, |host| {
            let contexts = copy(contexts, "contexts")?;
            write(out, host.encode_contexts(&contexts, class_position(position)?)?)
        })
    }
}

unsafe extern "C" fn embed_text(context: *mut c_void, words: abi::Str, out: *mut abi::Tensor) -> abi::Status {
    // SAFETY: see above.
    unsafe { serve(context, |host| write(out, host.embed_text(text(words)?)?)) }
}

unsafe extern "C" fn backward(context: *mut c_void, loss: abi::Tensor) -> abi::Status {
    // SAFETY: see above.
    unsafe { serve(context, |host| host.backward(&copy(loss, "loss")?)) }
}

unsafe extern "C" fn gradients(
    context: *mut c_void,
    loss: abi::Tensor,
    inputs: *const abi::Tensor,
    count: usize,
    out: *mut abi::Tensor,
) -> abi::Status {
    // SAFETY: see above; `out` has room for `count` tensors.
    unsafe {
        serve(context, |host| {
            let loss = copy(loss, "loss")?;
            let inputs = slice(inputs, count, "inputs")?.iter().map(|input| copy(*input, "input"));
            let inputs = inputs.collect::<Result<Vec<_>>>()?;
            let gradients = host.gradients(&loss, &inputs.iter().collect::<Vec<_>>())?;
            if gradients.len() != count || (out.is_null() && count > 0) {
                return Err(Error::new(format!("the host made {} gradients for {count} inputs", gradients.len())));
            }
            for (i, gradient) in gradients.into_iter().enumerate() {
                out.add(i).write(release(gradient));
            }
            Ok(())
        })
    }
}

unsafe extern "C" fn random(
    context: *mut c_void,
    purpose: abi::Str,
    index: u64,
    count: usize,
    out: *mut u64,
) -> abi::Status {
    // SAFETY: see above; `out` has room for `count` numbers.
    unsafe {
        serve(context, |host| {
            let draws = host.random(text(purpose)?, index, count);
            if draws.len() != count || (out.is_null() && count > 0) {
                return Err(Error::new(format!("the host made {} draws instead of {count}", draws.len())));
            }
            for (i, draw) in draws.into_iter().enumerate() {
                out.add(i).write(draw);
            }
            Ok(())
        })
    }
}

unsafe extern "C" fn report(context: *mut c_void, name: abi::Str, value: abi::Tensor) -> abi::Status {
    // SAFETY: see above.
    unsafe {
        serve(context, |host| {
            host.report(text(name)?, &copy(value, "value")?);
            Ok(())
        })
    }
}

/// The towers are the one optional service. Whether a method asks for them is looked up here, so that no host need do it.
unsafe extern "C" fn get_extension(context: *mut c_void, name: *const c_char) -> *const c_void {
    if name.is_null() {
        return ptr::null();
    }
    // SAFETY: see above; the name ends with a zero byte.
    let (context, name) = unsafe { (&*context.cast::<Context<'_>>(), CStr::from_ptr(name)) };
    let offered = || Ok(name == abi::TOWERS && context.needs.towers && context.host.towers().is_some());
    if catch(offered).unwrap_or(false) { (&raw const towers::TABLE).cast() } else { ptr::null() }
}

#[cfg(test)]
mod tests;
