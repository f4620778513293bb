//! Lists and shards of pictures that would be read as something else than they are: refused, with the choice named.

use crate::command::{nemesis, told};
use std::fs;
use std::path::Path;

const PNG: &[u8] = include_bytes!("../../../nemesis-core/tests/fixtures/parity/preprocess/im2.png");

/// Four pictures of each of two classes, `photos/cat/0.png` and so on.
fn photos(folder: &Path) {
    for class in ["cat", "dog"] {
        let place = folder.join("photos").join(class);
        fs::create_dir_all(&place).unwrap();
        (0..4).for_each(|at| fs::write(place.join(format!("{at}.png")), PNG).unwrap());
    }
}

/// Adds a list with this first line, whose rows end in what `row` gives for the class and the number of a picture.
fn add(headings: &str, row: impl Fn(&str, usize) -> String, more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    photos(folder.path());
    let rows = ["cat", "dog"].into_iter().flat_map(|class| (0..4).map(move |at| (class, at)));
    let rows = rows.map(|(class, at)| format!("{class}/{at}.png{}\n", row(class, at))).collect::<Vec<_>>().concat();
    fs::write(folder.path().join("list.csv"), format!("{headings}\n{rows}")).unwrap();
    let arguments = ["data", "add", "x", "list.csv", "--images", "photos", "--data", "data"];
    told(&nemesis(folder.path(), &[&arguments, more].concat()).output().unwrap())
}

#[test]
fn columns_that_divide_pictures_differently_ask_which_one_counts() {
    let order = |class: &str, _| format!(",{class},mammal");
    let said = add("path,label,class", order, &[]);
    assert!(said.starts_with("exit code 2") && said.contains("the column `label` divides the pictures"), "{said}");
    assert!(said.contains("--label COLUMN") && said.contains("list.csv:"), "{said}");
    let said = add("path,label,class", order, &["--label", "label"]);
    assert!(said.starts_with("exit code 0") && said.contains("2 classes"), "{said}");
    // A name and a number of the same classes are one thing.
    let numbered = |class: &str, _| format!(",{class},{}", u8::from(class == "dog"));
    let said = add("path,class_name,label", numbered, &[]);
    assert!(said.starts_with("exit code 0") && said.contains("cat"), "{said}");
}

#[test]
fn a_split_under_another_heading_is_not_passed_over() {
    let fold = |class: &str, at| format!(",{class},{}", ["train", "train", "val", "test"][at]);
    let said = add("path,label,fold", fold, &[]);
    assert!(said.starts_with("exit code 2") && said.contains("the column `fold` seems to hold splits"), "{said}");
    let said = add("path,label,split", fold, &[]);
    assert!(said.contains("4 train, 2 val, 2 test"), "{said}");
    // Some rows are of none, and whether a row is of one may be all that is said.
    let phase = |class: &str, at| format!(",{class},{}", ["train", "", "NA", "test"][at]);
    let flag = |class: &str, at| format!(",{class},{}", ["0", "0", "1", "1"][at]);
    let usage = |class: &str, at| format!(",{class},{}", ["Training", "Training", "PublicTest", "PrivateTest"][at]);
    for (heading, said) in [
        ("phase", add("path,label,phase", phase, &[])),
        ("is_train", add("path,label,is_train", flag, &[])),
        ("test", add("path,label,test", flag, &[])),
        ("isTrain", add("path,label,isTrain", flag, &[])),
        ("is_training_image", add("path,label,is_training_image", flag, &[])),
        ("Usage", add("path,label,Usage", usage, &[])),
        ("kind", add("path,label,kind", |class, at| format!(",{class},{}", ["trainval", "test"][at / 2]), &[])),
    ] {
        assert!(said.starts_with("exit code 2"), "{said}");
        assert!(said.contains(&format!("the column `{heading}` seems to hold splits")), "{said}");
    }
    // Of two columns with splits, none is passed over.
    let both = |class: &str, at| {
        format!(",{class},{},{}", ["train", "train", "val", "test"][at], ["a", "train", "", "val"][at])
    };
    let said = add("path,label,split,subset", both, &[]);
    assert!(said.starts_with("exit code 2") && said.contains("of another split under `subset`: `val`"), "{said}");
    let said = add("path,label,blurred", flag, &[]);
    assert!(said.starts_with("exit code 0") && said.contains("the other column is not read: `blurred`"), "{said}");
}

