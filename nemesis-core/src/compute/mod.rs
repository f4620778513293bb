//! What computes: images, backbone, training and evaluation, within a budget of memory.
//!
//! What is in here can change a result, so ids rest on it. Nothing in here knows records, plugins, registries of data
//! sets, interchange or YAML: those may be mended without making a record void.

pub mod backbone;
pub(crate) mod budget;
pub mod image;
pub mod train;

/// The fingerprint of the sources that cells are computed by: a part of every cell's id, and of every feature's in the
/// pool. It covers this module, the engine that puts its parts together, few-shot sampling, what methods are made of,
/// and what takes tensors over to plugins and back.
pub const FINGERPRINT: &str = nemesis_macros::source_fingerprint!(
    only "src/compute",
    "src/engine",
    "src/dataset/few_shot.rs",
    "src/dataset/python_random.rs",
    "src/dataset/subset.rs",
    "src/plugin/method.rs",
    "src/plugin/services.rs",
    "src/plugin/towers.rs",
    "sdk/src",
    "abi/src"
);
