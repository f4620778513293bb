//! The SDK for method plugins: the trait to implement, the services of the host, and building blocks for methods.
//!
//! A plugin is a `cdylib` crate that depends on this crate, `tch` and `serde`, implements [`Method`] and
//! [`Plugin`], and exports itself with one macro line. It never reads the disk, prints, or owns a loop.

// The macros refer to this crate by name, as plugins do, also in its own tests.
#[cfg(test)]
extern crate self as nemesis_sdk;

pub mod adapter;
pub mod border;
pub mod cache;
pub mod corruption;
pub mod deep;
mod error;
pub mod gradients;
mod host;
pub mod learned;
mod method;
mod needs;
pub mod norm;
pub mod omega;
mod options;
pub mod parameters;
pub mod prompt;
mod protocol;
pub mod random;
pub mod templates;
pub mod testing;
pub mod towers;
pub mod versions;

pub use error::{Error, ErrorKind, Result};
pub use host::{ClassPosition, Host, LogLevel};
pub use method::{About, Batch, Descriptor, FeatureSet, Method, Optimisation, Parameter, Plugin, State, Task};
pub use needs::Needs;
/// A hash over the sources of the crate that calls it, computed when that crate is compiled.
pub use nemesis_macros::source_fingerprint;
pub use options::{OptionSchema, OptionSet, OptionValue, parse_options};
pub use protocol::{
    Augmentation, AverageKind, Epochs, GroupPatch, OptimiserKind, ProtocolPatch, ScheduleKind, ScheduleUnit, WarmupKind,
};
pub use {serde, serde_json, tch};