#[test]
fn a_class_name_is_one_line() {
    let said = add("path,label", |class, _| format!(",\"{class}\nof the house\""), &[]);
    assert!(said.starts_with("exit code 2") && said.contains("goes on behind the end of its line"), "{said}");
    let said = add("path,label", |class, at| format!(",{class}{}", ["", "\u{200b}"][at % 2]), &[]);
    assert!(said.starts_with("exit code 2") && said.contains("has an invisible character"), "{said}");
}

/// A quote that is not meant as one takes the rows behind it for a part of its field.
#[test]
fn quotes_take_no_rows_away() {
    let inches = |class: &str, at| format!(",{class},{}", ["", "\"5 inches", "", "12\""][at]);
    let said = add("path,label,note", inches, &[]);
    assert!(said.starts_with("exit code 2") && said.contains("list.csv:3"), "{said}");
}

#[test]
fn headings_must_be_told_apart() {
    let said = add("path,label,label", |class, at| format!(",{class},{at}"), &[]);
    assert!(said.starts_with("exit code 2") && said.contains("2 columns are called `label`"), "{said}");
    let said = add("path;label", |class, _| format!(";{class}"), &[]);
    assert!(said.starts_with("exit code 2") && said.contains("separated by semicolons"), "{said}");
}

#[test]
fn one_class_is_nothing_to_tell_apart() {
    let said = add("path,label", |_, _| ",animal".to_owned(), &[]);
    assert!(said.starts_with("exit code 2") && said.contains("all pictures are of one class, `animal`"), "{said}");
}

/// A tar of pictures with these keys and classes.
fn tar(keys: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (key, class) in keys {
        for (ending, bytes) in [("png", PNG), ("cls", class.as_bytes())] {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, format!("{key}.{ending}"), bytes).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

fn add_shards(shards: &[(&str, &[u8])]) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("shards")).unwrap();
    for (name, bytes) in shards {
        fs::write(folder.path().join("shards").join(name), bytes).unwrap();
    }
    told(&nemesis(folder.path(), &["data", "add", "x", "shards", "--data", "data"]).output().unwrap())
}

#[test]
fn shards_that_are_not_whole_or_not_of_one_kind_are_refused() {
    let keys: Vec<String> = (0..8).map(|at| format!("s{at}")).collect();
    let whole = tar(&keys.iter().map(|key| (key.as_str(), if key < &keys[4] { "0" } else { "1" })).collect::<Vec<_>>());
    let said = add_shards(&[("0.tar", &whole), ("classnames.txt", b"cat\ndog\n")]);
    assert!(said.starts_with("exit code 0") && said.contains("2 classes"), "{said}");
    // The last picture and the end are gone; what is left ends where a member ends.
    let cut = &whole[..whole.len() - 1024 - 512];
    for (shards, reason) in [
        (vec![("0.tar", cut)], "the shard has no end mark"),
        (vec![("0.tar", &tar(&[("k", "0"), ("l", "1"), ("k", "1")])[..])], "the key `k` stands for two pictures"),
        (vec![("0.tar", &whole), ("classnames.txt", b"missile\nmissile\n")], "both name a class `missile`"),
        (
            vec![
                ("train-00000-of-00001.tar", &whole[..]),
                ("train-00000-of-00002.tar", &whole),
                ("train-00001-of-00002.tar", &whole),
            ],
            "-of-00002`",
        ),
    ] {
        let said = add_shards(&shards);
        assert!(said.starts_with("exit code 2") && said.contains(reason), "{reason}: {said}");
    }
}

/// Each addition reads the registry and writes it whole, so they take turns.
#[test]
fn additions_at_once_all_arrive() {
    let folder = tempfile::tempdir().unwrap();
    photos(folder.path());
    let names = ["a1", "a2", "a3", "a4", "a5"];
    let start =
        |name: &&str| nemesis(folder.path(), &["data", "add", name, "photos", "--data", "data"]).spawn().unwrap();
    let running: Vec<_> = names.iter().map(start).collect();
    for mut addition in running {
        assert!(addition.wait().unwrap().success());
    }
    let registry = fs::read_to_string(folder.path().join("data/datasets.yaml")).unwrap();
    assert!(names.iter().all(|name| registry.contains(&format!("- name: {name}\n"))), "{registry}");
}
