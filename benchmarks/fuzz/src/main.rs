//! `nemesis-fuzz`: a program around libFuzzer, whose `main` it has. See `guided`.

#![forbid(unsafe_code)]
#![no_main]

use nemesis_fuzz::Guided;
use std::sync::{Mutex, OnceLock, PoisonError};

static GUIDED: OnceLock<Mutex<Guided>> = OnceLock::new();

libfuzzer_sys::fuzz_target!(init: {
    // Before libFuzzer reads its own arguments: they name files that this writes.
    GUIDED.get_or_init(|| Mutex::new(Guided::start()));
}, |changed: &[u8]| {
    let guided = GUIDED.get_or_init(|| Mutex::new(Guided::start()));
    guided.lock().unwrap_or_else(PoisonError::into_inner).one(changed);
});
