//! The fixed types of the border: borrowed text, owned text, and the status of a call.

use core::ffi::c_char;

/// Borrowed UTF-8 text. It is not terminated by a zero byte; `data` may be null when `len` is zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Str {
    /// The first byte.
    pub data: *const c_char,
    /// The number of bytes.
    pub len: usize,
}

/// UTF-8 text that is handed over. The receiver calls `free(data, len)` once, on any thread, if `free` is not null.
#[repr(C)]
#[derive(Debug)]
pub struct OwnedStr {
    /// The first byte, or null when `len` is zero.
    pub data: *mut c_char,
    /// The number of bytes.
    pub len: usize,
    /// The maker's function that frees the text; null for text that is static or empty.
    pub free: Option<unsafe extern "C" fn(data: *mut c_char, len: usize)>,
}

/// The call did what was asked, and its results are written.
pub const STATUS_OK: u32 = 0;
/// The call failed for the reason in the message.
pub const STATUS_ERROR: u32 = 1;
/// The call panicked or threw; the message is the panic's. The method may only be destroyed.
pub const STATUS_PANIC: u32 = 2;
/// The options given to [`create`](crate::Entry::create) are wrong; the message names the option, between its first backquotes.
pub const STATUS_INVALID_OPTIONS: u32 = 3;
/// The call ended early because [`cancelled`](crate::Host::cancelled) said so.
pub const STATUS_CANCELLED: u32 = 4;
/// The optional function exists but does nothing in this plugin.
pub const STATUS_UNSUPPORTED: u32 = 5;

/// The outcome of a call. A code that the receiver does not know counts as [`STATUS_ERROR`].
#[repr(C)]
#[derive(Debug)]
pub struct Status {
    /// One of the `STATUS_` constants.
    pub code: u32,
    /// What went wrong: a sentence without a final period. Empty when the code is [`STATUS_OK`].
    pub message: OwnedStr,
}
