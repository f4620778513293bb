//! The files beside the pictures: split files and lists of the layouts, and the annotations of the official archives,
//! from which a split can be made when the split file is taken away.

use super::items::{DataFile, Item, SEED, SPLITS, TEST};
use super::matlab::{self, Array};
use super::sets::{self, Class, MiniSet};
use nemesis_core::dataset::{Entry, Layout, Raw};
use nemesis_core::method::random;
use serde_json::json;
use std::path::{Path, PathBuf};

/// All lists of a data set: their names in its folder, and their bytes.
pub(super) fn lists(set: &MiniSet, entry: &Entry, items: &[Item]) -> Vec<DataFile> {
    let mut lists = of_layout(set, &entry.layout, items);
    lists.extend(entry.raw.iter().flat_map(|raw| of_archive(set, raw, items)));
    lists
}

fn of_layout(set: &MiniSet, layout: &Layout, items: &[Item]) -> Vec<DataFile> {
    match layout {
        Layout::SplitFile { file, .. } => {
            let row = |item: &Item| json!([item.path, item.label, set.classes[item.label].name]);
            let split = |i| in_order(set, items, i).into_iter().map(row).collect();
            let splits: serde_json::Map<_, _> =
                SPLITS.iter().enumerate().map(|(i, (name, _))| ((*name).to_owned(), split(i))).collect();
            vec![(Path::new(file.as_ref()).to_owned(), serde_json::Value::Object(splits).to_string().into_bytes())]
        }
        Layout::VariantLists { .. } => {
            let line = |item: &Item| format!("{} {}", item.path, set.classes[item.label].name);
            let split = |(i, (name, _)): (usize, &(&str, usize))| {
                text(format!("images_variant_{name}.txt"), in_order(set, items, i).into_iter().map(line))
            };
            let variants = text("variants.txt", set.classes.iter().map(|class| class.name));
            std::iter::once(variants).chain(SPLITS.iter().enumerate().map(split)).collect()
        }
        // Copies of ImageNet come with the names of all its classes, also of those that they lack.
        Layout::ClassFolders { class_names, .. } | Layout::TestFolders { class_names, .. } => {
            let line = |class: &Class| format!("{} {}", class.folder, class.name);
            vec![text(class_names.as_ref(), sets::imagenet_classes().iter().map(line))]
        }
    }
}

/// The pictures of a split in the order of its list.
fn in_order<'a>(set: &MiniSet, items: &'a [Item], split: usize) -> Vec<&'a Item> {
    let listed: Vec<&Item> = items.iter().filter(|item| item.split == split).collect();
    if !set.shuffled {
        return listed;
    }
    let order = random::permutation(listed.len(), |n| random::draws(SEED, "lists", split as u64, n));
    order.into_iter().map(|i| listed[i]).collect()
}

/// The annotations that the official archive has.
fn of_archive(set: &MiniSet, raw: &Raw, items: &[Item]) -> Vec<DataFile> {
    let (test, trainval): (Vec<&Item>, Vec<&Item>) = items.iter().partition(|item| item.split == TEST);
    let two = |names: [&str; 2], line: &dyn Fn(&Item) -> String| {
        [(names[0], &trainval), (names[1], &test)].map(|(name, items)| text(name, items.iter().map(|item| line(item))))
    };
    match raw {
        Raw::ClassFolders { .. } => Vec::new(),
        Raw::PetLists => {
            // Species and breed, which nobody reads, are left at one.
            let line = |item: &Item| format!("{} {} 1 1", item.path.trim_end_matches(".jpg"), item.label + 1);
            two(["annotations/trainval.txt", "annotations/test.txt"], &line).into()
        }
        Raw::SceneLists => {
            let classes = text("ClassName.txt", set.classes.iter().map(|class| format!("/{}", class.folder)));
            let lists = two(["Training_01.txt", "Testing_01.txt"], &|item| format!("/{}", item.path));
            std::iter::once(classes).chain(lists).collect()
        }
        Raw::ActionLists => {
            let action = |class: &Class| class.folder.replace('_', "");
            let classes = (1..).zip(set.classes).map(|(label, class)| format!("{label} {}", action(class)));
            let line = |item: &Item| {
                let (_, file) = item.path.split_once('/').unwrap_or_default();
                let video = file.replace(".jpg", ".avi");
                format!("{}/{video} {}", action(&set.classes[item.label]), item.label + 1)
            };
            let lists = two(["ucfTrainTestlist/trainlist01.txt", "ucfTrainTestlist/testlist01.txt"], &line);
            std::iter::once(text("ucfTrainTestlist/classInd.txt", classes)).chain(lists).collect()
        }
        Raw::FlowerLabels => {
            let labels = items.iter().map(|item| item.label as u8 + 1).collect();
            let names: serde_json::Map<_, _> =
                (1..).zip(set.classes).map(|(label, class)| (format!("{label}"), json!(class.name))).collect();
            vec![
                (PathBuf::from("imagelabels.mat"), matlab::file("labels", &Array::Bytes(labels))),
                (PathBuf::from("cat_to_name.json"), serde_json::Value::Object(names).to_string().into_bytes()),
            ]
        }
        Raw::CarAnnotations => {
            // In the archive the year stands last.
            let year_last = |class: &Class| {
                let (year, car) = class.name.split_once(' ').unwrap_or_default();
                Array::Text(format!("{car} {year}"))
            };
            let names = Array::Cells(set.classes.iter().map(year_last).collect());
            vec![
                (PathBuf::from("devkit/cars_meta.mat"), matlab::file("class_names", &names)),
                (PathBuf::from("devkit/cars_train_annos.mat"), car_annotations(set, &trainval)),
                (PathBuf::from("cars_test_annos_withlabels.mat"), car_annotations(set, &test)),
            ]
        }
    }
}

fn car_annotations(set: &MiniSet, items: &[&Item]) -> Vec<u8> {
    let (width, height) = set.frame;
    let annotation = |item: &&Item| {
        let corners = [1, 1, width as u8, height as u8].map(|corner| Array::Bytes(vec![corner]));
        let (_, file) = item.path.split_once('/').unwrap_or_default();
        corners.into_iter().chain([Array::Bytes(vec![item.label as u8 + 1]), Array::Text(file.to_owned())]).collect()
    };
    let fields = vec!["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname"];
    matlab::file("annotations", &Array::Structs(fields, items.iter().map(annotation).collect()))
}

/// A text file of lines.
fn text<T: AsRef<str>>(name: impl Into<PathBuf>, lines: impl IntoIterator<Item = T>) -> DataFile {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend(line.as_ref().as_bytes());
        bytes.push(b'\n');
    }
    (name.into(), bytes)
}
