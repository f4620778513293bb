//! Data sets and few-shot lists that would mislead: each fault is told before anything is computed.

use crate::command::{assert_command, library, nemesis, regex_escape, told};
use crate::skipped::skipped;
use std::fs;
use std::path::Path;

const PNG: &[u8] = include_bytes!("../../../nemesis-core/tests/fixtures/parity/preprocess/im2.png");

/// A registry entry that says no more than it must.
fn entry(name: &str) -> String {
    format!("- name: {name}\n  layout: {{split_file: {{file: split.json, images: pictures}}}}\n")
}

/// A row of a split file; classes are called by their labels.
fn row(path: &str, label: usize, names: &[&str]) -> String {
    format!("[\"{path}\", {label}, \"{}\"]", names[label])
}

/// A data root `data` in `folder` with one data set of two training, one validation and two test images a class.
fn data_set(folder: &Path, name: &str, names: &[&str]) {
    let toy = folder.join("data").join(name);
    let rows = |split: &str, count: usize| {
        let of = |label| (0..count).map(move |i| (label, format!("{label}/{split}_{i}.png")));
        let all = (0..names.len()).flat_map(of).map(|(label, path)| {
            let file = toy.join("pictures").join(&path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, PNG).unwrap();
            row(&path, label, names)
        });
        all.collect::<Vec<_>>().join(",\n")
    };
    let (train, val, test) = (rows("train", 2), rows("val", 1), rows("test", 2));
    let text = format!("{{\"train\": [\n{train}],\n\"val\": [\n{val}],\n\"test\": [\n{test}]}}\n");
    fs::write(toy.join("split.json"), text).unwrap();
    fs::write(folder.join("data/datasets.yaml"), entry(name)).unwrap();
}

/// Replaces a text of the split file, which must be there.
fn edit(folder: &Path, from: &str, to: &str) {
    let file = folder.join("data/toy/split.json");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

/// Arguments of a plan of one training on `toy`.
fn plan<'a>(coop: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let plan =
        ["plan", "--json", "--data", "data", "--datasets", "toy", "--weights", "mini", "--shots", "2", "--seeds", "1"];
    [&plan[..], &["--methods", "coop", "--plugin", coop], more].concat()
}

/// What a plan says on standard error, and its exit code.
fn planned(folder: &Path, more: &[&str]) -> String {
    let coop = library("nemesis_method_coop");
    let output = nemesis(folder, &plan(&coop, more)).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let said = regex::Regex::new(&regex_escape(folder)).unwrap().replace_all(&said, "[DIR]").into_owned();
    format!("exit code {}\n{said}", output.status.code().unwrap())
}

#[test]
fn a_data_set_of_ones_own_needs_a_name_and_a_layout_and_hears_nothing_of_coops_split() {
    let folder = tempfile::tempdir().unwrap();
    data_set(folder.path(), "toy", &["red", "green"]);
    assert_command!(folder.path(), &["data", "check", "--data", "data"]);
    assert_command!(folder.path(), &["data", "list", "--data", "data"]);
    fs::write(folder.path().join("data/datasets.yaml"), "- name: toy\n- title: Bears\n  folder: bears\n").unwrap();
    assert_command!(folder.path(), &["data", "check", "--data", "data"]);
}

#[test]
fn class_names_that_prompts_cannot_hold_are_told_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let told = |name: &str| {
        data_set(folder.path(), "toy", &["red", name]);
        format!("# {name:.20}\n{}", planned(folder.path(), &[]))
    };
    let long = "green ".repeat(70);
    insta::assert_snapshot!([told(""), told(" _ "), told("<|endoftext|>"), told(&long), told("RED")].concat());
}

#[test]
fn a_template_that_is_too_long_is_told_before_training() {
    let folder = tempfile::tempdir().unwrap();
    data_set(folder.path(), "toy", &["red", "green"]);
    let template = format!("a {}photo of a {{}}.", "very, ".repeat(40));
    fs::write(folder.path().join("data/datasets.yaml"), format!("{}  template: {template:?}\n", entry("toy"))).unwrap();
    insta::assert_snapshot!(planned(folder.path(), &[]));
}

#[test]
fn a_data_set_without_test_images_is_told_before_training() {
    let folder = tempfile::tempdir().unwrap();
    data_set(folder.path(), "toy", &["red", "green"]);
    let first = ["[\"1/test_0.png\", 1, \"green\"],", "[\"1/test_1.png\", 1, \"green\"]"];
    edit(folder.path(), first[0], "");
    edit(folder.path(), &format!(",\n\n{}", first[1]), "");
    let all = planned(folder.path(), &[]);
    let halves = planned(folder.path(), &["--suite", "base-to-new"]);
    edit(folder.path(), "[\"0/test_0.png\", 0, \"red\"],\n[\"0/test_1.png\", 0, \"red\"]", "");
    insta::assert_snapshot!([all, halves, planned(folder.path(), &[])].concat());
    assert_command!(folder.path(), &["data", "check", "--data", "data"]);
}

