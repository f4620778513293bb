//! The host's towers as a C table, for methods whose descriptor asks for them.

use super::services::{Context, serve, write};
use crate::method::border::{abi, catch, changes, class_position, copy, release, slice, text, tower_sizes};
use crate::method::towers;
use crate::method::{Error, Result};
use std::ffi::c_void;
use std::ptr;

/// The table of [`abi::TOWERS`]; its functions take the context of the host's own table.
pub(super) static TABLE: abi::Towers = abi::Towers {
    struct_size: size_of::<abi::Towers>(),
    sizes: Some(sizes),
    encode_images: Some(encode_images),
    encode_contexts: Some(encode_contexts),
    encode_strings: Some(encode_strings),
};

// In each block below, SAFETY: `context` is the one that `with_table` made and is still on its stack; the plugin keeps
// the rules of the border (see `nemesis_abi`), so that every other pointer leads to values that live until the call
// returns.

unsafe extern "C" fn sizes(context: *mut c_void) -> *const abi::TowerSizes {
    // SAFETY: see above.
    let context = unsafe { &*context.cast::<Context<'_>>() };
    let sizes = catch(|| {
        let sizes = towers::of(context.host)?.sizes();
        Ok(ptr::from_ref(context.sizes.get_or_init(|| tower_sizes(sizes))))
    });
    sizes.unwrap_or(ptr::null())
}

unsafe extern "C" fn encode_images(
    context: *mut c_void,
    pixels: abi::Tensor,
    changed: *const abi::TowerChanges,
    out: *mut abi::Tensor,
    patches: *mut abi::Tensor,
) -> abi::Status {
    // SAFETY: see above.
    unsafe {
        serve(context, |host| {
            let (pixels, changed) = (copy(pixels, "pixels")?, changes(changed)?);
            let wanted = !patches.is_null();
            let features = towers::of(host)?.encode_images(&pixels, &changed, wanted)?;
            if wanted && features.patches.is_none() {
                return Err(Error::new("the host made no features of patches"));
            }
            write(out, features.global)?;
            if let Some(of_patches) = features.patches.filter(|_| wanted) {
                patches.write(release(of_patches));
            }
            Ok(())
        })
    }
}

unsafe extern "C" fn encode_contexts(
    context: *mut c_void,
    contexts: abi::Tensor,
    position: u32,
    changed: *const abi::TowerChanges,
    out: *mut abi::Tensor,
) -> abi::Status {
    // SAFETY: see above.
    unsafe {
        serve(context, |host| {
            let (contexts, changed) = (copy(contexts, "contexts")?, changes(changed)?);
            write(out, towers::of(host)?.encode_contexts(&contexts, class_position(position)?, &changed)?)
        })
    }
}

unsafe extern "C" fn encode_strings(
    context: *mut c_void,
    prompts: *const abi::Str,
    count: usize,
    changed: *const abi::TowerChanges,
    out: *mut abi::Tensor,
) -> abi::Status {
    // SAFETY: see above.
    unsafe {
        serve(context, |host| {
            let prompts = slice(prompts, count, "prompts")?.iter().map(|prompt| text(*prompt).map(str::to_owned));
            let prompts = prompts.collect::<Result<Vec<_>>>()?;
            write(out, towers::of(host)?.encode_strings(&prompts, &changes(changed)?)?)
        })
    }
}
