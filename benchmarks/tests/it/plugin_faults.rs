//! The conformance kit notices what it is made to notice: one plugin does something wrong, and the check made for that
//! fails.

use crate::command::{library, nemesis, told};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Faults of the plugin `nemesis-core/tests/faulty`, with the check that must fail and a part of what it says.
const FAULTS: &[(&str, &str, &str)] = &[
    ("entry", "entry", "was made for version 7."),
    ("entry-libtorch", "entry", "was made for libtorch 1.13.1"),
    ("entry-size", "entry", "entry has 16 bytes"),
    ("entry-needs", "entry", "does not ask for `features`"),
    ("entry-functions", "entry", "lacks the function `save`"),
    ("struct-sizes", "struct-sizes", "a task of 8 bytes is accepted"),
    ("extensions", "extensions", "claims to have the extension"),
    ("load-time", "load-time", "it took "),
    ("descriptor", "descriptor", "the help of the option `csc`"),
    ("protocol-name", "entry", "its descriptor cannot be read: unknown field `batchsize`, expected one of `optimiser`"),
    ("protocol-batch", "protocol", "`batch_size` is 0 expected: 1 or more"),
    ("protocol-rate", "protocol", "`learning_rate` is -0.1 expected: a number above 0"),
    ("protocol-idle", "protocol", "`momentum` has no effect without `optimiser: sgd`"),
    ("protocol-shots", "protocol", "no number of epochs for 1 shot"),
    ("protocol-warmup", "protocol", "with 1 shot it ends after 5, and warms up for 5"),
    ("options-unknown", "options-unknown", "`no_such_option` = 1 is accepted silently"),
    ("options-ill-typed", "options-ill-typed", "is accepted silently"),
    ("options-defaults", "options-defaults", "without options the loss is"),
    ("parameters", "parameters", "a second call returns different ones"),
    ("same-seed", "same-seed", "the parameter `bias` starts with different values"),
    ("instances", "instances", "with a second instance in the process"),
    ("single-precision", "single-precision", "the parameter `bias` is Double"),
    ("loss", "loss", "it has no autograd graph"),
    ("gradients-reach", "gradients-reach", "no gradient reaches the parameter `bias`"),
    (
        "gradients-filled",
        "gradients-filled",
        "after `compute_gradients`, no gradient reaches the parameter `ctx`. It must call",
    ),
    ("gradients-exact", "gradients-exact", "its gradient says"),
    ("towers-inexact", "gradients-exact", "along one direction of `ctx`"),
    ("towers-unused", "towers", "it asks for the towers but does not use them"),
    ("towers-unasked", "towers", "the host offers no towers: the descriptor must ask for them"),
    ("graph-cuts", "graph-cuts", "must come only from the host's `backward` and `gradients`"),
    ("two-gradients", "two-gradients", "a gradient differs when the host recomputes features"),
    ("training", "training", "the method reports `ratio` = NaN in epoch 1 (step 1)"),
    ("logits", "logits", "they have the shape [5, 8] instead of [8, 5]"),
    ("evaluation", "evaluation", "differ when it is the only one in the batch"),
    ("stale-logits", "stale-logits", "those of the old parameters"),
    ("state-round-trip", "state-round-trip", "they differ in the instance the state was loaded into"),
    ("state-checked", "state-checked", "an empty state is accepted"),
    ("batch-of-one", "batch-of-one", "Dimension out of range"),
    ("one-class", "one-class", "the loss is [inf]"),
    ("zero-contexts", "zero-contexts", "the loss is [NaN]"),
    ("class-specific", "class-specific", "no parameter has a row for each of the 5 classes"),
    ("errors-inside", "errors-inside", "was killed by signal 6 SIGABRT"),
    ("hang", "errors-inside", "it ran longer than 4 s and was killed"),
    ("panics-inside", "panics-inside", "was killed by signal 6 SIGABRT: thread caused non-unwinding panic. aborting."),
    ("no-output", "no-output", "it printed \"loss "),
    ("random-state", "random-state", "draw from the host's `random` instead"),
    ("grad-mode", "grad-mode", "grad mode is off after a loss"),
    ("step-overhead", "step-overhead", "the fastest of 31 steps took "),
    ("memory", "memory", "another 1,000 steps take"),
    ("crash", "loss", "was killed by signal 6 SIGABRT"),
];

#[test]
fn each_fault_fails_the_check_that_is_made_for_it() {
    let plugin = library("nemesis_faulty_plugin");
    let missed = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let work = || {
        let folder = tempfile::tempdir().unwrap();
        while let Some((fault, check, reason)) = FAULTS.get(next.fetch_add(1, Ordering::Relaxed)) {
            // A check that hangs is given up soon; the others get the time that a busy machine may need.
            let limit = if *fault == "hang" { "4" } else { "60" };
            let arguments = ["plugin", "check", &plugin, "--only", check, "--timeout", limit];
            let output = nemesis(folder.path(), &arguments).env("NEMESIS_FAULT", fault).output().unwrap();
            let told = told(&output);
            let failed: Vec<_> = told.lines().filter(|line| line.starts_with("FAIL")).collect();
            let named = matches!(failed[..], [line] if line.split_whitespace().nth(1) == Some(check));
            if output.status.code() != Some(1) || !named || !told.contains(reason) {
                missed.lock().unwrap().push(format!("fault {fault}: {told}"));
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Without a fault the plugin passes; with one, the others of the kit do, so that the summary tells what is wrong.
#[test]
fn a_fault_fails_no_other_check() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = library("nemesis_faulty_plugin");
    let checks = super::plugin::untimed_checks();
    let run = |fault: &str| {
        let arguments = ["plugin", "check", &plugin, "--only", &checks];
        told(&nemesis(folder.path(), &arguments).env("NEMESIS_FAULT", fault).output().unwrap())
    };
    let sound = run("");
    assert!(sound.starts_with("exit code 0") && sound.contains(" 0 failed"), "{sound}");
    for fault in ["gradients-exact", "gradients-filled"] {
        let faulty = run(fault);
        assert!(faulty.starts_with("exit code 1") && faulty.contains(" 1 failed"), "{faulty}");
        assert!(faulty.contains(&format!("FAIL  {fault}")), "{faulty}");
    }
}
