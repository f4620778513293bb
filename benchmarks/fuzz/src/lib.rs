//! Fuzzing: readers get changed inputs, and must neither panic, nor hang, nor take memory out of proportion, nor lose any.
//!
//! Inputs begin as the seeds of a [`Target`], mostly fixtures of this repository. Those that make a reader say something
//! that it has not said before become the beginning of others. This needs no instrumented build, and so no nightly
//! compiler. `cargo xtask fuzz` runs it.

#![forbid(unsafe_code)]

mod chance;
mod fuzzer;
mod mutate;
mod repair;
mod targets;

pub use fuzzer::{Find, Fuzzer, Limits, Tally, replay};
pub use targets::{TARGETS, Target};

use peak_alloc::PeakAlloc;
// Cargo builds a package with the features that everything built at that time asks of it, and what criterion and proptest
// ask of these two is more than the rest does. As this crate, which only tests need, asks for it too, `cargo build
// --workspace` and `cargo test --workspace` compile the same packages, nemesis-core among them, once.
use {either as _, getrandom as _};

/// Counts what readers allocate.
#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;
