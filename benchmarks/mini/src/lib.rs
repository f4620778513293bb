//! The mini suite's material: eleven small procedural data sets, and the pre-training of the small CLIP.

#![forbid(unsafe_code)]

mod captions;
mod data;
mod description;
mod encode;
mod initial;
mod items;
mod lists;
mod matlab;
mod paint;
mod pretrain;
mod random;
mod recipe;
mod sets;
mod weights;

pub use data::{ensure_data_root, is_data_root};
pub use pretrain::pretrain;
pub use recipe::Recipe;
pub use weights::{ensure_weights, is_mini};
