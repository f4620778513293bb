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

/// The slice that a pointer and a count of the other side describe. A null pointer leads to nothing, whatever the count.
///
/// # Safety
///
/// When neither is zero, `pointer` leads to `count` values, which live for `'a`.
pub unsafe fn slice<'a, T>(pointer: *const T, count: usize) -> &'a [T] {
    if count == 0 || pointer.is_null() {
        return &[];
    }
    // SAFETY: the caller vouches for it.
    unsafe { std::slice::from_raw_parts(pointer, count) }
}
