//! Panics become errors before they reach the border.

use crate::{Error, ErrorKind, Result};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `body`, and turns a panic in it into an error with the panic's message and location.
///
/// # Errors
///
/// What `body` returns, or [`ErrorKind::Panicked`].
pub fn catch<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    let outer = INSIDE.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(outer);
    result.unwrap_or_else(|payload| {
        let message = message(&*payload).to_owned();
        // The payload may be anything, even something that panics when dropped.
        std::mem::forget(payload);
        let place = PLACE.take().map_or(String::new(), |place| format!(" at {}", within_crate(&place)));
        Err(Error::of_kind(ErrorKind::Panicked, format!("panicked{place}: {message}")))
    })
}

/// From now on, a panic inside [`catch`] prints nothing; its location goes into the error that it becomes.
///
/// A plugin has its own copy of the standard library, whose panic hook the host cannot reach.
pub fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if INSIDE.get() {
                PLACE.set(info.location().map(ToString::to_string));
            } else {
                previous(info);
            }
        }));
    });
}

fn message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .map_or("a value that is not text", |text| without_frames(text))
}

/// A place in a crate of a registry, without the path to where Cargo has unpacked it.
fn within_crate(place: &str) -> &str {
    place.split_once("/registry/src/").and_then(|(_, place)| place.split_once('/')).map_or(place, |(_, place)| place)
}

/// The first line. `TchError`s carry libtorch's C++ stack trace after it, which `unwrap` shows as one line, with its line
/// breaks written out.
fn without_frames(text: &str) -> &str {
    let ends = ["\n", "\\n", "Exception raised from"].into_iter().filter_map(|end| text.find(end));
    ends.min().map_or(text, |end| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_dependency_begins_with_its_crate() {
        let place = "tch-0.24.0/src/tensor.rs:1:2";
        assert_eq!(within_crate(&format!("/home/me/.cargo/registry/src/host-0123/{place}")), place);
        assert_eq!(within_crate("src/lib.rs:3:4"), "src/lib.rs:3:4");
    }

    #[test]
    fn stack_frames_of_libtorch_are_left_out() {
        let shapes = "called `Result::unwrap()` on an `Err` value: Torch(\"The size of tensor a (2) must match";
        for frames in ["\nException raised from f", "\\nException raised from f", "Exception raised from f", ""] {
            assert_eq!(without_frames(&format!("{shapes}{frames}")), shapes);
        }
    }

    #[test]
    fn a_panic_becomes_an_error_that_says_where() {
        report_panics();
        let error = catch::<()>(|| panic!("no {}", "way")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        assert!(error.to_string().starts_with("panicked at nemesis-core/sdk/src/border/panic.rs:"), "{error}");
        assert!(error.to_string().ends_with(": no way"), "{error}");
    }

    #[test]
    fn a_payload_that_panics_when_dropped_stays_inside() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let error = catch::<()>(|| std::panic::panic_any(Bomb)).unwrap_err();
        assert!(error.to_string().ends_with("a value that is not text"), "{error}");
    }
}
