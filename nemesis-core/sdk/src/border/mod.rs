//! The border between host and plugin: the one place where Rust values become C values and back.
//!
//! Method authors do not need it directly: [`export_method!`](crate::export_method) does. The host uses the same
//! conversions on its side. The rules (who frees what, on which thread, in which grad mode) are those of
//! [`nemesis_abi`].
#![expect(unsafe_code, reason = "the types of the C interface are pointers")]

mod data;
mod export;
mod guest;
mod metadata;
mod panic;
mod tensor;
mod text;
mod towers;

pub use data::{BorrowedBatch, BorrowedFeatures, BorrowedTask, batch, feature_set, task};
pub use export::entry;
pub use guest::GuestHost;
pub use metadata::{concatenate, concatenated_length};
pub use nemesis_abi as abi;
pub use panic::{catch, report_panics};
pub use tensor::{adopt, borrow, class_position, class_position_code, copy, release, written};
pub use text::{borrowed, ok, owned, result, status, text};
pub use towers::{BorrowedChanges, changes, tower_sizes};

use crate::{Error, Result};

/// A reference to a struct that the other side made, or an error when it is null or smaller than this side's.
///
/// # Safety
///
/// `pointer` is null, or leads to a struct of the other side that begins with its size in bytes and lives for `'a`.
///
/// # Errors
///
/// When it is null or too small; the message names `what` it is.
pub unsafe fn sized<'a, T>(pointer: *const T, what: &str) -> Result<&'a T> {
    if pointer.is_null() {
        return Err(Error::new(format!("the {what} is a null pointer")));
    }
    // SAFETY: the caller vouches for the size field, which all such structs begin with.
    let size = unsafe { pointer.cast::<usize>().read() };
    if size < size_of::<T>() {
        return Err(Error::new(format!(
            "the {what} of the other side has {size} bytes, but this side needs {}",
            size_of::<T>()
        )));
    }
    // SAFETY: not null and large enough, and the caller vouches for the rest.
    Ok(unsafe { &*pointer })
}

/// A function of a table, or an error that names it when it is missing.
///
/// # Errors
///
/// When it is null.
pub fn required<F>(function: Option<F>, name: &str) -> Result<F> {
    function.ok_or_else(|| Error::new(format!("the table of the other side lacks the function `{name}`")))
}

/// The slice that a pointer and a count of the other side describe. With a count of zero, the pointer may be null.
///
/// # Safety
///
/// When neither is zero, `pointer` leads to `count` values, which live for `'a`.
///
/// # Errors
///
/// When a null pointer is to lead to values; the message names `what` it is.
pub unsafe fn slice<'a, T>(pointer: *const T, count: usize, what: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(Error::new(format!("the {what} of the other side, {count} of them, are a null pointer")));
    }
    // SAFETY: the caller vouches for it.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_pointer_leads_to_nothing_but_not_to_values() {
        // SAFETY: no value is read.
        unsafe {
            assert_eq!(slice(std::ptr::null::<f64>(), 0, "options"), Ok(&[][..]));
            let error = slice(std::ptr::null::<f64>(), 2, "options").unwrap_err();
            assert_eq!(error.to_string(), "the options of the other side, 2 of them, are a null pointer");
        }
    }
}
