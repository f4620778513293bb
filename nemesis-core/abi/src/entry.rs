//! What the one exported symbol returns.

use crate::{Host, MethodTable, Status, Str, Task};
use core::ffi::{c_char, c_void};

/// The type of the exported function `nemesis_plugin_entry_v1`. It may be called on any thread, any number of times,
/// touches no tensor, and always returns the same static table.
pub type EntryFn = unsafe extern "C" fn() -> *const Entry;

/// The plugin, as the host sees it. Static in the plugin.
#[repr(C)]
#[derive(Debug)]
pub struct Entry {
    /// The size of this struct in bytes.
    pub struct_size: usize,
    /// The [`ABI_MAJOR`](crate::ABI_MAJOR) that the plugin was built with.
    pub abi_major: u32,
    /// The [`ABI_MINOR`](crate::ABI_MINOR) that the plugin was built with.
    pub abi_minor: u32,
    /// The version of the libtorch that the plugin was built with, `TORCH_VERSION` in its headers.
    pub libtorch: Str,
    /// The value of `_GLIBCXX_USE_CXX11_ABI` that the plugin was built with, `1` or `0`.
    pub cxx11_abi: Str,
    /// What the plugin was made with, for messages: `nemesis-sdk 0.1.0`.
    pub sdk: Str,
    /// What the method is and what it asks of the host: a JSON object, documented at `nemesis_sdk::Descriptor`.
    pub descriptor: Str,
    /// The functions of the methods that `create` creates.
    pub method: *const MethodTable,

    /// Creates a method for a task and writes it to `out`; the host gives it back to
    /// [`destroy`](MethodTable::destroy).
    ///
    /// `options` is a JSON object that holds the options the user gave; those absent have their defaults. Fails with
    /// [`STATUS_INVALID_OPTIONS`](crate::STATUS_INVALID_OPTIONS) when an option is unknown or ill-typed, or when the
    /// options contradict each other or the task. Grad mode is off.
    pub create: Option<
        unsafe extern "C" fn(host: *const Host, task: *const Task, options: Str, out: *mut *mut c_void) -> Status,
    >,

    /// Optional: a static table of an optional feature by its name, a string that ends with a zero byte, or null if
    /// the plugin has none. It may be called on any thread.
    pub get_extension: Option<unsafe extern "C" fn(name: *const c_char) -> *const c_void>,
}

// SAFETY: the pointers lead to static data that is never written to.
#[expect(unsafe_code, reason = "a table of static data is a static itself")]
unsafe impl Send for Entry {}

// SAFETY: as above.
#[expect(unsafe_code, reason = "a table of static data is a static itself")]
unsafe impl Sync for Entry {}
