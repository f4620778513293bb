//! The three layouts, read through the registry: what is read, and what is refused and how.

use nemesis_core::dataset::{Dataset, Registry, Sample, Split};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// A data root with one data set `toy` in `layout`, made of the files given.
struct Root {
    root: tempfile::TempDir,
    registry: Registry,
}

impl Root {
    fn new(layout: &str, classes: usize, files: &[(&str, &[u8])]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = root.path().join("toy").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let text = format!(
            "[{{name: toy, title: Toy, folder: toy, layout: {layout}, classes: {classes}, \
             samples: {{train: 1, val: 1, test: 1}}, template: '{{}}', licence: none, home: here}}]"
        );
        let registry = Registry::parse(&text, Path::new("datasets.yaml")).unwrap();
        Self { root, registry }
    }

    fn open(&self) -> Box<dyn Dataset> {
        self.registry.get("toy").unwrap().open(self.root.path()).unwrap()
    }

    fn failure(&self) -> String {
        let error = self.registry.get("toy").unwrap().open(self.root.path()).err().expect("the data set is refused");
        error.to_string().replace(self.root.path().to_str().unwrap(), "ROOT")
    }
}

fn split_file(text: &str) -> Root {
    Root::new("{split_file: {file: split.json, images: .}}", 2, &[("split.json", text.as_bytes())])
}

/// A split file of two classes whose train, val and test begin with the rows given.
fn rows(train: &str, val: &str, test: &str) -> String {
    format!(
        "{{\n\"train\": [\n{train}[\"t0.jpg\", 0, \"ant\"],\n[\"t1.jpg\", 1, \"bear\"]],\n\
         \"val\": [\n{val}[\"v0.jpg\", 0, \"ant\"]],\n\"test\": [\n{test}[\"e1.jpg\", 1, \"bear\"]]}}"
    )
}

fn sample(path: &str, label: u32) -> Sample {
    Sample { path: path.into(), label }
}

#[test]
fn a_split_file_whose_paths_begin_at_the_data_sets_folder() {
    let toy = split_file(&rows("[\"cars_train/x.jpg\", 1, \"bear\"],\n", "", "")).open();
    assert_eq!(toy.class_names(), ["ant", "bear"]);
    assert_eq!(toy.samples(Split::Train), [sample("cars_train/x.jpg", 1), sample("t0.jpg", 0), sample("t1.jpg", 1)]);
}

#[test]
fn two_classes_of_one_name_stay_two_classes() {
    let text = rows("", "", "").replace("bear", "ant");
    assert_eq!(split_file(&text).open().class_names(), ["ant", "ant"]);
}

