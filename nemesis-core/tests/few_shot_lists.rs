//! Few-shot lists of CoOp's code, and lists as `nemesis data sample --json` prints them, in place of sampling.

use nemesis_core::Result;
use nemesis_core::dataset::{Contents, FewShot, Listed, Sample, few_shot};
use nemesis_core::interchange::few_shot_lists::{fingerprint, lacks_validation, sample};
use std::fs;
use std::path::Path;

fn at(path: &str, label: u32) -> Sample {
    Sample { path: path.into(), label }
}

/// A data set of two classes in a folder `eurosat`.
fn dataset() -> Listed {
    Listed {
        name: "eurosat".into(),
        folder: "/data/eurosat".into(),
        template: "a photo of a {}.".into(),
        own_templates: Vec::new(),
        contents: Contents {
            class_names: ["River", "Forest"].map(String::from).into(),
            train: ["River/River_1", "River/River_2", "River/River_3"]
                .map(|name| at(&format!("2750/{name}.jpg"), 0))
                .into_iter()
                .chain(["Forest/Forest_1", "Forest/Forest_2"].map(|name| at(&format!("2750/{name}.jpg"), 1)))
                .collect(),
            val: Some(vec![at("2750/Forest/Forest_9.jpg", 1)]),
            test: vec![at("2750/River/River_7.jpg", 0)],
            ..Contents::default()
        },
    }
}

/// Puts a list where CoOp would, and takes the sample of one shot and seed 1 from it.
fn listed(name: &str, content: &[u8]) -> Result<FewShot> {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("eurosat/split_fewshot");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), content).unwrap();
    sample(&dataset(), Some(root.path()), 1, 1)
}

/// The message about a list, without the folder that it lay in.
fn message(content: &[u8], name: &str) -> String {
    let message = listed(name, content).unwrap_err().to_string();
    let place = message.find("--> ").map(|at| at + 4);
    let end = message.find("eurosat/split_fewshot");
    match (place, end) {
        (Some(start), Some(end)) => format!("{}ROOT/{}", &message[..start], &message[end..]),
        _ => message,
    }
}

