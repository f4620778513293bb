//! What a method plugin is written with: the trait, the services of the host, and the parts that methods are made of.
//!
//! A plugin is a `cdylib` crate that depends on this crate, `tch` and `serde`, implements [`Method`] and
//! [`Plugin`], and exports itself with one macro line. It never reads the disk, prints, or owns a loop.

mod error;
mod host;
mod method;
pub mod random;

pub use error::{Error, Result};
pub use host::{ClassPosition, Host, LogLevel};
pub use method::{
    Batch, Descriptor, FeatureSet, Method, Needs, Optimisation, OptionSchema, Parameter, Plugin, State, Task,
};
