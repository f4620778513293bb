//! Small courtesies: closed pipes, counts of nothing, files of others, threads that are refused, and remarks that belong to
//! what is shown.

use crate::command::{assert_command, nemesis, told, wrote_nothing};
use crate::toy::{data_root, run, weights};
use std::path::Path;
use std::process::Stdio;

/// What a command prints to standard output, which has to go well.
fn ok(folder: &Path, arguments: &[&str]) -> String {
    let output = nemesis(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn whoever_reads_may_have_had_enough() {
    let folder = tempfile::tempdir().unwrap();
    data_root(folder.path(), &["toy"]);
    let weights = weights();
    let plan: Vec<&str> =
        std::iter::once("plan").chain(run(&weights, &["--datasets", "toy"]).into_iter().skip(1)).collect();
    for arguments in
        [&plan[..], &["env"], &["plugin", "list"], &["plugin", "describe", "coop"], &["plugin", "check", "--list", "x"]]
    {
        let mut child =
            nemesis(folder.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", told(&output));
    }
}

#[test]
fn counts_of_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert_command!(folder.path(), &["run", "--jobs", "0"]);
    assert_command!(folder.path(), &["plan", "--limit", "0"]);
    assert!(std::fs::read_dir(folder.path()).unwrap().all(|entry| entry.unwrap().file_name() == "out"));
    assert!(wrote_nothing(folder.path()));
}

#[test]
fn more_shots_than_there_are_images_are_told() {
    let folder = tempfile::tempdir().unwrap();
    data_root(folder.path(), &["toy"]);
    let weights = weights();
    let nine = run(&weights, &["--datasets", "toy"]).into_iter().map(|word| if word == "1" { "9" } else { word });
    let table = ok(folder.path(), &nine.collect::<Vec<_>>());
    let table = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(table.contains("no class of `toy` has 9 training images"), "{table}");
}

#[test]
fn an_export_says_what_the_file_does_not_and_spares_other_files() {
    let folder = tempfile::tempdir().unwrap();
    data_root(folder.path(), &["toy"]);
    let weights = weights();
    let front = ["--datasets", "toy", "--seeds", "1,2", "--set", "coop.class_position=front"];
    ok(folder.path(), &run(&weights, &front));
    let export = ["export", "--dataset", "toy", "--method", "coop", "--shots", "1", "--to", "ex", "--seed"];
    assert_command!(folder.path(), &[&export[..], &["1"]].concat());
    ok(folder.path(), &[&export[..], &["1"]].concat());
    assert_command!(folder.path(), &[&export[..], &["2"]].concat());
    let context = "ex/prompt_learner/model.pth.tar-40";
    let evaluate = ["evaluate", "--context", context, "--data", "data", "--weights", &weights, "--dataset", "toy,toy"];
    let told = told(&nemesis(folder.path(), &evaluate).output().unwrap());
    assert_eq!(told.lines().filter(|line| line.starts_with("toy\t")).count(), 1, "{told}");
    assert!(told.contains("warning: `--dataset` names toy more than once; it counts once"), "{told}");
    assert!(told.contains("the class token position is taken to be `end`"), "{told}");
}

#[test]
fn a_table_that_is_put_together_says_what_was_set_for_its_own_columns() {
    let folder = tempfile::tempdir().unwrap();
    data_root(folder.path(), &["toy", "other"]);
    let weights = weights();
    ok(folder.path(), &run(&weights, &["--datasets", "toy", "--seeds", "1"]));
    ok(folder.path(), &run(&weights, &["--datasets", "other", "--seeds", "2", "--set", "coop.n_ctx=4"]));
    let report = |more: &[&str]| told(&nemesis(folder.path(), &[&["report"], more].concat()).output().unwrap());
    // Of the second question there is the zero-shot baseline alone.
    let table = report(&["--seeds", "1"]);
    assert!(table.contains("8 context vectors instead of 16") && !table.contains("is set to"), "{table}");
    assert!(report(&["--seeds", "2"]).contains("`coop.n_ctx` is set to 4"));
    let csv = report(&["--methods", "coop", "--format", "csv"]);
    assert!(csv.contains("2 tables fit, which one file of CSV cannot tell apart"), "{csv}");
    assert!(report(&["--list", "--seeds", "1"]).starts_with("exit code 2"));
    // What would do nothing is refused.
    for more in [&["--statistics"][..], &["--paired", "a,b"], &["--format", "json"], &["--format", "latex", "--second"]]
    {
        assert!(report(&[&["--list"], more].concat()).starts_with("exit code 2"), "{more:?}");
    }
    assert!(report(&["--statistics", "--format", "latex", "--second"]).starts_with("exit code 2"));
}

/// Login nodes limit the threads of a user, and containers those of all processes.
#[test]
fn where_threads_are_refused_commands_say_so() {
    let folder = tempfile::tempdir().unwrap();
    data_root(folder.path(), &["toy"]);
    let weights = weights();
    let all = run(&weights, &["--datasets", "toy"]);
    let told_by = |arguments: &[&str]| {
        // No system has such a stack to give.
        told(&nemesis(folder.path(), arguments).env("RUST_MIN_STACK", "1000000000000000").output().unwrap())
    };
    let refused = told_by(&all);
    ok(folder.path(), &all);
    insta::assert_snapshot!(refused, @r"
    exit code 2
    --- stdout
    --- stderr
    error: the system refuses another thread: Resource temporarily unavailable (os error 11)
      help: it limits how many threads a user may have, or their memory: see `ulimit -a` and what the queue or container grants
    ");
    let sample = ["data", "sample", "--dataset", "toy", "--shots", "1", "--seed", "1", "--missing", "--data", "data"];
    for arguments in [&["report"][..], &["clean", "--verify"], &["cells"], &sample] {
        assert_eq!(told_by(arguments), refused, "{arguments:?}");
    }
    // It goes on with other data sets.
    let checked = told_by(&["data", "check", "toy", "--data", "data"]);
    assert!(checked.starts_with("exit code 1") && checked.contains("the system refuses another thread"), "{checked}");
}