#[test]
fn a_wrong_split_file_is_refused_and_the_line_told() {
    let refused = |text: &str| split_file(text).failure();
    insta::assert_snapshot!(refused(&rows("[\"x.jpg\", 0, \"cat\"],\n", "", "")), @r"
    cannot open the data set `toy`: the label 0 has two class names: `cat` and `ant`
      --> ROOT/toy/split.json:4 (train, entry 2)
    ");
    insta::assert_snapshot!(refused(&rows("[\"x.jpg\", 3, \"cat\"],\n", "", "")), @r"
    cannot open the data set `toy`: no training image has the label 2, but one has 3
      --> ROOT/toy/split.json
      expected: labels from 0 on without a gap
    ");
    insta::assert_snapshot!(refused(&rows("", "[\"x.jpg\", 2, \"cat\"],\n", "")), @r"
    cannot open the data set `toy`: the label 2 (`cat`) of val does not occur in train
      --> ROOT/toy/split.json:6 (val, entry 1)
    ");
    insta::assert_snapshot!(refused(&rows("", "", "[\"x.jpg\", 1, \"ant\"],\n")), @r"
    cannot open the data set `toy`: the label 1 has two class names: `bear` and `ant`
      --> ROOT/toy/split.json:8 (test, entry 1)
    ");
    insta::assert_snapshot!(refused(&rows("", "[\"t0.jpg\", 0, \"ant\"],\n", "")), @r"
    cannot open the data set `toy`: the image `t0.jpg` is listed in both train and val
      --> ROOT/toy/split.json:6 (val, entry 1)
    ");
    insta::assert_snapshot!(refused(&rows("[\"../x.jpg\", 0, \"ant\"],\n", "", "")), @r"
    cannot open the data set `toy`: `../x.jpg` leads out of the data set's folder or nowhere
      --> ROOT/toy/split.json:3 (train, entry 1)
      expected: a relative path without `..`
    ");
    insta::assert_snapshot!(refused(&rows("[\"x.jpg\", \"0\", \"ant\"],\n", "", "")), @r#"
    cannot open the data set `toy`: train, entry 1, entry 2: invalid type: string "0"
      --> ROOT/toy/split.json:3
      expected: a whole number from 0 on
    "#);
    insta::assert_snapshot!(refused(&rows("", "", "")[..50]), @r"
    cannot open the data set `toy`: the file ends in the middle of its JSON
      --> ROOT/toy/split.json:4
      help: download it again: the last download may have been interrupted
    ");
    insta::assert_snapshot!(refused(r#"{"train": [], "val": [], "test": []}"#), @r"
    cannot open the data set `toy`: no training image is listed
      --> ROOT/toy/split.json
    ");
    insta::assert_snapshot!(refused(r#"{"train": [], "val": []}"#), @r"
    cannot open the data set `toy`: missing field `test`
      --> ROOT/toy/split.json:1
    ");
}

fn variant_lists(variants: &str, train: &[u8]) -> Root {
    let lists: [(&str, &[u8]); 4] = [
        ("variants.txt", variants.as_bytes()),
        ("images_variant_train.txt", train),
        ("images_variant_val.txt", b"12 F-16A/B\n"),
        ("images_variant_test.txt", b"13 F-16A/B\n14 Boeing 747-100\n"),
    ];
    Root::new("{variant_lists: {images: images}}", 2, &lists)
}

#[test]
fn variants_keep_their_spaces_and_slashes_and_are_labelled_by_line() {
    let toy = variant_lists("F-16A/B\nBoeing 747-100\n", b"0034 Boeing 747-100\r\n0035 F-16A/B\r\n").open();
    assert_eq!(toy.class_names(), ["F-16A/B", "Boeing 747-100"]);
    assert_eq!(toy.samples(Split::Train), [sample("images/0034.jpg", 1), sample("images/0035.jpg", 0)]);
    assert_eq!(toy.samples(Split::Test), [sample("images/13.jpg", 0), sample("images/14.jpg", 1)]);
}

#[test]
fn wrong_variant_lists_are_refused_and_the_line_told() {
    let variants = "F-16A/B\nBoeing 747-100\n";
    let refused = |train: &[u8]| variant_lists(variants, train).failure();
    insta::assert_snapshot!(refused(b"1 F-16A/B\n2 Boeing 747-10\n"), @r"
    cannot open the data set `toy`: the variant `Boeing 747-10` is not in `variants.txt`
      --> ROOT/toy/images_variant_train.txt:2
      help: did you mean `Boeing 747-100`?
    ");
    insta::assert_snapshot!(refused(b"1 F-16A/B\n\n2\n"), @r"
    cannot open the data set `toy`: `2` is not an image and its variant
      --> ROOT/toy/images_variant_train.txt:3
      expected: lines like `1025794 707-320`
    ");
    insta::assert_snapshot!(refused(b"1 F-16A/B\n1 F-16A/B\n"), @r"
    cannot open the data set `toy`: the image `images/1.jpg` is listed twice in train
      --> ROOT/toy/images_variant_train.txt:2
    ");
    insta::assert_snapshot!(refused(b"../1 F-16A/B\n"), @r"
    cannot open the data set `toy`: `../1.jpg` leads out of the data set's folder or nowhere
      --> ROOT/toy/images_variant_train.txt:1
      expected: a relative path without `..`
    ");
    insta::assert_snapshot!(refused(b"1 F-16A/B\n2 Boeing \xff\n"), @r"
    cannot open the data set `toy`: the file is not UTF-8 text
      --> ROOT/toy/images_variant_train.txt:2
      expected: UTF-8
    ");
    insta::assert_snapshot!(variant_lists("a\n\nb\n", b"").failure(), @r"
    cannot open the data set `toy`: an empty line among the variants
      --> ROOT/toy/variants.txt:2
    ");
    insta::assert_snapshot!(variant_lists("a\nb\na\n", b"").failure(), @r"
    cannot open the data set `toy`: the variant `a` is on line 1 already
      --> ROOT/toy/variants.txt:3
    ");
    insta::assert_snapshot!(variant_lists("", b"").failure(), @r"
    cannot open the data set `toy`: the list of variants is empty
      --> ROOT/toy/variants.txt
      expected: one variant a line
    ");
}

#[test]
fn lists_from_windows_are_read_as_others() {
    let text = format!("\u{feff}{}", rows("", "", "")).replace("t0.jpg", r"ant\\t0.jpg").replace('\n', "\r\n");
    let toy = split_file(&text).open();
    assert_eq!(toy.samples(Split::Train), [sample("ant/t0.jpg", 0), sample("t1.jpg", 1)]);
    let toy = variant_lists(
        "\u{feff}F-16A/B\r\nBoeing 747-100\r\n\r\n",
        b"\xef\xbb\xbf1\tF-16A/B\r\n\r\n2 Boeing 747-100\r\n",
    )
    .open();
    assert_eq!(toy.class_names(), ["F-16A/B", "Boeing 747-100"]);
    assert_eq!(toy.samples(Split::Train), [sample("images/1.jpg", 0), sample("images/2.jpg", 1)]);
    let refused = |text: &str| split_file(text).failure();
    insta::assert_snapshot!(refused(&rows("[\"D:\\\\x.jpg\", 0, \"ant\"],\n", "", "")), @r"
    cannot open the data set `toy`: `D:\x.jpg` is an absolute path
      --> ROOT/toy/split.json:3 (train, entry 1)
      expected: a relative path without `..`
    ");
    insta::assert_snapshot!(refused(&rows("[\"..\\\\x.jpg\", 0, \"ant\"],\n", "", "")), @r"
    cannot open the data set `toy`: `..\x.jpg` leads out of the data set's folder or nowhere
      --> ROOT/toy/split.json:3 (train, entry 1)
      expected: a relative path without `..`
    ");
    // One image by two spellings is one image.
    insta::assert_snapshot!(refused(&rows("", "[\"./t0.jpg\", 0, \"ant\"],\n", "")), @r"
    cannot open the data set `toy`: the image `t0.jpg` is listed in both train and val
      --> ROOT/toy/split.json:6 (val, entry 1)
    ");
}

#[test]
fn names_that_say_nothing_are_refused_with_class_and_line() {
    let named = |name: &str| split_file(&rows("", "", "").replace("bear", name)).failure();
    insta::assert_snapshot!(named(" _ "), @r"
    cannot open the data set `toy`: class 1 is called ` _ `, of which a prompt keeps nothing but spaces and dots
      --> ROOT/toy/split.json:4 (train, entry 2)
      expected: a name that stands in prompts: `a photo of a NAME.`
      help: name the class there; labels stay as they are
    ");
    insta::assert_snapshot!(named(""), @r"
    cannot open the data set `toy`: class 1 has no name
      --> ROOT/toy/split.json:4 (train, entry 2)
      expected: a name that stands in prompts: `a photo of a NAME.`
      help: name the class there; labels stay as they are
    ");
    insta::assert_snapshot!(named("a <|EndOfText|>"), @r"
    cannot open the data set `toy`: the name of class 1 (a <|EndOfText|>) contains `<|endoftext|>`, which CLIP takes for the border of a prompt
      --> ROOT/toy/split.json:4 (train, entry 2)
      help: rename the class
    ");
    insta::assert_snapshot!(variant_lists("F-16A/B\n__\n", b"1 F-16A/B\n").failure(), @r"
    cannot open the data set `toy`: class 1 is called `__`, of which a prompt keeps nothing but spaces and dots
      --> ROOT/toy/variants.txt:2
      expected: a name that stands in prompts: `a photo of a NAME.`
      help: name the class there; labels stay as they are
    ");
    let image = |path: &'static str| -> (&str, &[u8]) { (path, b"") };
    let files = [image("images/train/n01/a.JPEG"), image("images/val/n01/a.JPEG")];
    let names = ("classnames.txt", &b"n02 bear\nn01 ...\n"[..]);
    insta::assert_snapshot!(class_folders(&[names, files[0], files[1]]).failure(), @r"
    cannot open the data set `toy`: class 0 is called `...`, of which a prompt keeps nothing but spaces and dots
      --> ROOT/toy/classnames.txt:2
      expected: a name that stands in prompts: `a photo of a NAME.`
      help: name the class there; labels stay as they are
    ");
}

#[test]
fn labels_from_one_on_are_told_as_such() {
    let text = rows("", "", "").replace(", 1,", ", 2,").replace(", 0,", ", 1,");
    insta::assert_snapshot!(split_file(&text).failure(), @r"
    cannot open the data set `toy`: no training image has the label 0, but one has 1
      --> ROOT/toy/split.json
      expected: labels from 0 on without a gap
      help: labels that count from 1 have to be lowered by 1
    ");
}

/// What is told of a data set that can be used all the same.
fn remarks(root: &Root) -> String {
    let all: Vec<String> = root.open().remarks().iter().map(ToString::to_string).collect();
    all.join("\n").replace(root.root.path().to_str().unwrap(), "ROOT")
}

#[test]
fn what_is_odd_and_does_no_harm_is_told() {
    insta::assert_snapshot!(remarks(&split_file(&rows("", "", "").replace("bear", "ANT&nbsp;"))), @r"
    CLIP cannot tell these classes apart by their names: class 0 (ant), class 1 (ANT&nbsp;)
      --> ROOT/toy
      help: their prompts are the same; rename all but one where that is not meant
    no test image is listed of class 0 (ant)
      --> ROOT/toy
    ");
    let image = |path: &'static str| -> (&str, &[u8]) { (path, b"") };
    let png: (&str, &[u8]) = ("images/train/n02/noname", b"\x89PNG\r\n\x1a\n and more");
    let root = class_folders(&[
        ("classnames.txt", b"n01\tant\n\nn02 bear\nn03 cat\n"),
        image("images/train/n01/a.JPEG"),
        image("images/train/n01/Thumbs.db"),
        image("images/train/n01/meta.csv"),
        image("images/train/n01/more/b.JPEG"),
        png,
        image("images/train/__MACOSX/n01/a.JPEG"),
        image("images/val/c.JPEG"),
        image("images/val/n01/d.jpg"),
        image("images/val/n02/Thumbs.db"),
    ]);
    assert_eq!(root.open().class_names(), ["ant", "bear"]);
    assert_eq!(root.open().samples(Split::Train), [sample("images/train/n01/a.JPEG", 0), sample(png.0, 1)]);
    insta::assert_snapshot!(remarks(&root), @r"
    no class folder is there for `n03` (cat)
      --> ROOT/toy/classnames.txt:4
    left out: `n01/meta.csv`, `n01/more/`; class folders are read, and images in them
      --> ROOT/toy/images/train
    left out: `c.JPEG`; class folders are read, and images in them
      --> ROOT/toy/images/val
    no test image is listed of class 1 (bear)
      --> ROOT/toy
    ");
}

const CLASS_NAMES: (&str, &[u8]) = ("classnames.txt", b"n02 missile\nn01 great white shark\nn09 missile\n");

fn class_folders(files: &[(&str, &[u8])]) -> Root {
    Root::new("{class_folders: {train: images/train, test: images/val, class_names: classnames.txt}}", 2, files)
}

#[test]
fn class_folders_are_labelled_in_sorted_order_and_images_listed_in_it() {
    let toy = class_folders(&[
        CLASS_NAMES,
        ("images/train/n02/b.JPEG", b""),
        ("images/train/n02/a.JPEG", b""),
        ("images/train/n02/.DS_Store", b""),
        ("images/train/n01/c.JPEG", b""),
        ("images/train/README.txt", b""),
        ("images/val/n01/d.JPEG", b""),
        ("images/val/n02/e.JPEG", b""),
    ])
    .open();
    assert_eq!(toy.class_names(), ["great white shark", "missile"]);
    let train = ["images/train/n01/c.JPEG", "images/train/n02/a.JPEG", "images/train/n02/b.JPEG"];
    assert_eq!(toy.samples(Split::Train), [sample(train[0], 0), sample(train[1], 1), sample(train[2], 1)]);
    assert!(toy.val_is_test());
    assert_eq!(toy.samples(Split::Val), [sample("images/val/n01/d.JPEG", 0), sample("images/val/n02/e.JPEG", 1)]);
}

#[test]
fn wrong_class_folders_are_refused() {
    let train: (&str, &[u8]) = ("images/train/n01/a.JPEG", b"");
    insta::assert_snapshot!(class_folders(&[train]).failure(), @r"
    cannot open the data set `toy`: cannot read the file: No such file or directory (os error 2)
      --> ROOT/toy/classnames.txt
      expected: in `ROOT/toy`: `classnames.txt` and a folder for each class in `images/train` and `images/val`
      help: see here
    ");
    insta::assert_snapshot!(class_folders(&[CLASS_NAMES, train]).failure(), @r"
    cannot open the data set `toy`: cannot list the folder: No such file or directory (os error 2)
      --> ROOT/toy/images/val
      expected: in `ROOT/toy`: `classnames.txt` and a folder for each class in `images/train` and `images/val`
      help: see here
    ");
    insta::assert_snapshot!(class_folders(&[CLASS_NAMES, train, ("images/val/n02/a.JPEG", b"")]).failure(), @r"
    cannot open the data set `toy`: the class folder `n01` is in `images/train` only
      --> ROOT/toy/images/val
      expected: the same class folders as in `images/train`
    ");
    let unnamed: [(&str, &[u8]); 2] = [("images/train/n05/a.JPEG", b""), ("images/val/n05/a.JPEG", b"")];
    insta::assert_snapshot!(class_folders(&[CLASS_NAMES, unnamed[0], unnamed[1]]).failure(), @r"
    cannot open the data set `toy`: the class folder `n05` has no class name
      --> ROOT/toy/classnames.txt
      expected: a line `n05 NAME`
      help: add the line, or move the folder away if it is of no class
    ");
    insta::assert_snapshot!(class_folders(&[("classnames.txt", b"n01 x\nn02\n")]).failure(), @r"
    cannot open the data set `toy`: `n02` is not a class folder and its name
      --> ROOT/toy/classnames.txt:2
      expected: lines like `n01440764 tench`
    ");
    insta::assert_snapshot!(class_folders(&[("classnames.txt", b"n01 x\nn01 y\n")]).failure(), @r"
    cannot open the data set `toy`: the class folder `n01` is named twice
      --> ROOT/toy/classnames.txt:2
    ");
    insta::assert_snapshot!(class_folders(&[CLASS_NAMES, ("images/train/x", b"")]).failure(), @r"
    cannot open the data set `toy`: there is no class folder
      --> ROOT/toy/images/train
      expected: a folder of images for each class
      help: `x` lies there: images have to be sorted into folders by class
    ");
}

proptest! {
    #[test]
    fn a_split_file_is_read_as_it_was_written(
        // Something visible is in every name, or it would be refused.
        names in prop::collection::vec("[^\\x00]{0,11}x", 2..3),
        labels in prop::collection::vec(0_u32..2, 0..40),
        starts in prop::collection::vec(0_usize..3, 0..40),
    ) {
        // The first samples make sure that both classes occur in train.
        let all: Vec<(u32, usize)> = [(1, 0), (0, 0)].into_iter().chain(labels.into_iter().zip(starts)).collect();
        let expected: Vec<Vec<Sample>> = (0..3).map(|split| {
            let of_split = all.iter().enumerate().filter(|(_, (_, s))| *s == split);
            of_split.map(|(i, (label, _))| sample(&format!("ü '\"/{i}.jpg"), *label)).collect()
        }).collect();
        let list = |split: usize| -> Vec<(String, u32, &str)> {
            let row = |s: &Sample| (s.path.to_str().unwrap().to_owned(), s.label, names[s.label as usize].as_str());
            expected[split].iter().map(row).collect()
        };
        let text = serde_json::json!({"train": list(0), "val": list(1), "test": list(2)}).to_string();
        let toy = split_file(&text).open();
        prop_assert_eq!(toy.class_names(), names);
        for (split, expected) in Split::ALL.into_iter().zip(&expected) {
            prop_assert_eq!(toy.samples(split), expected);
        }
    }

    #[test]
    fn no_damage_to_a_list_is_worse_than_an_error(at in 0_usize..60, byte: u8, cut in 0_usize..60) {
        let mut split = rows("", "", "").into_bytes();
        split[at] = byte;
        split.truncate(split.len() - cut);
        let root = Root::new("{split_file: {file: split.json, images: .}}", 2, &[("split.json", &split)]);
        let opened = root.registry.get("toy").unwrap().open(root.root.path());
        if let Err(error) = opened {
            prop_assert!(error.to_string().contains("toy/split.json") || error.to_string().contains("classes"));
        }
    }
}
