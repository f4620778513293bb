//! The pictures of a data set: which there are, and where they lie.

use super::sets::MiniSet;
use nemesis_core::dataset::Layout;
use std::path::{Path, PathBuf};

/// The seed of all pictures.
pub(super) const SEED: u64 = 1;
/// How many pictures each class has in train, val and test.
pub(super) const SPLITS: [(&str, usize); 3] = [("train", 18), ("val", 4), ("test", 25)];
/// The place of the test split among them.
pub(super) const TEST: usize = 2;

/// A file of the data root: its path in it, and its bytes.
pub(super) type DataFile = (PathBuf, Vec<u8>);

/// A picture of a data set: where it lies below its folder of images, and its label.
pub(super) struct Item {
    pub(super) split: usize,
    pub(super) path: String,
    pub(super) label: usize,
}

impl Item {
    /// The pictures of a data set, split by split and class by class.
    pub(super) fn all_of(set: &MiniSet) -> Vec<Self> {
        let mut items = Vec::new();
        let mut counts = vec![0; set.classes.len()];
        for (split, (_, count)) in SPLITS.into_iter().enumerate().filter(|(split, _)| set.has(*split)) {
            for (label, class) in set.classes.iter().enumerate() {
                for _ in 0..count {
                    counts[label] += 1;
                    let number = items.len() + 1;
                    let path = set.paths[usize::from(split == TEST)]
                        .replace("{class}", class.folder)
                        .replace("{stem}", &class.folder.replace('_', ""))
                        .replace("{label}", &label.to_string())
                        .replace("{n}", &format!("{:04}", counts[label]))
                        .replace("{i}", &format!("{number:05}"));
                    items.push(Self { split, path, label });
                }
            }
        }
        items
    }

    /// Where the picture lies in the data set's folder.
    pub(super) fn path_in(&self, layout: &Layout) -> PathBuf {
        match layout {
            Layout::SplitFile { images, .. } | Layout::TestFolders { images, .. } => {
                Path::new(images.as_ref()).join(&self.path)
            }
            Layout::VariantLists { images } => Path::new(images.as_ref()).join(format!("{}.jpg", self.path)),
            Layout::ClassFolders { train, test, .. } => {
                Path::new(if self.split == TEST { test.as_ref() } else { train.as_ref() }).join(&self.path)
            }
        }
    }
}
