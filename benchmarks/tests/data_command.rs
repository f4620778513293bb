//! `nemesis data` as a user meets it: what is printed, and the exit code.

use std::fs;
use std::path::Path;
use std::process::Command;

const REGISTRY: &str = "[{name: toy, title: Toy, folder: toy, layout: {split_file: {file: split.json, images: pictures}}, \
    raw: {class_folders: {}}, classes: 2, samples: {train: 8, val: 4, test: 4}, template: 'a {}.', licence: none, \
    home: 'https://example.org'}]";

/// A data root with a data set `toy` of two classes of eight images, which are empty files.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("datasets.yaml"), REGISTRY).unwrap();
    for class in ["ant", "bear"] {
        let folder = root.path().join("toy/pictures").join(class);
        fs::create_dir_all(&folder).unwrap();
        for i in 0..8 {
            fs::write(folder.join(format!("{i}.png")), "").unwrap();
        }
    }
    root
}

/// Runs `nemesis data ARGS --data ROOT` and returns its exit code, standard output and standard error.
fn nemesis(root: &Path, args: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_nemesis"))
        .current_dir(root)
        .arg("data")
        .args(args.split(' '))
        .args(["--data", root.to_str().unwrap()])
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(root.to_str().unwrap(), "ROOT");
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_data_set_is_prepared_sampled_and_checked() {
    let root = root();
    let (code, out, _) = nemesis(root.path(), "prepare toy --seed 3");
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @r"
    ROOT/toy/split_prepared.json: 8 train, 4 val, 4 test
    This split is made by CoOp's rules with seed 3. It is not the published one: numbers made with it are not comparable with published numbers.
    ");

    let (code, out, _) = nemesis(root.path(), "sample --dataset toy --shots 1 --seed 2 --json");
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @r#"{"train":["pictures/ant/0.png","pictures/bear/7.png"],"val":["pictures/ant/1.png","pictures/bear/0.png"]}"#);
    let (_, out, _) = nemesis(root.path(), "sample --dataset toy --shots 1 --seed 2 --classes new");
    insta::assert_snapshot!(out, @r"
    train	pictures/bear/7.png
    val	pictures/bear/0.png
    ");

    let (code, out, _) = nemesis(root.path(), "check");
    assert_eq!(code, 1);
    insta::assert_snapshot!(out, @r"
    toy: not whole
      8 train, 4 val, 4 test
      split: made by `nemesis data prepare` (c0fac0eb6f248ecd); results are not comparable with published ones
      16 images are damaged:
        pictures/ant/0.png: the image file is empty
        pictures/ant/5.png: the image file is empty
        pictures/ant/7.png: the image file is empty
        pictures/ant/2.png: the image file is empty
        pictures/bear/7.png: the image file is empty
        … and 11 more; --json names all
    ");

    fs::remove_dir_all(root.path().join("toy/pictures/ant")).unwrap();
    let (_, out, _) = nemesis(root.path(), "sample --dataset toy --shots 2 --seed 2 --missing");
    assert_eq!(out.lines().count(), 4);
    assert!(out.lines().all(|line| line.contains("pictures/ant/")), "{out}");
    let (_, out, _) = nemesis(root.path(), "check toy --json");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["missing"].as_array().unwrap().len(), 8);
    assert_eq!(report["split"], "prepared");
}

#[test]
fn what_cannot_be_done_exits_with_2_and_one_message() {
    let root = root();
    let failure = |args| {
        let (code, out, err) = nemesis(root.path(), args);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        err
    };
    insta::assert_snapshot!(failure("sample --dataset toi --shots 1 --seed 1"), @r"
    error: there is no data set `toi`
      help: did you mean `toy`?
    ");
    insta::assert_snapshot!(failure("sample --dataset toy --shots 1 --seed 1"), @r"
    error: cannot open the data set `toy`: cannot read the file: No such file or directory (os error 2)
      --> ROOT/toy/split.json
      expected: in `ROOT/toy`: `split.json` and the images in `pictures`
      help: see https://example.org, or let `nemesis data prepare toy` make a split
    ");
    insta::assert_snapshot!(failure("prepare tony"), @r"
    error: there is no data set `tony`
      help: did you mean `toy`?
    ");
    fs::remove_dir_all(root.path().join("toy")).unwrap();
    insta::assert_snapshot!(failure("check"), @r"
    error: there is no data set in the data root
      --> ROOT
      help: `nemesis data list` shows what the folders of the data sets are called
    ");
}
