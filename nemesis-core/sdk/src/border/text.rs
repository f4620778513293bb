//! Text and statuses.

use crate::{Error, ErrorKind, Result};
use nemesis_abi as abi;
use std::ffi::c_char;

/// Lends text to the other side for the length of a call.
pub fn borrowed(text: &str) -> abi::Str {
    abi::Str { data: text.as_ptr().cast(), len: text.len() }
}

/// The text that the other side lends. Bytes that are not UTF-8 are an error.
///
/// # Safety
///
/// `text` describes bytes that live for `'a`.
///
/// # Errors
///
/// When the bytes are not UTF-8, or a null pointer.
pub unsafe fn text<'a>(text: abi::Str) -> Result<&'a str> {
    // SAFETY: the caller vouches for the bytes.
    let bytes = unsafe { super::slice(text.data.cast::<u8>(), text.len, "bytes of a text") }?;
    std::str::from_utf8(bytes).map_err(|_| Error::new("text from the other side is not UTF-8"))
}

/// Hands text over to the other side, which frees it through the function it carries.
pub fn owned(text: String) -> abi::OwnedStr {
    if text.is_empty() {
        return abi::OwnedStr { data: std::ptr::null_mut(), len: 0, free: None };
    }
    let bytes = Box::leak(text.into_bytes().into_boxed_slice());
    abi::OwnedStr { data: bytes.as_mut_ptr().cast(), len: bytes.len(), free: Some(free) }
}

unsafe extern "C" fn free(data: *mut c_char, len: usize) {
    // SAFETY: `owned` made this function travel with a leaked box of exactly these bytes.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(data.cast::<u8>(), len)) });
}

/// The status of a call that did what was asked.
pub fn ok() -> abi::Status {
    abi::Status { code: abi::STATUS_OK, message: owned(String::new()) }
}

/// Hands a result over to the other side.
pub fn status(result: Result<()>) -> abi::Status {
    let Err(error) = result else { return ok() };
    let code = match error.kind() {
        // The other side knows it by libtorch's words, as it does of methods that are not written in Rust.
        ErrorKind::Failed | ErrorKind::OutOfMemory => abi::STATUS_ERROR,
        ErrorKind::Panicked => abi::STATUS_PANIC,
        ErrorKind::InvalidOptions => abi::STATUS_INVALID_OPTIONS,
        ErrorKind::Cancelled => abi::STATUS_CANCELLED,
        ErrorKind::Unsupported => abi::STATUS_UNSUPPORTED,
    };
    abi::Status { code, message: owned(error.to_string()) }
}

/// Takes over a result of the other side, freeing its text.
///
/// # Safety
///
/// `status` was made by the other side and is taken over only here.
///
/// # Errors
///
/// What the status says.
pub unsafe fn result(abi::Status { code, message }: abi::Status) -> Result<()> {
    let abi::OwnedStr { data, len, free } = message;
    // SAFETY: the maker vouches for the bytes until they are freed below.
    let bytes = unsafe { super::slice(data.cast::<u8>().cast_const(), len, "bytes of a message") };
    let message = String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    if let Some(free) = free {
        // SAFETY: called once, with what the maker handed over.
        unsafe { free(data, len) };
    }
    let kind = match code {
        abi::STATUS_OK => return Ok(()),
        abi::STATUS_PANIC => ErrorKind::Panicked,
        abi::STATUS_INVALID_OPTIONS => ErrorKind::InvalidOptions,
        abi::STATUS_CANCELLED => ErrorKind::Cancelled,
        abi::STATUS_UNSUPPORTED => ErrorKind::Unsupported,
        _ => ErrorKind::Failed,
    };
    let message = if message.is_empty() { "failed without a message".to_owned() } else { message };
    Err(match kind {
        ErrorKind::InvalidOptions => {
            let error = Error::of_kind(kind, message.as_str());
            named_option(&message).into_iter().fold(error, Error::with_option)
        }
        ErrorKind::Failed | ErrorKind::Panicked => Error::of_libtorch(kind, message),
        kind => Error::of_kind(kind, message),
    })
}

/// The option that a message about invalid options names, between the first backquotes: the border carries text alone, and
/// its rule is that the message names the option.
fn named_option(message: &str) -> Option<&str> {
    message.split('`').nth(1).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_carries_kind_and_message() {
        for error in [
            Error::new("größer"),
            Error::option("alpha", "too small"),
            Error::cancelled(),
            Error::of_kind(ErrorKind::Panicked, "at a.rs:1"),
            Error::of_kind(ErrorKind::Unsupported, "no `fit`"),
            Error::of_libtorch(ErrorKind::Failed, "DefaultCPUAllocator: not enough memory".to_owned()),
        ] {
            // SAFETY: made on the line it is taken over.
            assert_eq!(unsafe { result(status(Err(error.clone()))) }, Err(error));
        }
        // SAFETY: as above.
        assert_eq!(unsafe { result(status(Ok(()))) }, Ok(()));
    }

    #[test]
    fn an_unknown_code_without_text_is_a_failure() {
        let status = abi::Status { code: 77, message: owned(String::new()) };
        // SAFETY: made above.
        let error = unsafe { result(status) }.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Failed, "failed without a message"));
    }
}
