//! Data sets as their official archives label them, for when CoOp's split file is absent.
//!
//! Each reader gives rows of an image (relative to the folder of images), its label and its class name, in the order
//! in which CoOp reads them; [`super::prepare`] divides them into train, val and test.

mod action_lists;
mod car_annotations;
mod class_folders;
mod flower_labels;
mod pet_lists;
mod scene_lists;

use super::layouts::Row;
use crate::{Error, Result, files};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// How an official archive says which image belongs to which class.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Raw {
    /// A folder of images for each class (Caltech101, DTD, EuroSAT, Food101).
    ClassFolders {
        /// Folders that are not classes.
        #[serde(default)]
        ignore: Vec<String>,
        /// Class names by folder, where they are not the folder's name.
        #[serde(default)]
        rename: BTreeMap<String, String>,
    },
    /// OxfordPets' `annotations/{trainval,test}.txt`.
    PetLists,
    /// StanfordCars' MATLAB annotations.
    CarAnnotations,
    /// Flowers102's `imagelabels.mat` and `cat_to_name.json`.
    FlowerLabels,
    /// SUN397's `ClassName.txt`, `Training_01.txt` and `Testing_01.txt`.
    SceneLists,
    /// UCF101's `ucfTrainTestlist`.
    ActionLists,
}

/// What an archive says of the split.
pub(super) enum Pool {
    /// Nothing: CoOp divides all images 50/20/30.
    Whole(Vec<Row>),
    /// Which images are for testing: CoOp takes a fifth of the others for validation.
    Tested { trainval: Vec<Row>, test: Vec<Row> },
}

impl Raw {
    /// Reads the archive's files in `folder`, where the folder of images is `images`. What was left out is told.
    pub(super) fn read(&self, folder: &Path, images: &Path) -> Result<(Pool, Option<Error>)> {
        let pool = match self {
            Self::ClassFolders { ignore, rename } => {
                let (rows, others) = class_folders::read(&folder.join(images), ignore, rename)?;
                return Ok((Pool::Whole(rows), others));
            }
            Self::PetLists => pet_lists::read(&folder.join("annotations")),
            Self::CarAnnotations => car_annotations::read(folder),
            Self::FlowerLabels => flower_labels::read(folder).map(Pool::Whole),
            Self::SceneLists => scene_lists::read(folder),
            Self::ActionLists => action_lists::read(&folder.join("ucfTrainTestlist")),
        };
        Ok((pool?, None))
    }
}

/// Parses each line of a text file; errors name the file and the line.
fn parse_lines<T>(file: &Path, mut parse: impl FnMut(&str) -> Result<T>) -> Result<Vec<T>> {
    let text = files::read_text(file)?;
    if text.trim().is_empty() {
        return Err(Error::new("the list is empty")
            .at(file)
            .expected("a line for each image or class")
            .help("download it again: the last download may have been interrupted"));
    }
    text.lines().enumerate().map(|(i, line)| parse(line.trim()).map_err(|e| e.at(file).line(i + 1))).collect()
}

/// A line that does not have the form that its list's lines have.
fn malformed(line: &str, example: &str) -> Error {
    Error::new(format!("`{line}` is not a line of this list")).expected(format!("lines like `{example}`"))
}

/// A label that counts from one, as one that counts from zero.
fn from_one(text: &str) -> Result<u32> {
    text.parse::<u32>()
        .ok()
        .and_then(|label| label.checked_sub(1))
        .ok_or_else(|| Error::new(format!("`{text}` is not a label")).expected("a whole number from 1 on"))
}
