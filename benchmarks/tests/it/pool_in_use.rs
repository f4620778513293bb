//! `nemesis pool prune` beside a run that is going on, and where it is not said what may go.

use crate::command::{library, nemesis, told};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

fn command(folder: &Path, arguments: &[&str]) -> String {
    told(&nemesis(folder, arguments).output().unwrap())
}

fn files(folder: &Path, extension: &str) -> usize {
    let files = fs::read_dir(folder.join("out/pool")).into_iter().flatten().flatten();
    files.filter(|file| file.path().extension().is_some_and(|other| other == extension)).count()
}

/// A method that hangs keeps the run going while features of its images lie in the pool.
#[test]
fn a_pool_is_not_pruned_under_a_run_that_is_going_on() {
    let folder = tempfile::tempdir().unwrap();
    let suite = "name: hangs\ntitle: A run that hangs\ntable: few-shot\ndatasets: [eurosat]\nshots: [1]\nseeds: [1]\n\
                 zero_shot: true\nmethods:\n  - {method: faulty, options: {misdeed: hang}}\n";
    fs::write(folder.path().join("hangs.yaml"), suite).unwrap();
    let plugin = library("nemesis_faulty_plugin");
    let run = ["run", "--suite", "hangs.yaml", "--plugin", &plugin, "--jobs", "1"];
    let mut run = nemesis(folder.path(), &run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while files(folder.path(), "safetensors") < 1 {
        assert!(started.elapsed() < Duration::from_secs(120) && run.try_wait().unwrap().is_none(), "it does not hang");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&format!(r"process {} on \S+, since \d+ s", run.id()), "process [RUN] on [HOST], since [TIME]");
    settings.add_filter(r"records in /\S*/out", "records in [DIR]/out");
    settings.add_filter(r"\d+ parts? removed, [0-9.]+ k?B", "[PARTS] removed");
    settings.bind(|| {
        insta::assert_snapshot!(command(folder.path(), &["pool", "prune", "--all"]), @r"
        exit code 2
        --- stdout
        --- stderr
        error: a run is using the feature pool: process [RUN] on [HOST], since [TIME], with its records in [DIR]/out
          --> out/pool
          help: wait until it has ended, or remove features all the same with `--force`: it computes again what it misses
        ");
        assert!(files(folder.path(), "safetensors") >= 1, "nothing is removed");
        let listed = command(folder.path(), &["pool", "list"]);
        insta::assert_snapshot!(listed.lines().filter(|line| line.contains("in use")).collect::<String>(), @"in use: process [RUN] on [HOST], since [TIME], with its records in [DIR]/out");
        insta::assert_snapshot!(command(folder.path(), &["pool", "prune", "--all", "--force"]), @r"
        exit code 0
        --- stdout
        [PARTS] removed
        --- stderr
        ");
    });
    assert_eq!(files(folder.path(), "lease"), 1);

    run.kill().unwrap();
    run.wait().unwrap();
    let pruned = command(folder.path(), &["pool", "prune", "--all"]);
    assert!(pruned.starts_with("exit code 0"), "a killed run holds nothing: {pruned}");
    assert_eq!(files(folder.path(), "lease"), 0);
}

#[test]
fn nothing_is_removed_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let pool = folder.path().join("out/pool");
    fs::create_dir_all(&pool).unwrap();
    for name in ["one.safetensors", "two.safetensors"] {
        fs::write(pool.join(name), [0; 1000]).unwrap();
    }
    insta::assert_snapshot!(command(folder.path(), &["pool", "prune"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: nothing was removed, because no limit was given
      --> out/pool
      expected: `--budget SIZE`, or `--all` to remove everything
      help: `--budget 21.5GB`, which is what `nemesis run` keeps, would remove 0 parts, 0 B; `--all` would remove 2 parts, 2.0 kB
    ");
    insta::assert_snapshot!(command(folder.path(), &["pool", "prune", "--budget", "1kB", "--all"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: the argument '--budget <SIZE>' cannot be used with '--all'

    Usage: nemesis pool prune --budget <SIZE>

    For more information, try '--help'.
    ");
    assert_eq!(files(folder.path(), "safetensors"), 2);
    insta::assert_snapshot!(command(folder.path(), &["pool", "prune", "--all"]), @r"
    exit code 0
    --- stdout
    2 parts removed, 2.0 kB
    --- stderr
    ");
    assert_eq!(files(folder.path(), "safetensors"), 0);
}
