//! People's own pictures: from a folder or a list to a row of a table, and what is refused.

use crate::command::{assert_command, library, nemesis, told};
use crate::files::tree;
use std::fs;
use std::path::Path;

const PNG: &[u8] = include_bytes!("../../../nemesis-core/tests/fixtures/parity/preprocess/im2.png");

/// Puts pictures into `photos`.
fn photos(folder: &Path, paths: &[String]) {
    for path in paths {
        let file = folder.join("photos").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, PNG).unwrap();
    }
}

/// `count` pictures of each class.
fn classes(before: &str, names: &[&str], count: usize) -> Vec<String> {
    names.iter().flat_map(|name| (0..count).map(move |at| format!("{before}{name}/{at:02}.png"))).collect()
}

fn add<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["data", "add", "birds"], more, &["--data", "data"]].concat()
}

/// A command that must succeed.
fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = nemesis(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// All pictures of these folders are one.
#[test]
fn a_picture_in_train_and_test_or_of_two_classes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    photos(dir, &classes("", &["cat", "dog"], 4));
    done(dir, &add(&["photos"]));
    assert_command!(dir, &["data", "check", "birds", "--data", "data", "--decode"]);
}

#[test]
fn a_folder_reaches_a_row_of_the_table_and_comes_out_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    photos(dir, &classes("", &["001.Black_footed_Albatross", "002.Laysan_Albatross"], 8));
    fs::create_dir(dir.join("data")).unwrap();
    let template = ["photos", "--template", "a photo of a {}, a type of bird."];
    assert_command!(dir, &add(&template));
    let split = fs::read(dir.join("data/birds/split_zhou_birds.json")).unwrap();
    let before = tree(&dir.join("data"));
    assert_command!(dir, &add(&template));
    assert_eq!(tree(&dir.join("data")), before);
    assert_eq!(fs::read(dir.join("data/birds/split_zhou_birds.json")).unwrap(), split);
    assert_command!(dir, &["data", "check", "birds", "--data", "data"]);

    let coop = library("nemesis_method_coop");
    let run =
        ["run", "--data", "data", "--datasets", "birds", "--weights", "mini", "--protocol", "mini", "--shots", "1"];
    let table = done(dir, &[&run[..], &["--seeds", "1", "--methods", "coop", "--plugin", &coop]].concat());
    assert!(table.lines().any(|line| line.starts_with("birds ") && line.contains('.')), "{table}");
    let halves = ["plan", "--suite", "base-to-new", "--seeds", "1", "--methods", "coop", "--plugin", &coop];
    let halves =
        [&halves[..], &["--data", "data", "--datasets", "birds", "--weights", "mini", "--shots", "1"]].concat();
    let refused = told(&nemesis(dir, &halves).output().unwrap());
    assert!(refused.contains("only one of the 2 classes of `birds` is base"), "{refused}");
    let sample = ["data", "sample", "--dataset", "birds", "--shots", "1", "--seed", "1", "--data", "data"];
    assert_eq!(done(dir, &sample).lines().filter(|line| line.starts_with("train\t")).count(), 2);
}

#[test]
fn a_class_name_is_corrected_and_other_content_asks_for_replace() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    photos(dir, &[classes("train/", &["1_cat", "2_dog"], 5), classes("test/", &["1_cat", "2_dog"], 2)].concat());
    done(dir, &add(&["photos"]));
    fs::write(dir.join("data/birds/classnames.txt"), "1_cat\ttabby cat\n2_dog\tdog\n").unwrap();
    assert_command!(dir, &add(&["photos"]));
    photos(dir, &["test/2_dog/more.png".to_owned()]);
    let before = tree(dir);
    assert_command!(dir, &add(&["photos"]));
    assert_command!(dir, &add(&["photos", "--template", "a {}."]));
    assert_eq!(tree(dir), before);
    assert_command!(dir, &add(&["photos", "--replace"]));
    let eurosat = ["data", "add", "eurosat", "photos", "--data", "data"];
    assert_command!(dir, &eurosat);
    // What stands in the registry stays, and the built-in data sets are known beside it.
    let list = done(dir, &["data", "list", "--data", "data"]);
    assert!(list.contains("imagenet ") && list.contains("birds "), "{list}");
}

