//! The project's own plugins pass the conformance kit, and a plugin of the wrong kind fails the check made for it.

use crate::command::{library, nemesis, told, wrote_nothing};
use std::fs;

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
