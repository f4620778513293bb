//! ImageNet's `classnames.txt`, and the images of class folders.

use crate::dataset::Sample;
use crate::dataset::classes::check_name;
use crate::dataset::listing::{self, Listing};
use crate::error::abridged;
use crate::{Error, Result, files, threads};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Class folders and their classes' names, in the order of the file.
pub(super) struct ClassNames {
    file: PathBuf,
    names: Vec<String>,
    /// The line of each name.
    lines: Vec<usize>,
    places: HashMap<String, usize>,
}

impl ClassNames {
    /// Reads lines of a class folder and its class's name, which may hold spaces. Empty lines are passed over.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = files::read_text(file)?;
        let mut classes = Self { file: file.to_owned(), names: Vec::new(), lines: Vec::new(), places: HashMap::new() };
        for (index, line) in text.lines().enumerate() {
            let error = match line.trim().split_once([' ', '\t']) {
                None if line.trim().is_empty() => continue,
                None => Error::new(format!("`{line}` is not a class folder and its name"))
                    .expected("lines like `n01440764 tench`"),
                Some((folder, _)) if classes.places.contains_key(folder) => {
                    Error::new(format!("the class folder `{folder}` is named twice"))
                }
                Some((folder, name)) => {
                    classes.places.insert(folder.to_owned(), classes.names.len());
                    classes.names.push(name.trim_start().to_owned());
                    classes.lines.push(index + 1);
                    continue;
                }
            };
            return Err(error.at(file).line(index + 1));
        }
        if classes.names.is_empty() {
            return Err(Error::new("the list of class names is empty")
                .at(file)
                .expected("lines like `n01440764 tench`"));
        }
        Ok(classes)
    }

    /// The names of the classes that have these folders; a class's label is its folder's place in the list.
    pub(super) fn of_all(&self, folders: &[String]) -> Result<Vec<String>> {
        let of = |(label, folder): (usize, &String)| {
            let place = *self.places.get(folder).ok_or_else(|| {
                Error::new(format!("the class folder `{folder}` has no class name"))
                    .at(&self.file)
                    .expected(format!("a line `{folder} NAME`"))
                    .help("add the line, or move the folder away if it is of no class")
            })?;
            self.checked(label, place)
        };
        folders.iter().enumerate().map(of).collect()
    }

    /// All names, which stand in the order of labels.
    pub(super) fn in_order(&self) -> Result<Vec<String>> {
        (0..self.names.len()).map(|label| self.checked(label, label)).collect()
    }

    fn checked(&self, label: usize, place: usize) -> Result<String> {
        let name = &self.names[place];
        check_name(label, name).map_err(|e| e.at(&self.file).line(self.lines[place]))?;
        Ok(name.clone())
    }

    /// Says which classes are named and are not among these.
    pub(super) fn without(&self, folders: &[String]) -> Option<Error> {
        let mut lacking: Vec<(&String, &usize)> =
            self.places.iter().filter(|(folder, _)| folders.binary_search(folder).is_err()).collect();
        lacking.sort_by_key(|(_, place)| **place);
        let (_, place) = lacking.first()?;
        let classes = lacking.iter().map(|(folder, place)| format!("`{folder}` ({})", self.names[**place]));
        let what = format!("no class folder is there for {}", abridged(classes, 1));
        Some(Error::new(what).at(&self.file).line(self.lines[**place]))
    }
}

/// Every image of every class folder in `images`, and what else is there; a class's label is its folder's place in the
/// list.
pub(super) fn list(folder: &Path, images: &Path, classes: Listing) -> Result<(Vec<Sample>, Option<Error>)> {
    let of_class = |(label, class): (usize, &String)| {
        let parent = images.join(class);
        let found = listing::images(&folder.join(&parent))?;
        let sample = |file| Sample { path: parent.join(file), label: label as u32 };
        let others = found.others.into_iter().map(|other| format!("{class}/{other}")).collect();
        Ok((found.names.into_iter().map(sample).collect(), others))
    };
    threads::ready()?;
    let found: Vec<(Vec<Sample>, Vec<String>)> =
        classes.names.par_iter().enumerate().map(of_class).collect::<Result<_>>()?;
    let (samples, others): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let others = [vec![classes.others], others].concat().concat();
    Ok((samples.concat(), listing::remark(&folder.join(images), &others)))
}
