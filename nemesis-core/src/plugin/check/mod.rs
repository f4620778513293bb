//! The conformance kit: what a plugin must do to be a good citizen of the harness, one check a process.
//!
//! Each check has an id and a sentence. A check runs on a toy backbone of a few numbers, so that the whole kit takes
//! seconds; it runs in a process of its own, so that a plugin which crashes, hangs or spoils the process fails that
//! check and no other. [`Kit`] starts those processes; [`run_here`] is what happens in each.

mod evaluation;
mod file;
mod inputs;
mod learning;
mod manners;
mod options;
mod runner;
mod stage;
mod state;
mod subject;

pub use runner::{Kit, Report};
pub use subject::Outcome;

use crate::error::suggest;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::path::Path;
use subject::{Finding, Subject};

/// One thing that a plugin must do.
#[derive(Clone, Copy)]
pub struct Check {
    /// The id, in kebab case.
    pub id: &'static str,
    /// What the plugin does if the check passes.
    pub sentence: &'static str,
    run: fn(&Subject) -> Finding,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Check").field(&self.id).finish()
    }
}

const fn check(id: &'static str, sentence: &'static str, run: fn(&Subject) -> Finding) -> Check {
    Check { id, sentence, run }
}

/// The check that all others rest on: a plugin that does not load can show nothing.
const ENTRY: &str = "entry";

/// The check whose process must leave standard output empty, which only who started it can see.
const NO_OUTPUT: &str = "no-output";

/// All checks, in the order in which they are told.
pub const CHECKS: &[Check] = &[
    check(ENTRY, "the file loads, and its entry tells the same versions as the file", file::entry),
    check("exports", "the file exports its entry and nothing else", file::exports),
    check(
        "foreign-abi",
        "a copy for another plugin interface is refused, and both versions are told",
        file::foreign_abi,
    ),
    check(
        "foreign-libtorch",
        "a copy for another libtorch is refused, and both versions are told",
        file::foreign_libtorch,
    ),
    check("struct-sizes", "structs that are too small are refused, and longer ones are read", file::struct_sizes),
    check("extensions", "an extension that nobody has is a null pointer", file::extensions),
    check("load-time", "loading takes less than a second", file::load_time),
    check(
        "descriptor",
        "the descriptor names the method, what it needs, and every option with default and help",
        options::descriptor,
    ),
    check("options-unknown", "an unknown option is refused by its name", options::unknown),
    check("options-ill-typed", "an option of the wrong type is refused by its name", options::ill_typed),
    check("options-defaults", "the defaults of the descriptor are those that are used", options::defaults),
    check(
        "parameters",
        "parameters are named leaves of the task's type and device, the same in every call",
        learning::parameters,
    ),
    check("same-seed", "the same seed gives the same parameters, loss and gradients", learning::same_seed),
    check("instances", "two instances do not disturb each other", learning::instances),
    check("single-precision", "the method works in single precision", learning::single_precision),
    check("loss", "the loss is a finite scalar with a graph", learning::loss),
    check("gradients-reach", "gradients reach every parameter", learning::gradients_reach),
    check(
        "gradients-filled",
        "a method that fills gradients itself leaves one in every parameter",
        learning::gradients_filled,
    ),
    check("gradients-exact", "gradients agree with finite differences", learning::gradients_exact),
    check("graph-cuts", "gradients stay the same when the host cuts the graph", learning::graph_cuts),
    check(
        "two-gradients",
        "a method that fills gradients itself gets each of its losses' gradients",
        learning::two_gradients,
    ),
    check(
        "training",
        "a training of several epochs ends, with finite numbers of its own in the history",
        learning::training,
    ),
    check("logits", "logits are finite, of the shape [images, classes] and without a graph", evaluation::logits),
    check(
        "evaluation",
        "an image's logits do not depend on its batch, and evaluating changes nothing",
        evaluation::pure,
    ),
    check("stale-logits", "logits follow a change of the parameters", evaluation::stale_logits),
    check("state-round-trip", "a state that is saved and loaded gives the same logits", state::round_trip),
    check("state-checked", "a state that lacks a tensor, or has one of another shape, is refused", state::checked),
    check("batch-of-one", "a batch of one image is a batch", inputs::batch_of_one),
    check("one-class", "one class is a task", inputs::one_class),
    check("zero-contexts", "parameters that are all zero give finite numbers", inputs::zero_contexts),
    check(
        "class-specific",
        "class-specific contexts, if the method has them, belong to their class",
        inputs::class_specific,
    ),
    check("errors-inside", "wrong inputs and failing services end as errors that say something", inputs::errors_inside),
    check("panics-inside", "a panic in a service of the host ends as an error", inputs::panics_inside),
    check(NO_OUTPUT, "nothing is written to standard output", manners::no_output),
    check("random-state", "the global random state of libtorch is left as it was", manners::random_state),
    check("grad-mode", "grad mode and libtorch's number of threads are left as they were", manners::grad_mode),
    check(
        "step-overhead",
        "a step takes less than ten milliseconds beside the host's services",
        manners::step_overhead,
    ),
    check("memory", "a thousand steps take no more memory than a hundred", manners::memory),
];

/// The check of that id.
///
/// # Errors
///
/// When there is none; the message names the nearest.
pub fn find(id: &str) -> Result<&'static Check> {
    let ids = CHECKS.iter().map(|check| check.id);
    CHECKS
        .iter()
        .find(|check| check.id == id)
        .ok_or_else(|| Error::new(format!("there is no check `{id}`")).help(suggest(id, ids)))
}

/// Runs one check of a plugin in this process, which it may spoil, and leaves the [`Outcome`] as JSON in the file
/// `verdict`. `options` are given to every method that is made.
///
/// # Errors
///
/// When there is no such check, or the outcome cannot be written. What the plugin does wrong is an outcome.
pub fn run_here(id: &str, plugin: &Path, options: &Map<String, Value>, verdict: &Path) -> Result<()> {
    let check = find(id)?;
    let outcome = Outcome::from((check.run)(&Subject::new(plugin, options)));
    runner::leave(&outcome, verdict)
}