#[test]
fn lists_are_read_by_their_headings() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    photos(dir, &classes("", &["a", "b"], 4));
    let row = |at: usize, class: &str, split: &str| format!("{class}/{at:02}.png,\"{class}, large\",{split}\n");
    let rows: String = ["a", "b"]
        .iter()
        .flat_map(|class| {
            ["train", "valid", "test", "train"].iter().enumerate().map(move |(at, split)| row(at, class, split))
        })
        .collect();
    fs::write(dir.join("list.csv"), format!("filename,label,split\n{rows}")).unwrap();
    assert_command!(dir, &add(&["list.csv", "--images", "photos"]));
    assert_command!(dir, &["data", "check", "--data", "data"]);
    let rows = ["a\t0", "b\t1"].iter().flat_map(|class| (0..4).map(move |at| (class.split_once('\t').unwrap(), at)));
    let row = |((name, label), at)| format!("{name}/{at:02}.png\t{label}\t{name}\n");
    let unsplit = rows.map(row).collect::<Vec<_>>().concat();
    fs::write(dir.join("photos/list.tsv"), format!("image_path\tlabel\tclass\n{unsplit}")).unwrap();
    assert_command!(dir, &["data", "add", "letters", "photos/list.tsv", "--data", "data"]);
}

#[test]
fn train_and_val_alone_test_on_val_and_say_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    photos(dir, &[classes("train/", &["cat", "dog"], 5), classes("val/", &["cat", "dog"], 2)].concat());
    fs::write(dir.join("photos/readme.md"), "mine").unwrap();
    assert_command!(dir, &add(&["photos"]));
    // A class called `train` is a class where pictures lie in it.
    let other = tempfile::tempdir().unwrap();
    photos(other.path(), &classes("", &["train", "car", "plane"], 4));
    assert_command!(other.path(), &add(&["photos"]));
}

/// Each fault is one message, and leaves everything as it was.
#[test]
fn malformed_folders_and_lists_are_refused() {
    let mut all = String::new();
    let mut refused = |what: &str, files: &[(&str, &[u8])], arguments: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        photos(dir, &classes("", &["cat", "dog"], 4));
        for (path, bytes) in files {
            let file = dir.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
        let before = tree(dir);
        let output = nemesis(dir, &[&["data", "add"], arguments, &["--data", "data"]].concat()).output().unwrap();
        assert_eq!(tree(dir), before, "{what}");
        let said = String::from_utf8(output.stderr).unwrap();
        all.extend(["# ", what, ": exit code ", &output.status.code().unwrap().to_string(), "\n", &said, "\n"]);
        assert!(output.stdout.is_empty());
    };
    let list = |text: &'static str| [("list.csv", text.as_bytes())];
    let from_list = ["x", "list.csv", "--images", "photos"];
    refused("no folder", &[], &["x", "fotos"]);
    refused("an empty folder", &[("empty/.keep", b"")], &["x", "empty"]);
    refused("pictures that are not sorted", &[("loose/a.png", PNG)], &["x", "loose"]);
    refused("a class without pictures", &[("photos/fox/notes.txt", b"")], &["x", "photos"]);
    refused("folders in a class", &[("photos/fox/red/a.png", PNG)], &["x", "photos"]);
    refused("too few pictures", &[("photos/fox/a.png", PNG)], &["x", "photos"]);
    refused("a picture that is none", &[("photos/cat/x.jpg", b"<html>")], &["x", "photos"]);
    let heic = b"\0\0\0\x1cftypheic\0\0\0\0";
    refused("a picture of a format that is not read", &[("photos/cat/x.HEIC", heic)], &["x", "photos"]);
    refused("training pictures alone", &[("t/train/cat/a.png", PNG)], &["x", "t"]);
    let apart: [(&str, &[u8]); 3] = [("t/train/cat/a.png", PNG), ("t/test/cat/b.png", PNG), ("t/test/dog/c.png", PNG)];
    refused("a class for testing alone", &apart, &["x", "t"]);
    let flat: [(&str, &[u8]); 2] = [("t/train2017/a.png", PNG), ("t/val2017/b.png", PNG)];
    refused("splits without classes", &flat, &["x", "t"]);
    let third: [(&str, &[u8]); 3] =
        [("t/train/cat/a.png", PNG), ("t/test/cat/b.png", PNG), ("t/evaluation/cat/c.png", PNG)];
    refused("a folder that seems to be a split", &third, &["x", "t"]);
    refused("a backslash in a name", &[("photos/ca\\t/a.png", PNG)], &["x", "photos"]);
    let loose: [(&str, &[u8]); 2] = [("t/train/cat/a.png", PNG), ("t/test/b.png", PNG)];
    refused("a split that is not sorted", &loose, &["x", "t"]);
    let twice: [(&str, &[u8]); 3] = [("t/val/cat/a.png", PNG), ("t/valid/cat/b.png", PNG), ("t/train/cat/c.png", PNG)];
    refused("two folders of one split", &twice, &["x", "t"]);
    refused("numbers for names", &[("photos/7/a.png", PNG)], &["x", "photos"]);
    refused("WordNet ids for names", &[("photos/n01440764/a.png", PNG)], &["x", "photos"]);
    refused("two classes of one name", &[("photos/1_cat/a.png", PNG)], &["x", "photos"]);
    refused("no template", &[], &["x", "photos", "--template", "a photo"]);
    refused("no name", &[], &["a,b", "photos"]);
    refused("class names of no class", &[("names.txt", b"cow\tcow\n")], &["x", "photos", "--class-names", "names.txt"]);
    refused("a folder of that name", &[("data/x/notes.txt", b"")], &["x", "photos"]);
    let flow = [("data/datasets.yaml", &b"[{name: a, layout: {variant_lists: {images: .}}}]\n"[..])];
    refused("a registry of one line", &flow, &["x", "photos"]);
    refused("a list without headings", &list("cat/00.png,cat\n"), &from_list);
    refused("an empty list", &list("path,label\n"), &from_list);
    refused("a row without a label", &list("path,label\ncat/00.png,\n"), &from_list);
    refused("a row too short", &list("path,label,split\ncat/00.png,cat\n"), &from_list);
    refused("an unknown split", &list("path,label,split\ncat/00.png,cat,holdout\n"), &from_list);
    refused("a picture listed twice", &list("path,label\ncat/00.png,cat\ncat/00.png,dog\n"), &from_list);
    let gone = "path,label,split\ncat/00.png,cat,train\ncat/none.png,cat,test\n";
    refused("a picture that is not there", &list(gone), &from_list);
    refused("a path that leads out", &list("path,label,split\n../a.png,cat,train\ncat/00.png,cat,test\n"), &from_list);
    refused("a path elsewhere", &list("path,label\n/else/a.png,cat\n"), &from_list);
    refused("something else", &[("list.xlsx", b"PK")], &["x", "list.xlsx"]);
    insta::assert_snapshot!(all);
}

