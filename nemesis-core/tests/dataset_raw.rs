//! Data sets as their official archives lay them out: read, divided by CoOp's rules, and opened.

use nemesis_core::dataset::{Dataset, Registry, Split, prepare};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The built-in registry, with other numbers of classes for some data sets.
fn registry(classes: &[(&str, usize)]) -> Registry {
    let mut entries: Vec<String> =
        include_str!("../../datasets.yaml").split("\n- name: ").skip(1).map(str::to_owned).collect();
    for (name, count) in classes {
        let entry = entries.iter_mut().find(|entry| entry.starts_with(&format!("{name}\n"))).unwrap();
        let at = entry.find("classes: ").unwrap();
        let end = at + entry[at..].find('\n').unwrap();
        entry.replace_range(at..end, &format!("classes: {count}"));
    }
    Registry::parse(&format!("- name: {}", entries.join("\n- name: ")), Path::new("datasets.yaml")).unwrap()
}

struct Root {
    root: tempfile::TempDir,
    registry: Registry,
}

impl Root {
    fn new(classes: &[(&str, usize)]) -> Self {
        Self { root: tempfile::tempdir().unwrap(), registry: registry(classes) }
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Prepares a split with seed 1 and opens the data set.
    fn prepared(&self, name: &str) -> Box<dyn Dataset> {
        let entry = self.registry.get(name).unwrap();
        let prepared = prepare(entry, self.root.path(), 1).unwrap();
        let dataset = entry.open(self.root.path()).unwrap();
        let counts = Split::ALL.map(|split| dataset.samples(split).len());
        assert_eq!(counts, [prepared.train, prepared.val, prepared.test]);
        dataset
    }

    fn failure(&self, name: &str) -> String {
        let before = self.files();
        let error = prepare(self.registry.get(name).unwrap(), self.root.path(), 1).unwrap_err();
        assert_eq!(self.files(), before, "nothing is written");
        error.to_string().replace(self.root.path().to_str().unwrap(), "ROOT")
    }

    fn files(&self) -> Vec<PathBuf> {
        fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { collect(&path, into) } else { into.push(path) }
            }
        }
        let mut files = Vec::new();
        collect(self.root.path(), &mut files);
        files.sort();
        files
    }
}

fn paths(dataset: &dyn Dataset, split: Split) -> Vec<&str> {
    dataset.samples(split).iter().map(|sample| sample.path.to_str().unwrap()).collect()
}

/// How many samples each class has in a split.
fn counts(dataset: &dyn Dataset, split: Split) -> Vec<usize> {
    let mut counts = BTreeMap::new();
    for sample in dataset.samples(split) {
        *counts.entry(sample.label).or_insert(0) += 1;
    }
    counts.into_values().collect()
}

#[test]
fn class_folders_are_ignored_renamed_and_divided_in_sorted_order() {
    let root = Root::new(&[("caltech101", 3)]);
    for (folder, count) in
        [("Faces", 7), ("Leopards", 5), ("accordion", 13), ("BACKGROUND_Google", 9), ("Faces_easy", 9)]
    {
        for i in 1..=count {
            root.write(&format!("caltech-101/101_ObjectCategories/{folder}/image_{i:04}.jpg"), "");
        }
    }
    let dataset = root.prepared("caltech101");
    // Folders are sorted as ASCII, so capitals come first.
    assert_eq!(dataset.class_names(), ["face", "leopard", "accordion"]);
    // Python rounds halves to even: of 7 images, 3.5 are 4 and 1.4 are 1; of 5, 2.5 are 2; of 13, 6.5 are 6.
    assert_eq!(counts(&*dataset, Split::Train), [4, 2, 6]);
    assert_eq!(counts(&*dataset, Split::Val), [1, 1, 3]);
    assert_eq!(counts(&*dataset, Split::Test), [2, 2, 4]);
    // CPython: random.seed(1); x = list(range(1, 8)); random.shuffle(x).
    let faces = [4, 7, 6, 3].map(|i| format!("101_ObjectCategories/Faces/image_{i:04}.jpg"));
    assert_eq!(paths(&*dataset, Split::Train)[..4], faces);
}

