//! ImageNet's `classnames.txt`, and the images of class folders.

use crate::dataset::{Sample, listing};
use crate::{Error, Result, files};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Class folders and their classes' names, in the order of the file.
pub(super) struct ClassNames {
    file: PathBuf,
    pub(super) names: Vec<String>,
    places: HashMap<String, usize>,
}

impl ClassNames {
    /// Reads lines of a class folder and its class's name, which may hold spaces.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = files::read_text(file)?;
        let mut classes = Self { file: file.to_owned(), names: Vec::new(), places: HashMap::new() };
        for (index, line) in text.lines().enumerate() {
            let error = match line.trim().split_once(' ') {
                None => Error::new(format!("`{line}` is not a class folder and its name"))
                    .expected("lines like `n01440764 tench`"),
                Some((folder, _)) if classes.places.contains_key(folder) => {
                    Error::new(format!("the class folder `{folder}` is named twice"))
                }
                Some((folder, name)) => {
                    classes.places.insert(folder.to_owned(), classes.names.len());
                    classes.names.push(name.trim_start().to_owned());
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

    /// The name of a class folder's class.
    pub(super) fn of(&self, folder: &str) -> Result<String> {
        self.places.get(folder).map(|place| self.names[*place].clone()).ok_or_else(|| {
            Error::new(format!("the class folder `{folder}` has no class name"))
                .at(&self.file)
                .expected(format!("a line `{folder} NAME`"))
        })
    }
}

/// Every image of every class folder in `images`; a class's label is its folder's place in the list.
pub(super) fn list(folder: &Path, images: &Path, classes: &[String]) -> Result<Vec<Sample>> {
    let of_class = |(label, class): (usize, &String)| {
        let parent = images.join(class);
        let files = listing::files(&folder.join(&parent))?;
        Ok(files.into_iter().map(|file| Sample { path: parent.join(file), label: label as u32 }).collect())
    };
    let samples: Vec<Vec<Sample>> = classes.par_iter().enumerate().map(of_class).collect::<Result<_>>()?;
    Ok(samples.concat())
}