#[test]
fn images_that_are_there_by_another_spelling_are_named() {
    let folder = tempfile::tempdir().unwrap();
    data_set(folder.path(), "toy", &["red", "green"]);
    let pictures = folder.path().join("data/toy/pictures");
    fs::rename(pictures.join("0"), pictures.join("Cafe\u{301}")).unwrap();
    edit(folder.path(), "\"0/", "\"caf\u{e9}/");
    fs::rename(pictures.join("1/test_0.png"), pictures.join("1/test_0.PNG")).unwrap();
    fs::rename(pictures.join("1/test_1.png"), pictures.join("1/elsewhere")).unwrap();
    assert_command!(folder.path(), &["data", "check", "--data", "data"]);
    let coop = library("nemesis_method_coop");
    let run = [
        "run",
        "--data",
        "data",
        "--datasets",
        "toy",
        "--weights",
        "mini",
        "--shots",
        "2",
        "--seeds",
        "1",
        "--plugin",
        &coop,
    ];
    assert_command!(folder.path(), &[&run[..], &["--methods", "coop"]].concat());
}

#[test]
fn text_of_other_systems_is_read_or_named() {
    let folder = tempfile::tempdir().unwrap();
    data_set(folder.path(), "toy", &["red", "green"]);
    edit(folder.path(), "0/", "0\\\\");
    let split = folder.path().join("data/toy/split.json");
    let text = fs::read_to_string(&split).unwrap();
    fs::write(&split, format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
    let registry = folder.path().join("data/datasets.yaml");
    fs::write(&registry, format!("\u{feff}{}", entry("toy").replace('\n', "\r\n"))).unwrap();
    assert_command!(folder.path(), &["data", "check", "--data", "data"]);
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&split, utf16).unwrap();
    assert_command!(folder.path(), &["data", "check", "--data", "data"]);
}

/// Puts a few-shot list of two shots and seed 1 into `lists`.
fn few_shot_list(folder: &Path, text: &str) {
    let lists = folder.join("lists/toy/split_fewshot");
    fs::create_dir_all(&lists).unwrap();
    fs::write(lists.join("shot_2-seed_1.json"), text).unwrap();
}

#[test]
fn few_shot_lists_that_are_not_of_these_shots_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    data_set(folder.path(), "toy", &["red", "green", "blue"]);
    let told = |images: &[&str]| {
        // CoOp's code writes absolute paths of the machine that it runs on.
        let images: Vec<String> = images.iter().map(|path| format!("/home/me/DATA/toy/pictures/{path}")).collect();
        few_shot_list(folder.path(), &serde_json::json!({ "train": images }).to_string());
        planned(folder.path(), &["--few-shot-lists", "lists"])
    };
    let whole = ["0/train_1.png", "0/train_0.png", "1/train_0.png", "1/train_1.png", "2/train_0.png", "2/train_1.png"];
    let mut test_image = whole;
    test_image[5] = "2\\test_0.png";
    let windows = whole.map(|path| path.replace('/', "\\"));
    insta::assert_snapshot!(
        [
            told(&[whole[0], whole[2], whole[4]]),
            told(&whole[..4]),
            told(&[whole[0], whole[0], whole[2], whole[3], whole[4], whole[5]]),
            told(&test_image),
            told(&windows.each_ref().map(String::as_str)),
        ]
        .concat()
    );
}

#[test]
fn the_table_says_whose_few_shot_samples_it_is_of() {
    let folder = tempfile::tempdir().unwrap();
    data_set(folder.path(), "toy", &["red", "green"]);
    let list = r#"{"train": ["pictures/1/train_1.png", "pictures/1/train_0.png", "pictures/0/train_0.png", "pictures/0/train_1.png"]}"#;
    few_shot_list(folder.path(), list);
    let coop = library("nemesis_method_coop");
    let run = [
        "run",
        "--data",
        "data",
        "--datasets",
        "toy",
        "--weights",
        "mini",
        "--shots",
        "2",
        "--seeds",
        "1",
        "--protocol",
        "mini",
    ];
    let more = ["--methods", "coop", "--plugin", &coop, "--few-shot-lists", "lists", "--limit", "1"];
    let output = nemesis(folder.path(), &[&run[..], &more].concat()).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let table = String::from_utf8(output.stdout).unwrap().replace("\n  ", " ");
    let remark = table.lines().find(|line| line.contains("lists")).unwrap_or_else(|| panic!("{table}"));
    insta::assert_snapshot!(remark, @"- few-shot samples are taken from the lists in `lists` instead of drawn; 1 of 1 samples differ from the drawn ones");
}

