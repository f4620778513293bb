//! Fuzzing: readers get changed inputs, and must neither panic, nor hang, nor take memory out of proportion, nor lose any.
//!
//! Inputs begin as the seeds of a [`Target`], mostly fixtures of this repository, and as what earlier runs kept. There are
//! two forms. [`fuzz`] is part of every test run: it tries a few changes and needs no special build. [`Guided`] runs for as
//! long as one likes, in a build that tells libFuzzer which code an input reaches. `cargo xtask fuzz` makes that build, with
//! the compiler that builds everything else.

#![forbid(unsafe_code)]

mod blind;
mod chance;
mod guided;
mod judge;
mod kept;
mod mutate;
mod repair;
mod targets;

pub use blind::{Find, Tally, fuzz, replay};
pub use guided::Guided;
pub use targets::{TARGETS, Target};

use peak_alloc::PeakAlloc;
// Cargo builds a package with the features that everything built at that time asks of it, and what criterion and proptest
// ask of these two is more than the rest does. As this crate, which only tests need, asks for it too, `cargo build
// --workspace` and `cargo test --workspace` compile the same packages, nemesis-core among them, once.
use {either as _, getrandom as _};

/// Counts what readers allocate.
#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;