/// A tar of files.
fn tar(file: &Path, members: &[(String, &[u8])]) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut builder = tar::Builder::new(fs::File::create(file).unwrap());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.finish().unwrap();
}

#[test]
fn webdataset_tars_are_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    for (split, count) in [("train", 4), ("test", 2)] {
        let members = (0..count).flat_map(|at: u8| {
            [
                (format!("s{at:04}.png"), PNG),
                (format!("s{at:04}.cls"), if at.is_multiple_of(2) { &b"0"[..] } else { b"1" }),
            ]
        });
        tar(&dir.join(format!("photos/{split}/0.tar")), &members.collect::<Vec<_>>());
    }
    fs::write(dir.join("photos/classnames.txt"), "red fox\nbadger\n").unwrap();
    assert_command!(dir, &add(&["photos"]));
    assert_command!(dir, &add(&["photos"]));
    assert_command!(dir, &["data", "check", "birds", "--data", "data"]);
    // What the registry names is there, whether or not it could be said.
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let unheard = nemesis(dir, &["data", "add", "crows", "photos", "--data", "data"]).stdout(full).output().unwrap();
    assert_eq!(unheard.status.code(), Some(2), "{}", told(&unheard));
    done(dir, &["data", "check", "crows", "--data", "data"]);
    let captions = [("s0.jpg".to_owned(), PNG), ("s0.txt".to_owned(), &b"a fox"[..])];
    tar(&dir.join("captions/0.tar"), &captions);
    assert_command!(dir, &["data", "add", "foxes", "captions", "--data", "data"]);
    assert!(!dir.join("data/foxes").exists());

    // Their numbers tell that one is missing, and numbers that are part of a name tell nothing.
    fs::copy(dir.join("photos/train/0.tar"), dir.join("photos/train/2.tar")).unwrap();
    assert_command!(dir, &["data", "add", "gap", "photos", "--data", "data"]);
    assert!(!dir.join("data/gap").exists());
}