/// Commands are run by a user who may not read everything: root may.
#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_told_with_its_owner_and_mode() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    let mode =
        |path: &str, mode| fs::set_permissions(folder.path().join(path), PermissionsExt::from_mode(mode)).unwrap();
    data_set(folder.path(), "toy", &["red", "green"]);
    mode("", 0o755);
    let is_root = fs::metadata(folder.path()).unwrap().uid() == 0;
    let check = || {
        let mut command = nemesis(folder.path(), &["data", "check", "--data", "data"]);
        if is_root {
            command.uid(65534);
        }
        // Where the program's own folder is shut to that user, nothing can be tried.
        let output = command.output().ok().filter(|output| output.status.code() != Some(127))?;
        let owner = regex::Regex::new(r"owned by [^,]*,").unwrap();
        let said = owner.replace_all(&told(&output), "owned by [OWNER],").into_owned();
        Some(regex::Regex::new(&regex_escape(folder.path())).unwrap().replace_all(&said, "[DIR]").into_owned())
    };
    let mut all = String::new();
    for (path, shut, open) in [
        ("data/toy/pictures/1", 0o700, 0o755),
        ("data/toy/pictures/0/test_0.png", 0o000, 0o644),
        ("data/toy/split.json", 0o600, 0o644),
        ("data/toy", 0o700, 0o755),
        ("data/datasets.yaml", 0o000, 0o644),
    ] {
        // A user who is not root owns the files, and is shut out by no permission at all alone.
        mode(path, if is_root { shut } else { 0 });
        let Some(said) = check() else {
            let test = "data_faults::what_may_not_be_read_is_told_with_its_owner_and_mode";
            return skipped(test, "another user may not run the program here");
        };
        mode(path, open);
        all.extend(["# ", path, "\n", &said, "\n"]);
    }
    if is_root {
        insta::assert_snapshot!(all);
    } else {
        assert_eq!(all.matches("no permission to ").count(), 8, "{all}");
    }
    for (place, link) in [("data/toy/split.json", false), ("data/datasets.yaml", true)] {
        let file = folder.path().join(place);
        fs::remove_file(&file).unwrap();
        if link {
            std::os::unix::fs::symlink("/mnt/gone/datasets.yaml", &file).unwrap();
        } else {
            fs::create_dir(&file).unwrap();
        }
        assert_command!(folder.path(), &["data", "check", "--data", "data"]);
    }
}

/// What could not be kept is not computed.
#[test]
fn a_folder_of_records_that_cannot_take_any_stops_a_run_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("out/states"), "").unwrap();
    assert_command!(folder.path(), &["run", "--datasets", "dtd", "--shots", "1", "--seeds", "1", "--methods", "coop"]);
    assert!(!folder.path().join("out/records").exists());
}

/// To open a named pipe is to wait for someone who writes into it.
#[cfg(unix)]
#[test]
fn a_named_pipe_in_place_of_a_file_is_told_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    data_set(folder.path(), "toy", &["red", "green"]);
    let mut all = String::new();
    for place in ["pictures/0/train_0.png", "split.json", "../datasets.yaml"] {
        let file = folder.path().join("data/toy").join(place);
        fs::remove_file(&file).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        let check = told(&nemesis(folder.path(), &["data", "check", "--data", "data"]).output().unwrap());
        let check = regex::Regex::new(&regex_escape(folder.path())).unwrap().replace_all(&check, "[DIR]").into_owned();
        all.extend(["# ", place, "\n", &check, "\n", &planned(folder.path(), &[]), "\n"]);
    }
    insta::assert_snapshot!(all);
}

/// What a run leaves may be read by colleagues, if the umask lets them.
#[cfg(unix)]
#[test]
fn records_have_the_mode_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    data_set(folder.path(), "toy", &["red", "green"]);
    let run = [
        "run",
        "--data",
        "data",
        "--datasets",
        "toy",
        "--weights",
        "mini",
        "--shots",
        "1",
        "--seeds",
        "1",
        "--protocol",
        "mini",
    ];
    let coop = library("nemesis_method_coop");
    let output =
        nemesis(folder.path(), &[&run[..], &["--methods", "coop", "--plugin", &coop]].concat()).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let wanted = mode(&folder.path().join("data/datasets.yaml"));
    let mut files = 0;
    let mut folders = vec![folder.path().join("out")];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                assert_eq!(mode(&path), wanted, "{}", path.display());
            }
        }
    }
    assert!(files > 5);
}