#[test]
fn another_seed_gives_another_split_which_is_not_overwritten() {
    let root = Root::new(&[("dtd", 1)]);
    for i in 0..40 {
        root.write(&format!("dtd/images/polka-dotted/{i}.jpg"), "");
    }
    let entry = root.registry.get("dtd").unwrap();
    let first = prepare(entry, root.root.path(), 1).unwrap();
    let text = fs::read_to_string(&first.file).unwrap();
    assert!(text.contains("CoOp's rules with seed 1; not the published split"));
    assert_eq!(prepare(entry, root.root.path(), 1).unwrap(), first);
    let error = prepare(entry, root.root.path(), 2).unwrap_err().to_string();
    assert!(error.starts_with("the data set `dtd` has another prepared split"), "{error}");
    assert_eq!(fs::read_to_string(&first.file).unwrap(), text);
    fs::remove_file(&first.file).unwrap();
    prepare(entry, root.root.path(), 2).unwrap();
    assert_ne!(fs::read_to_string(&first.file).unwrap(), text);
}

#[test]
fn the_published_split_goes_before_a_prepared_one() {
    let root = Root::new(&[("dtd", 1)]);
    for i in 0..10 {
        root.write(&format!("dtd/images/banded/{i}.jpg"), "");
    }
    assert_eq!(root.prepared("dtd").class_names(), ["banded"]);
    let published = r#"{"train": [["x.jpg", 0, "woven"]], "val": [], "test": []}"#;
    root.write("dtd/split_zhou_DescribableTextures.json", published);
    let entry = root.registry.get("dtd").unwrap();
    assert_eq!(entry.open(root.root.path()).unwrap().class_names(), ["woven"]);
    insta::assert_snapshot!(root.failure("dtd"), @r"
    the data set `dtd` has its split file already
      --> ROOT/dtd/split_zhou_DescribableTextures.json
      help: nothing is to be prepared; move the file away for a split of your own
    ");
}

#[test]
fn pets_are_named_by_their_files_and_labelled_by_the_lists() {
    let root = Root::new(&[("oxford_pets", 2)]);
    let lines = |numbers: std::ops::Range<u32>| {
        let line = |i| format!("Abyssinian_{i} 1 1 1\namerican_bulldog_{i} 2 2 1\n");
        numbers.map(line).collect::<String>()
    };
    root.write("oxford_pets/annotations/trainval.txt", lines(100..110));
    root.write("oxford_pets/annotations/test.txt", lines(1..4));
    let prepared = prepare(root.registry.get("oxford_pets").unwrap(), root.root.path(), 1).unwrap();
    let missing = prepared.missing.unwrap();
    assert!(missing.what().starts_with("26 of 26 pictures of the split are not there, such as `images/"), "{missing}");
    let dataset = root.prepared("oxford_pets");
    assert_eq!(dataset.class_names(), ["abyssinian", "american_bulldog"]);
    assert_eq!(counts(&*dataset, Split::Train), [8, 8]);
    assert_eq!(counts(&*dataset, Split::Val), [2, 2]);
    assert_eq!(paths(&*dataset, Split::Test)[..2], ["images/Abyssinian_1.jpg", "images/american_bulldog_1.jpg"]);

    root.write("oxford_pets/annotations/test.txt", "Abyssinian_1 1 1 1\nAbyssinian_2 one 1 1\n");
    insta::assert_snapshot!(root.failure("oxford_pets"), @r"
    cannot prepare a split of `oxford_pets`: `one` is not a label
      --> ROOT/oxford_pets/annotations/test.txt:2
      expected: a whole number from 1 on
    ");
    root.write("oxford_pets/annotations/test.txt", "Abyssinian_1 1 1\n");
    insta::assert_snapshot!(root.failure("oxford_pets"), @r"
    cannot prepare a split of `oxford_pets`: `Abyssinian_1 1 1` is not a line of this list
      --> ROOT/oxford_pets/annotations/test.txt:1
      expected: lines like `Abyssinian_100 1 1 1`
    ");
    root.write("oxford_pets/annotations/test.txt", "Abyssinian_100 1 1 1\namerican_bulldog_1 2 2 1\n");
    insta::assert_snapshot!(root.failure("oxford_pets"), @r"
    cannot prepare a split of `oxford_pets`: the image `images/Abyssinian_100.jpg` is listed in both train and test
      --> ROOT/oxford_pets
    ");
    root.write("oxford_pets/annotations/test.txt", "");
    insta::assert_snapshot!(root.failure("oxford_pets"), @r"
    cannot prepare a split of `oxford_pets`: the list is empty
      --> ROOT/oxford_pets/annotations/test.txt
      expected: a line for each image or class
      help: download it again: the last download may have been interrupted
    ");
}

#[test]
fn scenes_are_named_backwards_and_may_be_nested() {
    let root = Root::new(&[("sun397", 2)]);
    root.write("sun397/ClassName.txt", "/a/abbey\n/a/apartment_building/outdoor\n");
    let lines = |numbers: std::ops::Range<u32>| {
        let line = |i| format!("/a/apartment_building/outdoor/sun_{i}.jpg\n/a/abbey/sun_{i}.jpg\n");
        numbers.map(line).collect::<String>()
    };
    root.write("sun397/Training_01.txt", lines(0..5));
    root.write("sun397/Testing_01.txt", lines(5..7));
    let dataset = root.prepared("sun397");
    assert_eq!(dataset.class_names(), ["abbey", "outdoor apartment_building"]);
    let test = paths(&*dataset, Split::Test);
    assert_eq!(test[..2], ["SUN397/a/apartment_building/outdoor/sun_5.jpg", "SUN397/a/abbey/sun_5.jpg"]);

    root.write("sun397/Testing_01.txt", "/a/abby/sun_1.jpg\n");
    insta::assert_snapshot!(root.failure("sun397"), @r"
    cannot prepare a split of `sun397`: the class `/a/abby` is not in `ClassName.txt`
      --> ROOT/sun397/Testing_01.txt:1
      help: did you mean `a/abbey`?
    ");
    root.write("sun397/Testing_01.txt", "/a/abbey/../../../sun_1.jpg\n");
    insta::assert_snapshot!(root.failure("sun397"), @r"
    cannot prepare a split of `sun397`: the class `/a/abbey/../../..` is not in `ClassName.txt`
      --> ROOT/sun397/Testing_01.txt:1
      help: known are: a/abbey, a/apartment_building/outdoor
    ");
}

#[test]
fn actions_are_split_at_capitals_and_their_videos_become_frames() {
    let root = Root::new(&[("ucf101", 2)]);
    root.write("ucf101/ucfTrainTestlist/classInd.txt", "1 HandstandPushups\r\n2 YoYo\r\n");
    let train = (1..=5)
        .map(|i| format!("HandstandPushups/v_HandStandPushups_g0{i}_c01.avi 1\r\nYoYo/v_YoYo_g0{i}_c01.avi 2\r\n"));
    root.write("ucf101/ucfTrainTestlist/trainlist01.txt", train.collect::<String>());
    let test = "HandstandPushups/v_HandStandPushups_g08_c01.avi\r\nYoYo/v_YoYo_g08_c01.avi\r\n";
    root.write("ucf101/ucfTrainTestlist/testlist01.txt", test);
    let dataset = root.prepared("ucf101");
    assert_eq!(dataset.class_names(), ["Handstand_Pushups", "Yo_Yo"]);
    let frames = ["Handstand_Pushups/v_HandStandPushups_g08_c01.jpg", "Yo_Yo/v_YoYo_g08_c01.jpg"];
    assert_eq!(paths(&*dataset, Split::Test), frames.map(|frame| format!("UCF-101-midframes/{frame}")));

    root.write("ucf101/ucfTrainTestlist/testlist01.txt", "Yoyo/v_YoYo_g08_c01.avi\n");
    insta::assert_snapshot!(root.failure("ucf101"), @r"
    cannot prepare a split of `ucf101`: the action `Yoyo` is not in `classInd.txt`
      --> ROOT/ucf101/ucfTrainTestlist/testlist01.txt:1
      help: did you mean `YoYo`?
    ");
}

const CAR_FILES: [(&str, &[u8]); 3] = [
    ("stanford_cars/devkit/cars_meta.mat", include_bytes!("fixtures/matlab/cars_meta.mat")),
    ("stanford_cars/devkit/cars_train_annos.mat", include_bytes!("fixtures/matlab/cars_train_annos.mat")),
    ("stanford_cars/cars_test_annos_withlabels.mat", include_bytes!("fixtures/matlab/cars_test_annos_withlabels.mat")),
];

fn cars() -> Root {
    let root = Root::new(&[("stanford_cars", 3)]);
    for (path, bytes) in CAR_FILES {
        root.write(path, bytes);
    }
    root
}

#[test]
fn cars_are_read_from_matlab_structs_and_their_year_moves_to_the_front() {
    let dataset = cars().prepared("stanford_cars");
    assert_eq!(
        dataset.class_names(),
        ["2000 AM General Hummer SUV", "2012 Audi TTS Coupe", "2012 Ram C/V Cargo Van Minivan"]
    );
    assert_eq!(paths(&*dataset, Split::Test), ["cars_test/00001.jpg", "cars_test/00002.jpg", "cars_test/00003.jpg"]);
    assert_eq!(dataset.samples(Split::Test).iter().map(|s| s.label).collect::<Vec<_>>(), [1, 2, 0]);
    assert_eq!(counts(&*dataset, Split::Train), [4, 6, 4]);
    assert_eq!(counts(&*dataset, Split::Val), [1, 1, 1]);
    // The first class that is listed is the third.
    assert_eq!(dataset.samples(Split::Train)[0].label, 2);
}

#[test]
fn a_truncated_matlab_file_is_refused_and_named() {
    for (path, bytes) in CAR_FILES {
        let root = cars();
        for end in (0..bytes.len()).step_by(5) {
            root.write(path, &bytes[..end]);
            let failure = root.failure("stanford_cars");
            assert!(failure.contains(&format!("--> ROOT/{path}")), "{end}: {failure}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_damage_to_a_matlab_file_is_worse_than_an_error(file in 0_usize..3, at in 128_usize..1312, byte: u8) {
        let root = cars();
        let (path, mut bytes) = (CAR_FILES[file].0, CAR_FILES[file].1.to_vec());
        let at = at % bytes.len();
        bytes[at] = byte;
        root.write(path, &bytes);
        let _ = prepare(root.registry.get("stanford_cars").unwrap(), root.root.path(), 1);
    }
}

#[test]
fn damaged_matlab_files_are_refused() {
    let refused = |path: usize, bytes: &[u8]| {
        let root = cars();
        root.write(CAR_FILES[path].0, bytes);
        root.failure("stanford_cars")
    };
    let test = CAR_FILES[2].1;
    insta::assert_snapshot!(refused(2, &test[..test.len() / 2]), @r"
    cannot prepare a split of `stanford_cars`: the MATLAB file ends in the middle of a variable
      --> ROOT/stanford_cars/cars_test_annos_withlabels.mat
      help: download it again: the last download may have been interrupted
    ");
    insta::assert_snapshot!(refused(1, &CAR_FILES[1].1[..300]), @r"
    cannot prepare a split of `stanford_cars`: the MATLAB file ends in the middle of a variable
      --> ROOT/stanford_cars/devkit/cars_train_annos.mat
      help: download it again: the last download may have been interrupted
    ");
    insta::assert_snapshot!(refused(0, b""), @r"
    cannot prepare a split of `stanford_cars`: the MATLAB file ends in the middle of a header
      --> ROOT/stanford_cars/devkit/cars_meta.mat
      help: download it again: the last download may have been interrupted
    ");
    insta::assert_snapshot!(refused(0, &[b'<'; 500]), @r"
    cannot prepare a split of `stanford_cars`: the file is not a MATLAB 5 file of a little-endian machine
      --> ROOT/stanford_cars/devkit/cars_meta.mat
      help: download it again: a server may have sent a message instead
    ");
    insta::assert_snapshot!(refused(0, CAR_FILES[1].1), @r"
    cannot prepare a split of `stanford_cars`: the MATLAB file has no variable `class_names`, but `annotations`
      --> ROOT/stanford_cars/devkit/cars_meta.mat
      expected: the data set's own file, which has `class_names`
    ");
    insta::assert_snapshot!(refused(1, CAR_FILES[0].1), @r"
    cannot prepare a split of `stanford_cars`: the MATLAB file has no variable `annotations`, but `class_names`
      --> ROOT/stanford_cars/devkit/cars_train_annos.mat
      expected: the data set's own file, which has `annotations`
    ");
    let newer = [b"MATLAB 7.3 MAT-file", &[b' '; 500][..]].concat();
    insta::assert_snapshot!(refused(1, &newer), @r"
    cannot prepare a split of `stanford_cars`: the file is a MATLAB 7.3 file
      --> ROOT/stanford_cars/devkit/cars_train_annos.mat
      expected: a MATLAB 5 file
      help: save it with `-v6`
    ");
}

#[test]
fn flowers_are_labelled_by_number_in_any_type_of_matlab_number() {
    let labels = [
        &include_bytes!("fixtures/matlab/imagelabels.mat")[..],
        include_bytes!("fixtures/matlab/imagelabels_double.mat"),
    ];
    for labels in labels {
        let root = Root::new(&[("oxford_flowers", 3)]);
        let names = r#"{"3": "passion flower", "1": "pink primrose", "2": "colt's foot"}"#;
        root.write("oxford_flowers/cat_to_name.json", names);
        root.write("oxford_flowers/imagelabels.mat", labels);
        let dataset = root.prepared("oxford_flowers");
        assert_eq!(dataset.class_names(), ["pink primrose", "colt's foot", "passion flower"]);
        // The first ten images are of the third class.
        assert_eq!(dataset.samples(Split::Train)[0].label, 2);
        assert!(paths(&*dataset, Split::Test)[0] <= "jpg/image_00010.jpg");
        assert_eq!(counts(&*dataset, Split::Train), [6, 6, 5]);
    }
    let root = Root::new(&[("oxford_flowers", 3)]);
    root.write("oxford_flowers/imagelabels.mat", labels[0]);
    insta::assert_snapshot!(root.failure("oxford_flowers"), @r"
    cannot prepare a split of `oxford_flowers`: cannot read the file: No such file or directory (os error 2)
      --> ROOT/oxford_flowers/cat_to_name.json
    ");
    root.write("oxford_flowers/cat_to_name.json", r#"{"3": "passion flower"}"#);
    insta::assert_snapshot!(root.failure("oxford_flowers"), @r#"
    cannot prepare a split of `oxford_flowers`: the label 1 has no name
      --> ROOT/oxford_flowers/cat_to_name.json
      expected: a key "1"
    "#);
}

#[test]
fn a_class_with_too_few_images_and_a_data_set_without_a_split_are_refused() {
    let root = Root::new(&[("dtd", 2)]);
    root.write("dtd/images/banded/1.jpg", "");
    root.write("dtd/images/banded/2.jpg", "");
    insta::assert_snapshot!(root.failure("dtd"), @r"
    cannot prepare a split of `dtd`: the class `banded` has too few images: none is left for val
      --> ROOT/dtd
    ");
    insta::assert_snapshot!(root.failure("fgvc_aircraft"), @"the data set `fgvc_aircraft` needs no split: its own files say it");
    insta::assert_snapshot!(root.failure("eurosat"), @r"
    the data set `eurosat` is not in the data root
      --> ROOT/eurosat
      expected: a folder with `split_zhou_EuroSAT.json` and the images in `2750`
      help: see https://github.com/phelber/EuroSAT
    ");
}

#[test]
fn shifted_imagenets_are_for_testing_alone_and_take_their_classes_from_their_folders() {
    let root = Root::new(&[("imagenet_r", 2), ("imagenetv2", 3)]);
    let names = "n01 tench\nn02 goldfish\nn03 great white shark\n";
    root.write("imagenet-rendition/classnames.txt", names);
    for file in ["n03/b.jpg", "n03/a.jpg", "n01/c.jpg", "README.txt"] {
        root.write(&format!("imagenet-rendition/imagenet-r/{file}"), "");
    }
    let dataset = root.registry.get("imagenet_r").unwrap().open(root.root.path()).unwrap();
    assert_eq!(dataset.class_names(), ["tench", "great white shark"]);
    let test = ["imagenet-r/n01/c.jpg", "imagenet-r/n03/a.jpg", "imagenet-r/n03/b.jpg"];
    assert_eq!(paths(&*dataset, Split::Test), test);
    assert!(dataset.samples(Split::Train).is_empty() && dataset.samples(Split::Val).is_empty());

    root.write("imagenetv2/classnames.txt", names);
    for file in ["0/a.jpeg", "2/b.jpeg", "1/c.jpeg"] {
        root.write(&format!("imagenetv2/imagenetv2-matched-frequency-format-val/{file}"), "");
    }
    let entry = root.registry.get("imagenetv2").unwrap();
    let dataset = entry.open(root.root.path()).unwrap();
    assert_eq!(dataset.class_names(), ["tench", "goldfish", "great white shark"]);
    assert_eq!(dataset.samples(Split::Test).iter().map(|s| s.label).collect::<Vec<_>>(), [0, 1, 2]);
    root.write("imagenetv2/imagenetv2-matched-frequency-format-val/n01/d.jpeg", "");
    let error = entry.open(root.root.path()).err().unwrap().to_string();
    insta::assert_snapshot!(error.replace(root.root.path().to_str().unwrap(), "ROOT"), @r"
    cannot open the data set `imagenetv2`: the class folder `n01` is not a label
      --> ROOT/imagenetv2/imagenetv2-matched-frequency-format-val
      expected: class folders `0` to `2`
      help: releases of ImageNetV2 differ: take one whose folders are numbers
    ");
}
