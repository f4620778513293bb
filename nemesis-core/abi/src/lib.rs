//! The C interface between `nemesis` and a method plugin. It has no dependencies.
//!
//! A plugin is a shared library that exports one symbol, `nemesis_plugin_entry_v1`, a function without arguments that
//! returns an [`Entry`]. Everything else is reached through tables of functions: the host calls the plugin's
//! [`MethodTable`], and during such a call the plugin may call the host's [`Host`] table. In Rust, use
//! `nemesis-sdk` rather than these types. For C and C++ they are in `include/nemesis.h`, generated from here.
//!
//! # Rules of the border
//!
//! * **Growth.** Every struct that crosses begins with its size in bytes, as its maker knows it, and grows at its end
//!   only. A reader reads no field beyond that size. [`Str`], [`OwnedStr`] and [`Status`] are fixed and never change.
//!   Any change here changes [`ABI_MINOR`] or [`ABI_MAJOR`]; a test enforces this.
//! * **Versions.** A host accepts plugins with its own major version, at most its own minor version, and its own
//!   libtorch. It reads these from the [section](SECTION) of the file before it loads it, and compares them again
//!   in the [`Entry`] before any tensor crosses.
//! * **Memory.** What a pointer argument points to is borrowed: it lives until the call returns, and is not written
//!   to unless it is named `out`. Text handed over is an [`OwnedStr`], which carries the function that frees it. A
//!   pointer to `count` things may be null when `count` is zero.
//! * **Tensors.** A [`Tensor`] is an `at::Tensor *`. As an argument it is borrowed, and a copy of the `at::Tensor`
//!   (which shares the storage and the autograd node) outlives the call. As a result, written through `out`, it is
//!   a new `at::Tensor` of its own, which the receiver frees with `delete`. Nothing is written unless the status is OK.
//! * **Threads.** All calls to one method come on the thread that created it, one at a time. Host services may be
//!   called on that thread only, and only until the call that handed over the [`Host`] returns.
//! * **Modes.** Grad mode is on in [`MethodTable::loss`], [`MethodTable::compute_gradients`] and [`MethodTable::fit`],
//!   off in all other calls, and the host puts it back afterwards. Autocast is always off. Do not use the global
//!   random state of libtorch: draw from [`Host::random`].
//! * **Failure.** Nothing unwinds across the border: a panic or exception becomes a [`Status`]. After a status that is
//!   not OK, the method may only be destroyed.
//! * **Life.** A plugin is never unloaded; its [`Entry`] and [`MethodTable`] are static.

#![no_std]

mod data;
mod entry;
mod host;
mod method;
mod text;
mod towers;

pub use data::{Batch, FeatureSet, Parameter, ParameterSink, Task, TensorList, TensorSink};
pub use entry::{Entry, EntryFn};
pub use host::Host;
pub use method::MethodTable;
pub use text::{
    OwnedStr, STATUS_CANCELLED, STATUS_ERROR, STATUS_INVALID_OPTIONS, STATUS_OK, STATUS_PANIC, STATUS_UNSUPPORTED,
    Status, Str,
};
pub use towers::{Dropout, LayerPrompt, LowRank, Replacement, TOWERS, TowerChanges, TowerSizes, Towers};

/// Plugins and hosts of different major versions do not understand each other.
pub const ABI_MAJOR: u32 = 1;

/// A host understands plugins of its own and of all lower minor versions.
pub const ABI_MINOR: u32 = 1;

/// Both numbers as text, as in the section of a plugin's file.
pub const ABI_VERSION: &str = "1.1";

/// The name of the one symbol that a plugin exports, an [`EntryFn`].
pub const ENTRY_SYMBOL: &str = "nemesis_plugin_entry_v1";

/// The section of the plugin's file that says, without running anything, what the plugin is and needs.
///
/// It holds UTF-8 lines `key=value`: `abi` (`MAJOR.MINOR`), `libtorch`, `cxx11_abi`, `sdk`, `id`, `version`, and
/// `source`, a hash over the sources. Trailing zero bytes are ignored, and so are unknown keys.
pub const SECTION: &str = ".nemesis_plugin";

/// A tensor, an `at::Tensor *` of the libtorch that both sides share.
pub type Tensor = *mut core::ffi::c_void;

/// The class name comes after all context vectors.
pub const CLASS_POSITION_END: u32 = 0;
/// The class name comes after the first half of the context vectors, rounded down.
pub const CLASS_POSITION_MIDDLE: u32 = 1;
/// The class name comes before all context vectors.
pub const CLASS_POSITION_FRONT: u32 = 2;

/// Something the user should know about the result.
pub const LOG_WARN: u32 = 1;
/// Something worth seeing in a normal run.
pub const LOG_INFO: u32 = 2;
/// Something that helps with debugging.
pub const LOG_DEBUG: u32 = 3;

/// Tensors are in main memory.
pub const DEVICE_CPU: u32 = 0;
/// Tensors are on a CUDA device.
pub const DEVICE_CUDA: u32 = 1;
/// Tensors are on Apple's Metal device.
pub const DEVICE_MPS: u32 = 2;
/// Tensors are on a Vulkan device.
pub const DEVICE_VULKAN: u32 = 3;

/// Half precision. The numbers of the kinds are those of `c10::ScalarType`.
pub const KIND_HALF: u32 = 5;
/// Single precision.
pub const KIND_FLOAT: u32 = 6;
/// Double precision.
pub const KIND_DOUBLE: u32 = 7;
/// bfloat16.
pub const KIND_BFLOAT16: u32 = 15;
