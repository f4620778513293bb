//! The towers with changes: against PyTorch, the fast ways against the plain one, and gradients through cuts.

mod golden;
mod model;
mod paths;
mod refusals;
mod steps;
mod training;
mod zoo;
