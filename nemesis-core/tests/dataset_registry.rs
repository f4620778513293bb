//! The registry: what is built in, what a data root brings, and what is said when something is missing or wrong.

use nemesis_core::dataset::{Registry, Split, manifest_hash, missing_images};
use std::fs;
use std::path::Path;

/// A registry of one small data set, `toy`.
const TOY: &str = r"
- name: toy
  title: Toy
  folder: toys
  layout: {split_file: {file: split.json, images: pictures}}
  classes: 2
  samples: {train: 2, val: 1, test: 1}
  template: a photo of a {}.
  licence: none
  home: https://example.org
";
const SPLIT: &str = r#"{"train": [["b/1.jpg", 1, "bear"], ["a/1.jpg", 0, "ant"]],
 "val": [["a/2.jpg", 0, "ant"]],
 "test": [["b/2.jpg", 1, "bear"]]}"#;

/// A data root that carries [`TOY`] and the files given.
fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("datasets.yaml"), TOY).unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

/// The message of `error`, with the data root's random name replaced.
fn told(error: &nemesis_core::Error, root: &Path) -> String {
    error.to_string().replace(root.to_str().unwrap(), "ROOT")
}

fn failure(root: &Path) -> String {
    let registry = Registry::load(root).unwrap();
    told(&registry.get("toy").unwrap().open(root).err().unwrap(), root)
}

#[test]
fn no_data_set_is_called_as_the_last_row_of_a_table() {
    let text = TOY.replace("name: toy", "name: average");
    let error = Registry::parse(&text, Path::new("datasets.yaml")).unwrap_err();
    assert_eq!(error.what(), "a data set is named `average`, as the last row of every table is");
}

