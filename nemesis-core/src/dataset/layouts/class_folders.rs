//! ImageNet's layout: a folder for each class in train and in test, and a file of class names.
//!
//! A class's label is its folder's place in sorted order. Images are listed in sorted order too. CoOp takes them as the
//! file system happens to list them, so that its few-shot sets of ImageNet depend on the disk and cannot be
//! reproduced; ours are the same everywhere. As in CoOp, the validation samples are the test samples.

use crate::dataset::Sample;
use crate::dataset::listed::Contents;
use crate::{Error, Result, files};
use rayon::prelude::*;
use std::collections::HashMap;
use std::fs::{self, DirEntry};
use std::path::Path;

/// Reads the layout in `folder`, where the other paths are.
pub(super) fn read(folder: &Path, train: &Path, test: &Path, class_names: &Path) -> Result<Contents> {
    let names_file = folder.join(class_names);
    let names = parse_names(&files::read_text(&names_file)?).map_err(|e| e.at(&names_file))?;
    let classes = class_folders(&folder.join(train))?;
    let test_classes = class_folders(&folder.join(test))?;
    if let Some((class, place)) = difference(&classes, &test_classes) {
        let (with, without) = if place { (train, test) } else { (test, train) };
        return Err(Error::new(format!("the class folder `{class}` is in `{}` only", with.display()))
            .at(folder.join(without))
            .expected(format!("the same class folders as in `{}`", with.display())));
    }
    let named = |class: &String| {
        names.get(class).cloned().ok_or_else(|| {
            Error::new(format!("the class folder `{class}` has no class name"))
                .at(&names_file)
                .expected(format!("a line `{class} NAME`"))
        })
    };
    Ok(Contents {
        class_names: classes.iter().map(named).collect::<Result<_>>()?,
        train: list(folder, train, &classes)?,
        val: None,
        test: list(folder, test, &classes)?,
    })
}

/// Lines of a class folder and its class's name, which may hold spaces.
fn parse_names(text: &str) -> Result<HashMap<String, String>> {
    let mut names = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let Some((class, name)) = line.trim().split_once(' ') else {
            return Err(Error::new(format!("`{line}` is not a class folder and its name"))
                .line(index + 1)
                .expected("lines like `n01440764 tench`"));
        };
        if names.insert(class.to_owned(), name.trim_start().to_owned()).is_some() {
            return Err(Error::new(format!("the class folder `{class}` is named twice")).line(index + 1));
        }
    }
    Ok(names)
}

/// The names of the folders in `parent`, sorted.
fn class_folders(parent: &Path) -> Result<Vec<String>> {
    let folders = sorted_names(parent, |entry| entry.path().is_dir())?;
    if folders.is_empty() {
        return Err(Error::new("there is no class folder").at(parent).expected("a folder of images for each class"));
    }
    Ok(folders)
}

/// A class that is in one list only, and whether it is in the first.
fn difference<'a>(first: &'a [String], second: &'a [String]) -> Option<(&'a str, bool)> {
    let lacks = |names: &[String], name: &String| names.binary_search(name).is_err();
    let first_only = first.iter().find(|name| lacks(second, name)).map(|name| (name.as_str(), true));
    first_only.or_else(|| second.iter().find(|name| lacks(first, name)).map(|name| (name.as_str(), false)))
}

/// Every image of every class, classes in order.
fn list(folder: &Path, split: &Path, classes: &[String]) -> Result<Vec<Sample>> {
    let of_class = |(label, class): (usize, &String)| {
        let parent = split.join(class);
        let images = sorted_names(&folder.join(&parent), |_| true)?;
        Ok(images.into_iter().map(|image| Sample { path: parent.join(image), label: label as u32 }).collect())
    };
    let samples: Vec<Vec<Sample>> = classes.par_iter().enumerate().map(of_class).collect::<Result<_>>()?;
    Ok(samples.concat())
}

/// The names in `folder` that `keep` keeps, sorted by their bytes; hidden ones (`.DS_Store`) are left out.
fn sorted_names(folder: &Path, keep: impl Fn(&DirEntry) -> bool) -> Result<Vec<String>> {
    let failed = |e: &std::io::Error| Error::io("list the folder", folder, e);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| failed(&e))? {
        let entry = entry.map_err(|e| failed(&e))?;
        let name = entry.file_name().into_string().map_err(|name| {
            Error::new(format!("the file name `{}` is not UTF-8", name.display())).at(folder).help("rename the file")
        })?;
        if !name.starts_with('.') && keep(&entry) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