#[test]
fn a_list_that_coop_left_is_read_without_executing_it() {
    let list = include_bytes!("fixtures/coop/shot_1-seed_1.pkl");
    let read = listed("shot_1-seed_1.pkl", list).unwrap();
    // Its paths are absolute ones of another machine; its order is kept.
    assert_eq!(read.train, [at("2750/Forest/Forest_2.jpg", 1), at("2750/River/River_1.jpg", 0)]);
    assert_eq!(read.val, [at("2750/Forest/Forest_9.jpg", 1)]);
    assert!(fingerprint(&dataset(), &read, 1, 1, false).is_some());
    // Cut short anywhere, it is an error.
    for length in 0..list.len() {
        assert!(listed("shot_1-seed_1.pkl", &list[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn labels_are_compared_in_every_form_that_numbers_have() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/coop/labels");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 31);
    let mut told = String::new();
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let list = fs::read(&file).unwrap();
        if name.starts_with("read-") {
            let read = listed("shot_1-seed_1.pkl", &list).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(read.train, [at("2750/Forest/Forest_2.jpg", 1), at("2750/River/River_1.jpg", 0)], "{name}");
            assert_eq!(read.val, [at("2750/Forest/Forest_9.jpg", 1)], "{name}");
        } else {
            let error = listed("shot_1-seed_1.pkl", &list).unwrap_err();
            told.extend([name, ": ", error.what(), "\n"]);
        }
    }
    insta::assert_snapshot!(told, @r"
    told-array: image 1 of train in the few-shot list has a NumPy array as its label
    told-beyond: image 1 of train in the few-shot list has a number of more than 64 bits as its label
    told-bool: image 1 of train in the few-shot list has the Boolean `True` as its label
    told-float16: image 1 of train in the few-shot list has a NumPy scalar of the type `float16` as its label
    told-half: image 1 of train in the few-shot list has the number 1.5 as its label
    told-none: image 1 of train in the few-shot list has `None` as its label
    told-numpy-bool: image 1 of train in the few-shot list has a NumPy scalar of the type `bool` as its label
    told-numpy-half: image 1 of train in the few-shot list has a NumPy scalar of the type `float32` as its label
    told-other-label: the few-shot list gives `/home/user/DATA/eurosat/2750/Forest/Forest_2.jpg` the label of class 0 (River)
    told-text: image 1 of train in the few-shot list has the string `1` as its label
    ");
}

#[test]
fn a_list_holds_as_many_images_of_every_class_as_are_drawn() {
    let json = |text: &str| message(text.as_bytes(), "shot_1-seed_1.json");
    let [river, forest] = ["2750/River/River_1.jpg", "2750/Forest/Forest_1.jpg"];
    insta::assert_snapshot!(json(&format!(r#"{{"train": ["{river}"]}}"#)), @r"
    in train, the few-shot list has 0 instead of 1 of class 1 (Forest)
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.json
      expected: 1 of every class, or all images of a class with fewer
      help: the list may have been made for a different number of shots, with a different split file, or for some of the classes
    ");
    insta::assert_snapshot!(json(&format!(r#"{{"train": ["{river}", "{forest}", "2750/River/River_2.jpg"]}}"#)), @r"
    in train, the few-shot list has 2 instead of 1 of class 0 (River)
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.json
      expected: 1 of every class, or all images of a class with fewer
      help: the list may have been made for a different number of shots, with a different split file, or for some of the classes
    ");
    insta::assert_snapshot!(json(&format!(r#"{{"train": ["{river}", "2750/Forest/Forest_9.jpg"]}}"#)), @r"
    the few-shot list has `2750/Forest/Forest_9.jpg` in train, but the data set's split has it in val
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.json
      help: the list may have been made with a different split file
    ");
    insta::assert_snapshot!(json(&format!(r#"{{"train": ["{river}", "C:\\eurosat\\2750\\River\\River_7.jpg"]}}"#)), @r"
    the few-shot list has `C:\eurosat\2750\River\River_7.jpg` in train, but the data set's split has it in test
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.json
      help: the list may have been made with a different split file
    ");
    // Forest has one validation image only, River none.
    let whole = format!(r#"{{"train": ["{river}", "{forest}"], "val": ["2750/Forest/Forest_9.jpg"]}}"#);
    assert!(!lacks_validation(&dataset(), &listed("shot_1-seed_1.json", whole.as_bytes()).unwrap()));
    let without = format!(r#"{{"train": ["{river}", "{forest}"]}}"#);
    assert!(lacks_validation(&dataset(), &listed("shot_1-seed_1.json", without.as_bytes()).unwrap()));
}

#[test]
fn a_list_of_what_would_be_drawn_changes_no_id() {
    let dataset = dataset();
    let contents = &dataset.contents;
    let drawn = few_shot(&contents.train, contents.val.as_deref().unwrap(), 1, 1);
    let paths: Vec<&str> = drawn.train.iter().map(|sample| sample.path.to_str().unwrap()).collect();
    let json = serde_json::json!({ "train": paths, "val": [] }).to_string();
    let read = listed("shot_1-seed_1.json", json.as_bytes()).unwrap();
    assert_eq!(read.train, drawn.train);
    assert_eq!(fingerprint(&dataset, &read, 1, 1, false), None);
    // A method that looks at validation images is given none here, where some would be drawn.
    assert!(fingerprint(&dataset, &read, 1, 1, true).is_some());
    assert_eq!(fingerprint(&dataset, &drawn, 1, 1, true), None);
    assert_eq!(sample(&dataset, None, 1, 1).unwrap(), drawn);
}

#[test]
fn lists_that_do_not_fit_are_told() {
    let json = |text: &str| message(text.as_bytes(), "shot_1-seed_1.json");
    insta::assert_snapshot!(json(r#"{"train": ["2750/Sea/Sea_1.jpg"]}"#), @r"
    the few-shot list names `2750/Sea/Sea_1.jpg`, which is not in the data set's split
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.json
      help: the list may have been made with a different split file
    ");
    insta::assert_snapshot!(json(r#"{"train": ["2750/River/River_1.jpg", "x/2750/River/River_1.jpg"]}"#), @r"
    the few-shot list names `x/2750/River/River_1.jpg` twice
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.json
    ");
    insta::assert_snapshot!(json(r#"{"train": []}"#), @r"
    the few-shot list names no training images
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.json
    ");
    insta::assert_snapshot!(json(r#"{"trian": []}"#), @r"
    unknown key `trian`
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.json:1
      expected: one of train, val
      help: did you mean `train`?
    ");
    insta::assert_snapshot!(message(b"no pickle", "shot_1-seed_1.pkl"), @r"
    the pickle is not a few-shot list
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.pkl
      expected: a dictionary with a list of images under `train`
      help: CoOp's code writes these lists to `split_fewshot`; pickle protocols 2 to 5 are supported
    ");
    insta::assert_snapshot!(message(b"", "shot_2-seed_1.pkl"), @r"
    there is no few-shot list for 1 shot and seed 1
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.pkl
      expected: a list that CoOp wrote there, the same name with `.json`, or 2SFS's with `_train.jsonl`
      help: leave out `--few-shot-lists` to draw the sample instead
    ");
    assert!(sample(&dataset(), Some(Path::new("/nowhere")), 1, 1).is_err());
}

#[test]
fn rows_of_a_split_file_and_paths_relative_to_the_images_are_read() {
    let list = r#"{"train": [["River/River_1.jpg", 0, "River"], ["2750/Forest/Forest_2.jpg", 1, "forest"]]}"#;
    let read = listed("shot_1-seed_1.json", list.as_bytes()).unwrap();
    assert_eq!(read.train, [at("2750/River/River_1.jpg", 0), at("2750/Forest/Forest_2.jpg", 1)]);
    let bare = br#"{"train": ["River/River_1.jpg", "Forest\\Forest_2.jpg"]}"#;
    assert_eq!(listed("shot_1-seed_1.json", bare).unwrap().train, read.train);
    let told = |row: &str| message(format!(r#"{{"train": [{row}]}}"#).as_bytes(), "shot_1-seed_1.json");
    insta::assert_snapshot!(told(r#"["River/River_1.jpg", 1, "River"]"#), @r"
    the few-shot list gives `River/River_1.jpg` the label of class 1 (Forest)
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.json
      expected: the label of class 0 (River), as in the data set
      help: the list may have been made with a different split file
    ");
    insta::assert_snapshot!(told(r#"["River/River_1.jpg", 0, "Lake"]"#), @r"
    the few-shot list calls the class of `River/River_1.jpg` `Lake`
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.json
      expected: `River`, as in the data set
      help: the list may have been made for a different data set or with different class names
    ");
    insta::assert_snapshot!(told(r#"["River/River_1.jpg", "0", "River"]"#), @r#"
    image 1 of train in the few-shot list is `["River/River_1.jpg","0","River"]`
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.json
      expected: a path, or a row of a split file: `[path, label, class name]` with a whole number as label
    "#);
    insta::assert_snapshot!(message(b"[]", "shot_1-seed_1.json"), @r"
    the few-shot list is a plain list, not split into `train` and `val`
      --> ROOT/eurosat/split_fewshot/shot_1-seed_1.json
      expected: an object with a list of images under `train`, and optionally one under `val`
    ");
}

#[test]
fn class_names_of_a_list_that_coop_left_are_compared() {
    let list = include_bytes!("fixtures/coop/shot_1-seed_1.pkl");
    let told = |name: &str| {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("eurosat/split_fewshot");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("shot_1-seed_1.pkl"), list).unwrap();
        let mut dataset = dataset();
        name.clone_into(&mut dataset.contents.class_names[0]);
        sample(&dataset, Some(root.path()), 1, 1).map(|_| ()).map_err(|error| error.what().to_owned())
    };
    assert_eq!(told("_river_"), Ok(()));
    insta::assert_snapshot!(told("Lake").unwrap_err(), @"the few-shot list calls the class of `/home/user/DATA/eurosat/2750/River/River_1.jpg` `River`");
}

/// Files of the published form, for one shot and seed 1.
fn lines(train: &str, val: Option<&str>) -> Result<FewShot> {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("eurosat/split_fewshot");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("shot_1-seed_1_train.jsonl"), train).unwrap();
    if let Some(val) = val {
        fs::write(folder.join("shot_1-seed_1_val.jsonl"), val).unwrap();
    }
    sample(&dataset(), Some(root.path()), 1, 1)
}

/// A line as 2SFS writes it.
fn datum(path: &str, label: u32, name: &str) -> String {
    format!(
        "{{\"_impath\": \"/home/me/DATA/eurosat/2750/{path}\", \"_label\": {label}, \"_domain\": 0, \"_classname\": \"{name}\"}}\n"
    )
}

#[test]
fn lists_of_2sfs_are_read() {
    let train = datum("Forest/Forest_2.jpg", 1, "Forest") + &datum("River/River_3.jpg", 0, "River");
    let val = datum("Forest/Forest_9.jpg", 1, "Forest");
    let read = lines(&train, Some(&val)).unwrap();
    assert_eq!(read.train, [at("2750/Forest/Forest_2.jpg", 1), at("2750/River/River_3.jpg", 0)]);
    assert_eq!(read.val, [at("2750/Forest/Forest_9.jpg", 1)]);
    assert!(lacks_validation(&dataset(), &lines(&train, None).unwrap()));
    let message = |train: &str| lines(train, None).unwrap_err().what().to_owned();
    insta::assert_snapshot!(message(&datum("Forest/Forest_2.jpg", 1, "Forest")), @"in train, the few-shot list has 0 instead of 1 of class 0 (River)");
    insta::assert_snapshot!(message(&datum("Forest/Forest_2.jpg", 0, "Forest")), @"the few-shot list gives `/home/me/DATA/eurosat/2750/Forest/Forest_2.jpg` the label of class 0 (River)");
    assert!(message("[1]\n").starts_with("the line is no image of a few-shot list: "));
    insta::assert_snapshot!(message(""), @"the few-shot list names no training images");
}

/// Which of two lists is meant, their names do not say.
#[test]
fn lists_that_contradict_each_other_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("eurosat/split_fewshot");
    fs::create_dir_all(&folder).unwrap();
    let rows = |of_river: &str| {
        format!(
            r#"{{"train": [["Forest/Forest_2.jpg", 1, "Forest"], ["River/{of_river}.jpg", 0, "River"]], "val": []}}"#
        )
    };
    let train = datum("Forest/Forest_2.jpg", 1, "Forest") + &datum("River/River_3.jpg", 0, "River");
    fs::write(folder.join("shot_1-seed_1_train.jsonl"), train).unwrap();
    fs::write(folder.join("shot_1-seed_1.json"), rows("River_3")).unwrap();
    let read = || sample(&dataset(), Some(root.path()), 1, 1);
    assert_eq!(read().unwrap().train.len(), 2);
    fs::write(folder.join("shot_1-seed_1.json"), rows("River_1")).unwrap();
    let what = read().unwrap_err().what().to_owned();
    insta::assert_snapshot!(what, @"`shot_1-seed_1_train.jsonl` beside this few-shot list names other images, or in another order");
}

#[test]
fn all_shots_are_all_images_in_their_order() {
    let all = few_shot::draw(&dataset(), few_shot::ALL_SHOTS as usize, 1);
    assert_eq!(all.train, dataset().contents.train);
    assert_eq!(all.val, dataset().contents.val.unwrap());
}
