//! Runs on clusters: what is handed to an engine that has machines, and what it says of it.
//!
//! Every engine gets the same thing: a number of equal runs on one folder, which divide its jobs themselves
//! ([`nemesis_core::leases`]). So none of them needs to know what a job is, and any of the runs may be lost.

mod engine;
pub mod hq;
mod profile;
mod quote;
pub mod slurm;
pub mod submissions;

pub use profile::Profile;
pub use quote::{command_line, quoted};
