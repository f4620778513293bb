//! Options mean the same on the command line, in files and in variables, for every command that has them; and errors name
//! the entry.

use crate::command::{nemesis, told};
use std::fs;
use std::path::Path;

fn plan(folder: &Path, variables: &[(&str, &str)]) -> String {
    told(&nemesis(folder, &["plan"]).envs(variables.iter().copied()).output().unwrap())
}

#[test]
fn wrong_values_are_told_with_the_variable() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(plan(folder.path(), &[("NEMESIS_SHOTS", "1,x")]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: `x` is neither a number nor a range in `NEMESIS_SHOTS`
      expected: whole numbers from 0 on, as in 1,2,4-8
    ");
    insta::assert_snapshot!(plan(folder.path(), &[("NEMESIS_LIMIT", "x")]), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: invalid type: found string "x" in `NEMESIS_LIMIT`
      expected: a whole number from 0 on
      help: run `nemesis run --help` for the options and their values
    "#);
}

#[test]
fn wrong_values_are_told_with_entry_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        fs::write(folder.path().join("nemesis.yaml"), text).unwrap();
        plan(folder.path(), &[])
    };
    insta::assert_snapshot!(file("out: here\nshots:\n- 1\n- 8-4\n"), @r"
    exit code 2
    --- stdout
    --- stderr
    error: shots, entry 2: the range `8-4` runs backwards
      --> nemesis.yaml:4
      expected: the lower number first: 4-8
    ");
    insta::assert_snapshot!(file("weights: [a=b.pt, a=c.pt]\n"), @r"
    exit code 2
    --- stdout
    --- stderr
    error: weights: two checkpoints are called `a`: b.pt and c.pt
      --> nemesis.yaml:1
    ");
    insta::assert_snapshot!(file("suite: mine.yaml\n"), @r"
    exit code 2
    --- stdout
    --- stderr
    error: cannot read the file: No such file or directory (os error 2)
      --> mine.yaml
    ");
    let suite = "name: mine\ntitle: Mine\ntable: few-shot\ndatasets: [eurosat]\nshots: [1]\nseeds: [1]\nmethods:\n  \
                 - {method: coop}\n  - {method: nemesis-pan, optons: {}}\n";
    fs::write(folder.path().join("mine.yaml"), suite).unwrap();
    insta::assert_snapshot!(file("suite: mine.yaml\n"), @r"
    exit code 2
    --- stdout
    --- stderr
    error: unknown key `optons` in `methods.nemesis-pan`
      --> mine.yaml:9
      expected: one of method, label, options, options_by_dataset, sweep, protocol, as_published
      help: did you mean `options`?
    ");
}

#[test]
fn commands_find_records_and_pool_where_the_settings_say() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("elsewhere")).unwrap();
    fs::write(folder.path().join("nemesis.yaml"), "out: elsewhere\n").unwrap();
    for arguments in [&["report"][..], &["compare"], &["export", "ab", "--to", "x"]] {
        let told = told(&nemesis(folder.path(), arguments).output().unwrap());
        assert!(told.contains("elsewhere"), "{told}");
    }
    let pool = nemesis(folder.path(), &["pool", "list"]).env("NEMESIS_POOL", "features").output().unwrap();
    assert!(told(&pool).contains("--> features"), "{}", told(&pool));
    let given = nemesis(folder.path(), &["report", "--out", "given"]).env("NEMESIS_OUT", "variable").output().unwrap();
    assert!(told(&given).contains("--> given"), "{}", told(&given));
}

#[test]
fn a_data_set_without_a_home_page_and_a_wrong_row() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    fs::create_dir_all(root.join("toy/images")).unwrap();
    let registry = "- {name: toy, home: none, layout: {split_file: {file: split.json, images: images}}}\n";
    fs::write(root.join("datasets.yaml"), registry).unwrap();
    // Nothing but what is missing is told, and no page called `none`.
    let check = nemesis(folder.path(), &["data", "check", "toy", "--data", "data"]).output().unwrap();
    insta::assert_snapshot!(told(&check), @r"
    exit code 1
    --- stdout
    toy: cannot open the data set `toy`: cannot read the file: No such file or directory (os error 2)
        --> data/toy/split.json
        expected: in `data/toy`: `split.json` and the images in `images`
        help: `datasets.yaml` does not say where it can be had
    --- stderr
    ");
    let list = nemesis(folder.path(), &["data", "list", "--data", "data"]).output().unwrap();
    assert!(!told(&list).contains("none"), "{}", told(&list));
    fs::write(
        root.join("toy/split.json"),
        r#"{"train": [["a.jpg", 0, "a"], ["b.jpg", "1", "b"]], "val": [], "test": []}"#,
    )
    .unwrap();
    let check = nemesis(folder.path(), &["data", "check", "toy", "--data", "data"]).output().unwrap();
    insta::assert_snapshot!(told(&check), @r#"
    exit code 1
    --- stdout
    toy: cannot open the data set `toy`: train, entry 2, entry 2: invalid type: string "1"
        --> data/toy/split.json:1
        expected: a whole number from 0 on
    --- stderr
    "#);
}
