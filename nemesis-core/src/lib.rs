//! The library behind `nemesis`: data sets, images, the CLIP backbone, methods as plugins, training, records.
//!
//! Three traits carry the design: [`dataset::Dataset`], [`backbone::Backbone`] and [`method::Method`].
//! ARCHITECTURE.md at the root of the repository tells how they work together.

mod compute;
pub mod contents;
pub mod dataset;
pub mod device;
mod dtype;
pub mod engine;
pub mod error;
pub mod files;
pub mod interchange;
pub mod json;
pub mod leases;
mod machine;
pub mod note;
pub mod plugin;
pub mod pool;
pub mod record;
mod sample;
pub mod seeds;
pub mod shots;
pub mod threads;
pub mod yaml;

use compute::budget;
pub use compute::{FINGERPRINT, backbone, image, train};
pub use error::{Error, Result};
/// What methods are made of: the trait, its services and the prompt learner, from the plugin SDK.
pub use nemesis_sdk as method;
