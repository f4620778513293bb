//! The project's own plugins pass the conformance kit, and a plugin of the wrong kind fails the check made for it.

use crate::command::{library, nemesis, told, wrote_nothing};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// Those that measure time judge the machine, which is not ours to judge in a test.
const TIMED: [&str; 2] = ["load-time", "step-overhead"];

pub(crate) fn untimed_checks() -> String {
    let folder = tempfile::tempdir().unwrap();
    let list = nemesis(folder.path(), &["plugin", "check", "--list"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let ids: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(ids.len() > 30, "{list}");
    ids.into_iter().filter(|id| !TIMED.contains(id)).collect::<Vec<_>>().join(",")
}

#[test]
fn the_projects_methods_pass_every_check() {
    let folder = tempfile::tempdir().unwrap();
    let methods = ["coop", "nemesis_pen", "nemesis_pan", "maple", "ivlp", "clip_lora", "vpt", "promptsrc"];
    let methods = methods.map(|id| library(&format!("nemesis_method_{id}")));
    let checks = untimed_checks();
    let mut arguments = vec!["plugin", "check", "--only", &checks];
    arguments.extend(methods.iter().map(String::as_str));
    let output = nemesis(folder.path(), &arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

#[test]
fn a_file_that_is_no_plugin_is_refused_with_one_message() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("libnemesis_method_x.so"), "not a library").unwrap();
    let output = nemesis(folder.path(), &["run", "--plugin", "libnemesis_method_x.so"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(told(&output));
    assert!(wrote_nothing(folder.path()), "nothing is written");
}

/// A copy of CoOp's plugin that says that it was built from other sources.
pub(crate) fn another_coop(folder: &Path) -> String {
    let mut bytes = fs::read(library("nemesis_method_coop")).unwrap();
    let key = b"source=";
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap() + key.len();
    let source = bytes[at..at + 32].to_vec();
    let other: Vec<u8> = source.iter().rev().copied().collect();
    for at in 0..bytes.len() - source.len() {
        if bytes[at..].starts_with(&source) {
            bytes[at..at + source.len()].copy_from_slice(&other);
        }
    }
    let file = folder.join("another_coop.so");
    fs::write(&file, bytes).unwrap();
    file.display().to_string()
}

#[test]
fn a_plugin_that_takes_the_place_of_one_of_ours_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let part = ["plan", "--methods", "coop", "--datasets", "dtd", "--shots", "1", "--seeds", "1"];
    let said =
        |plugin: &str| told(&nemesis(folder.path(), &[&part[..], &["--plugin", plugin]].concat()).output().unwrap());
    let same = library("nemesis_method_coop");
    let warning = "`coop` is the method of this plugin, and not the one that comes with nemesis";
    assert!(!said(&same).contains(warning), "the same method from another place is no other");
    let other = said(&another_coop(folder.path()));
    assert!(other.starts_with("exit code 0") && other.contains(warning), "{other}");
}

/// Whatever methods are chosen.
#[test]
fn what_was_named_as_a_plugin_and_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("weird.so"), "not a library").unwrap();
    for place in ["empty", "weird.so"] {
        let plan = ["plan", "--methods", "coop", "--datasets", "dtd", "--plugin", place];
        insta::assert_snapshot!(told(&nemesis(folder.path(), &plan).output().unwrap()));
    }
}

/// What is written into a library that is in use is in the memory of who uses it.
#[test]
fn a_plugin_that_is_written_to_fails_the_cells_that_follow() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let plugin = folder.join("live.so");
    fs::copy(library("nemesis_method_coop"), &plugin).unwrap();
    let part = ["--datasets", "dtd", "--shots", "1", "--seeds", "1-12", "--limit", "5", "--jobs", "1"];
    let run = ["run", "--methods", "coop", "--plugin", "live.so", "--set", "coop.protocol.epochs=150"];
    let running = nemesis(folder, &[&run[..], &part].concat()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn();
    let records = || fs::read_dir(folder.join("out/records")).map_or(0, Iterator::count);
    let start = Instant::now();
    // The first is that of zero-shot CLIP, for which no plugin is loaded.
    while records() < 3 && start.elapsed() < Duration::from_secs(120) {
        thread::sleep(Duration::from_millis(20));
    }
    // Behind everything that is mapped, so that no code changes under its feet.
    fs::File::options().append(true).open(&plugin).unwrap().write_all(b"more").unwrap();
    let output = running.unwrap().wait_with_output().unwrap();
    let said = told(&output);
    assert!(output.status.code() == Some(1) && said.contains("was written to while it was in use"), "{said}");
}
