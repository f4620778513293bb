//! The conformance kit: what a plugin must do to work well in the harness, with one process for each check.
//!
//! Each check has an id and a sentence. Checks use a tiny toy backbone, so the whole kit takes seconds. Each runs in
//! its own process, so a plugin that crashes, hangs or corrupts its process fails only that check. [`Kit`] starts the
//! processes; [`run_here`] is what runs in each.

mod backbone;
mod evaluation;
mod file;
mod gradients;
mod inputs;
mod learning;
mod manners;
mod options;
mod protocol;
mod runner;
mod stage;
mod state;
mod subject;
mod towers;

pub use runner::{ENVIRONMENT, Kit, Process, Report, Start, kill_group};
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

/// The check that all others depend on: nothing can be said about a plugin that does not load.
const ENTRY: &str = "entry";

/// The check whose process must leave standard output empty, which only the parent process can see.
const NO_OUTPUT: &str = "no-output";

/// All checks, in the order in which they are reported.
pub const CHECKS: &[Check] = &[
    check(ENTRY, "the file loads, and its entry reports the same versions as the file", file::entry),
    check("exports", "the file exports its entry and nothing else", file::exports),
    check(
        "foreign-abi",
        "a copy made for another plugin interface is refused, with both versions named",
        file::foreign_abi,
    ),
    check(
        "foreign-libtorch",
        "a copy made for another libtorch is refused, with both versions named",
        file::foreign_libtorch,
    ),
    check("struct-sizes", "structs that are too small are refused, and longer ones are read", file::struct_sizes),
    check("extensions", "asking for an unknown extension returns a null pointer", file::extensions),
    check("load-time", "loading takes less than a second", file::load_time),
    check(
        "descriptor",
        "the descriptor names the method, what it needs, and every option with its default and help",
        options::descriptor,
    ),
    check(
        "protocol",
        "the protocol that it publishes can be trained with, with any number of shots",
        protocol::published,
    ),
    check("options-unknown", "an unknown option is refused, and the error names it", options::unknown),
    check("options-ill-typed", "an option of the wrong type is refused, and the error names it", options::ill_typed),
    check("options-defaults", "the descriptor's defaults are the ones used", options::defaults),
    check(
        "parameters",
        "parameters are named leaves with the task's type and device, the same in every call",
        learning::parameters,
    ),
    check("same-seed", "the same seed gives the same parameters, loss and gradients", learning::same_seed),
    check("instances", "two instances do not disturb each other", learning::instances),
    check("single-precision", "the method works in single precision", learning::single_precision),
    check("loss", "the loss is a finite scalar with a graph", learning::loss),
    check("gradients-reach", "gradients reach every parameter", gradients::reach),
    check("gradients-filled", "a method that fills gradients itself leaves one in every parameter", gradients::filled),
    check("gradients-exact", "gradients agree with finite differences", gradients::exact),
    check("graph-cuts", "gradients stay the same when the host cuts the graph", gradients::graph_cuts),
    check(
        "two-gradients",
        "a method that fills gradients itself gets the gradients of each of its losses",
        gradients::two_gradients,
    ),
    check("towers", "a method uses the towers if it asks for them, and not otherwise", towers::used),
    check("training", "training for several epochs completes, and reported numbers are finite", learning::training),
    check("logits", "logits are finite, have the shape [images, classes] and carry no graph", evaluation::logits),
    check(
        "evaluation",
        "an image's logits do not depend on its batch, and evaluating changes nothing",
        evaluation::pure,
    ),
    check("stale-logits", "logits follow a change in the parameters", evaluation::stale_logits),
    check("state-round-trip", "saving and loading the state gives the same logits", state::round_trip),
    check("state-checked", "a state with a missing tensor or one of the wrong shape is refused", state::checked),
    check("batch-of-one", "a batch of one image works", inputs::batch_of_one),
    check("one-class", "a task with one class works", inputs::one_class),
    check("zero-contexts", "all-zero parameters give finite numbers", inputs::zero_contexts),
    check(
        "class-specific",
        "each class-specific context, if the method has them, affects only its class",
        inputs::class_specific,
    ),
    check("errors-inside", "wrong inputs and failing services become errors with a message", inputs::errors_inside),
    check("panics-inside", "a panic in one of the host's services becomes an error", inputs::panics_inside),
    check(NO_OUTPUT, "nothing is written to standard output", manners::no_output),
    check("random-state", "libtorch's global random state is unchanged", manners::random_state),
    check("grad-mode", "grad mode and libtorch's number of threads are unchanged", manners::grad_mode),
    check(
        "step-overhead",
        "a step takes less than ten milliseconds, not counting the host's services",
        manners::step_overhead,
    ),
    check("memory", "a thousand steps take no more memory than a hundred", manners::memory),
];

/// The check with this id.
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

/// Runs one check of a plugin in this process, which the plugin may corrupt, and writes the [`Outcome`] as JSON to the
/// file `verdict`. `options` are given to every method that is created.
///
/// # Errors
///
/// When there is no such check, or the outcome cannot be written. A fault of the plugin is an outcome, not an error.
pub fn run_here(id: &str, plugin: &Path, options: &Map<String, Value>, verdict: &Path) -> Result<()> {
    let check = find(id)?;
    let outcome = Outcome::from((check.run)(&Subject::new(plugin, options)));
    runner::leave(&outcome, verdict)
}
