//! The host's services as a C table, for the length of a call.

use crate::method::border::{abi, catch, class_position, copy, release, slice, status, text};
use crate::method::{Error, Host, LogLevel, Result};
use std::ffi::{c_char, c_void};
use tch::Tensor;

/// Runs `body` with a table over `host`. The table and all it points to are valid only during this call; the other side
/// must not keep any of it.
pub(super) fn with_table<T>(host: &dyn Host, body: impl FnOnce(*const abi::Host) -> T) -> T {
    // A reference to a trait object is two pointers wide; the context is a pointer to it.
    let context: *const &dyn Host = &raw const host;
    let table = abi::Host {
        struct_size: size_of::<abi::Host>(),
        context: context.cast_mut().cast(),
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
unsafe fn serve(context: *mut c_void, body: impl FnOnce(&dyn Host) -> Result<()>) -> abi::Status {
    // SAFETY: see above.
    status(catch(|| body(unsafe { *context.cast::<&dyn Host>() })))
}

/// Hands over the tensor that a service returns.
unsafe fn write(out: *mut abi::Tensor, tensor: Tensor) -> Result<()> {
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
    catch(|| Ok(unsafe { *context.cast::<&dyn Host>() }.cancelled())).unwrap_or(true).into()
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
            let prompts = slice(prompts, count).iter().map(|prompt| text(*prompt).map(str::to_owned));
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
            let inputs = slice(inputs, count).iter().map(|input| copy(*input, "input")).collect::<Result<Vec<_>>>()?;
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

/// This host has no optional services yet.
unsafe extern "C" fn get_extension(_context: *mut c_void, _name: *const c_char) -> *const c_void {
    std::ptr::null()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::ClassPosition;
    use crate::method::border::GuestHost;
    use crate::method::testing::ToyHost;

    /// Calls a service on both sides of the table.
    fn both<T>(host: &ToyHost, call: impl Fn(&dyn Host) -> T) -> (T, T) {
        // SAFETY: the guest ends before the table does.
        let there = with_table(host, |table| call(&unsafe { GuestHost::new(table) }.unwrap()));
        (call(host), there)
    }

    #[test]
    fn every_service_does_the_same_on_the_other_side() {
        let host = ToyHost::new(3);
        let contexts = Tensor::ones([2, 1, 4, 6], (tch::Kind::Double, tch::Device::Cpu)).set_requires_grad(true);

        let (here, there) = both(&host, |host| host.encode_contexts(&contexts, ClassPosition::Front).unwrap());
        assert_eq!((here, there.requires_grad()), (there.shallow_clone(), true));
        let (here, there) = both(&host, |host| {
            let loss = host.encode_contexts(&contexts, ClassPosition::End).unwrap().sum(tch::Kind::Double);
            host.gradients(&loss, &[&contexts, &loss]).unwrap()
        });
        assert_eq!(here, there);
        let (here, there) = both(&host, |host| host.encode_strings(&["a".to_owned(), "ö".to_owned()]).unwrap());
        assert_eq!(here, there);
        let (here, there) = both(&host, |host| host.embed_text("a photo").unwrap());
        assert_eq!(here, there);
        let (here, there) = both(&host, |host| host.random("positions", 3, 5));
        assert_eq!(here, there);
        let (here, there) = both(&host, |host| host.cancelled());
        assert_eq!(here, there);
        both(&host, |host| host.log(LogLevel::Warn, "careful"));
        assert_eq!(host.logged(), ["careful", "careful"]);
        both(&host, |host| host.report("loss", &Tensor::from(2.0)));
        assert_eq!(host.take_reports().len(), 2);
        let (here, there) = both(&host, |host| {
            let mut contexts = contexts.copy().detach().set_requires_grad(true);
            contexts.zero_grad();
            let loss = host.encode_contexts(&contexts, ClassPosition::End).unwrap().sum(tch::Kind::Double);
            host.backward(&loss).unwrap();
            contexts.grad()
        });
        assert_eq!(here, there);
    }

    #[test]
    fn errors_cross_as_they_are() {
        let contexts = Tensor::ones([4, 6], (tch::Kind::Double, tch::Device::Cpu));
        let (here, there) = both(&ToyHost::new(3), |host| host.encode_contexts(&contexts, ClassPosition::End));
        assert_eq!(here.unwrap_err(), there.unwrap_err());
    }
}