#[test]
fn the_papers_eleven_are_built_in_in_its_order_before_the_shifted_imagenets() {
    let registry = Registry::built_in().unwrap();
    let sizes = |name| {
        let entry = registry.get(name).unwrap();
        let samples = entry.samples.unwrap();
        (entry.classes.unwrap(), samples.train, samples.val, samples.test)
    };
    let names: Vec<&str> = registry.names().collect();
    let first = ["imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101"];
    let rest = ["fgvc_aircraft", "sun397", "dtd", "eurosat", "ucf101"];
    let shifted = ["imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r"];
    assert_eq!(names, [&first[..], &rest, &shifted].concat());
    assert_eq!(sizes("eurosat"), (10, 13_500, 5_400, 8_100));
    assert_eq!(sizes("stanford_cars"), (196, 6_509, 1_635, 8_041));
    for entry in registry.entries() {
        assert_eq!(entry.template().matches("{}").count(), 1, "{}", entry.name);
    }
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    insta::assert_snapshot!(Registry::built_in().unwrap().get("eurosta").unwrap_err(), @r"
    there is no data set `eurosta`
      help: did you mean `eurosat`?
    ");
}

#[test]
fn a_data_root_brings_its_own_registry() {
    let root = root(&[("toys/split.json", SPLIT)]);
    let registry = Registry::load(root.path()).unwrap();
    // What the root brings comes behind what is built in, and replaces what has the same name.
    assert_eq!(registry.names().last(), Some("toy"));
    assert_eq!(registry.entries().len(), Registry::built_in().unwrap().entries().len() + 1);
    let own = TOY.replace("name: toy", "name: eurosat");
    fs::write(root.path().join("datasets.yaml"), own).unwrap();
    let replaced = Registry::load(root.path()).unwrap();
    assert_eq!(replaced.get("eurosat").unwrap().title, "Toy");
    assert_eq!(replaced.entries().len(), Registry::built_in().unwrap().entries().len());
    let toy = registry.get("toy").unwrap().open(root.path()).unwrap();
    // Names come by label, although label 1 is listed first; no image is needed.
    assert_eq!(toy.class_names(), ["ant", "bear"]);
    assert_eq!(toy.samples(Split::Train)[0].path, Path::new("pictures/b/1.jpg"));
    assert_eq!(toy.samples(Split::Train)[0].label, 1);
    assert_eq!((toy.name(), toy.template()), ("toy", "a photo of a {}."));
    assert!(!toy.val_is_test());
    assert_eq!(Registry::load(tempfile::tempdir().unwrap().path()).unwrap(), Registry::built_in().unwrap());
}

#[test]
fn missing_images_are_listed_in_order() {
    let root = root(&[("toys/split.json", SPLIT), ("toys/pictures/a/1.jpg", "")]);
    let toy = Registry::load(root.path()).unwrap().get("toy").unwrap().open(root.path()).unwrap();
    let missing = missing_images(toy.folder(), toy.samples(Split::Train)).unwrap();
    assert_eq!(missing, [&toy.samples(Split::Train)[0]]);
}

#[test]
fn the_manifest_covers_names_template_and_every_sample() {
    let hash = |registry: &str, split: &str| {
        let root = root(&[("toys/split.json", split), ("datasets.yaml", registry)]);
        let registry = Registry::load(root.path()).unwrap();
        manifest_hash(&*registry.entries().last().unwrap().open(root.path()).unwrap())
    };
    let reference = hash(TOY, SPLIT);
    assert_eq!(reference, hash(TOY, SPLIT), "the place of the data root does not matter");
    for changed in [
        hash(&TOY.replace("name: toy", "name: toys"), SPLIT),
        hash(&TOY.replace("a photo of", "a picture of"), SPLIT),
        hash(&TOY.replace("pictures", "photos"), SPLIT),
        hash(TOY, &SPLIT.replace("bear", "bee")),
        hash(TOY, &SPLIT.replace("b/2.jpg", "b/3.jpg")),
        hash(TOY, &SPLIT.replace(r#""test": [["b/2.jpg", 1, "bear"]"#, r#""test": [["b/2.jpg", 0, "ant"]"#)),
        hash(
            TOY,
            r#"{"train": [["a/1.jpg", 0, "ant"], ["b/1.jpg", 1, "bear"]],
            "val": [["a/2.jpg", 0, "ant"]], "test": [["b/2.jpg", 1, "bear"]]}"#,
        ),
    ] {
        assert_ne!(reference, changed);
    }
}

#[test]
fn a_missing_root_folder_or_split_file_says_what_belongs_there() {
    let root = root(&[]);
    let nowhere = root.path().join("nowhere");
    insta::assert_snapshot!(told(&Registry::load(&nowhere).unwrap_err(), root.path()), @r"
    the data root is not a folder
      --> ROOT/nowhere
      expected: a folder that holds a folder for each data set
      help: give the right one with --data
    ");
    insta::assert_snapshot!(failure(root.path()), @r"
    the data set `toy` is not in the data root
      --> ROOT/toys
      expected: a folder with `split.json` and the images in `pictures`
      help: see https://example.org
    ");
    fs::create_dir(root.path().join("toys")).unwrap();
    insta::assert_snapshot!(failure(root.path()), @r"
    cannot open the data set `toy`: cannot read the file: No such file or directory (os error 2)
      --> ROOT/toys/split.json
      expected: in `ROOT/toys`: `split.json` and the images in `pictures`
      help: see https://example.org
    ");
}

#[test]
fn another_data_sets_files_are_refused() {
    let split = SPLIT.replace(r#"["a/1.jpg", 0, "ant"]"#, r#"["a/1.jpg", 0, "ant"], ["c/1.jpg", 2, "cat"]"#);
    insta::assert_snapshot!(failure(root(&[("toys/split.json", &split)]).path()), @r"
    the data set `toy` has 3 classes
      --> ROOT/toys
      expected: 2 classes
      help: is this Toy, complete? see https://example.org
    ");
}

#[test]
fn a_wrong_registry_is_placed() {
    let told = |text: &str| Registry::parse(text, Path::new("datasets.yaml")).unwrap_err().to_string();
    insta::assert_snapshot!(told(&TOY.replace("classes:", "clases:")), @r"
    unknown key `clases` in `toy`
      --> datasets.yaml:6
      expected: one of name, title, folder, layout, raw, published, classes, samples, template, templates, licence, home, fetch
      help: did you mean `classes`?
    ");
    insta::assert_snapshot!(told(&TOY.replace("split_file:", "split_fil:")), @r"
    unknown value `split_fil` in `toy.layout`
      --> datasets.yaml:5
      expected: one of split_file, variant_lists, class_folders, test_folders
      help: did you mean `split_file`?
    ");
    insta::assert_snapshot!(told(&TOY.replace("images: pictures", "images: ../pictures")), @r"
    toy.layout.split_file: `../pictures` leads out of the data set's folder or nowhere
      --> datasets.yaml:5
      expected: a relative path without `..`
    ");
    insta::assert_snapshot!(told(&TOY.replace("a photo of a {}.", "a photo")), @r"
    toy: the template `a photo` has 0 places for the class name
      --> datasets.yaml:2
      expected: exactly one `{}`
    ");
    insta::assert_snapshot!(told(&TOY.replace("train: 2", "train: -2")), @r"
    toy.samples.train: invalid type: integer `-2`
      --> datasets.yaml:7
      expected: a whole number from 0 on
    ");
    insta::assert_snapshot!(told(&format!("{TOY}{TOY}")), @r"
    the data set `toy` is described twice
      --> datasets.yaml
      help: remove one of the two, or give it a name of its own
    ");
}

#[test]
fn a_name_and_a_layout_are_all_that_an_entry_needs() {
    let least = "- name: toys\n  layout: {split_file: {file: split.json, images: pictures}}\n";
    let root = root(&[("toys/split.json", SPLIT), ("datasets.yaml", least)]);
    let registry = Registry::load(root.path()).unwrap();
    let entry = registry.get("toys").unwrap();
    assert_eq!((entry.title.as_str(), entry.template(), entry.classes), ("toys", "a photo of a {}.", None));
    assert!(entry.terms().is_empty());
    assert_eq!(entry.open(root.path()).unwrap().class_names(), ["ant", "bear"]);
}

#[test]
fn all_missing_keys_of_all_entries_are_told_at_once() {
    let told = |text: &str| Registry::parse(text, Path::new("datasets.yaml")).unwrap_err().to_string();
    insta::assert_snapshot!(told("- title: Toy\n\n- name: bears\n  classes: 2\n-\n  name: ants\n  layout:\n"), @r"
    keys are missing: `name` and `layout` of data set 1 (line 1); `layout` of `bears` (line 3); `layout` of `ants` (line 5)
      --> datasets.yaml:1
      expected: `name` and `layout` for each data set
      help: `title`, `folder`, `classes`, `samples`, `template`, `templates`, `licence` and `home` may be left out
    ");
    insta::assert_snapshot!(told("[{title: Toy}]"), @r"
    keys are missing: `name` and `layout` of data set 1
      --> datasets.yaml
      expected: `name` and `layout` for each data set
      help: `title`, `folder`, `classes`, `samples`, `template`, `templates`, `licence` and `home` may be left out
    ");
    insta::assert_snapshot!(told("- name: ../toy\n  layout: {variant_lists: {images: .}}\n"), @r"
    no folder can be called as the data set `../toy`
      --> datasets.yaml:1
      help: name it otherwise, or give its `folder`
    ");
}

#[test]
fn a_wrong_source_is_placed() {
    let parts = [
        "gives: [a], from: [{url: 'ftp://example.org/a'}]",
        "gives: [a], from: [{url: 'https://example.org/a', md5: 12}]",
        "gives: [a], from: [{url: 'https://example.org/a', md5: c8fa0143}]",
        "gives: [../a], by_hand: here",
        "gives: [], by_hand: here",
        "gives: [a]",
        "gives: [a, b], from: [{url: 'https://example.org/a.json'}]",
        "gives: [a], form: []",
    ];
    let told =
        |part| Registry::parse(&format!("{TOY}  fetch: [{{{part}}}]\n"), Path::new("datasets.yaml")).unwrap_err();
    let all: Vec<String> = parts.iter().map(|part| told(part).to_string()).collect();
    insta::assert_snapshot!(all.join("\n"));
}
