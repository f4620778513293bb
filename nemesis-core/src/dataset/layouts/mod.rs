//! How data sets are laid out on the disk: one file for each layout.

mod class_folders;
mod class_names;
mod split_file;
mod test_folders;
mod variant_lists;

pub(super) use split_file::{ADDED, CORRECTIONS, Row, Rows};

use super::listed::Contents;
use crate::{Error, Result, files};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// The split file that `prepare` writes, read where the published one is absent.
pub(super) const PREPARED: &str = "split_prepared.json";

/// A layout and its places, as `datasets.yaml` gives them. All paths are relative to the data set's folder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Layout {
    /// CoOp's `split_zhou_*.json`: three lists of `[path, label, class name]`.
    SplitFile {
        /// The JSON file.
        file: RelativePath,
        /// What the paths in it are relative to; `.` is the data set's folder itself.
        images: RelativePath,
    },
    /// FGVCAircraft's `variants.txt` and `images_variant_{train,val,test}.txt`.
    VariantLists {
        /// The folder of the images.
        images: RelativePath,
    },
    /// ImageNet's: a folder of images for each class, and the names of the classes in a text file.
    ClassFolders {
        /// The folder of the training images' class folders.
        train: RelativePath,
        /// The folder of the test images' class folders.
        test: RelativePath,
        /// Lines of a class folder and its class's name.
        class_names: RelativePath,
    },
    /// A copy of ImageNet for testing alone.
    TestFolders {
        /// The folder of the class folders.
        images: RelativePath,
        /// Lines of a class folder and its class's name, as for ImageNet.
        class_names: RelativePath,
        /// Whether class folders are named by label, and names stand in the order of labels (ImageNetV2).
        #[serde(default)]
        numbered: bool,
    },
}

impl Layout {
    /// Reads class names and samples from the data set's folder. No image is opened.
    pub(super) fn read(&self, folder: &Path) -> Result<Contents> {
        match self {
            Self::SplitFile { file, images } => {
                let (published, prepared) = (folder.join(file), folder.join(PREPARED));
                let file = if !files::exists(&published)? && files::exists(&prepared)? { prepared } else { published };
                split_file::read(&file, images.as_ref())
            }
            Self::VariantLists { images } => variant_lists::read(folder, images.as_ref()),
            Self::ClassFolders { train, test, class_names } => {
                class_folders::read(folder, train.as_ref(), test.as_ref(), class_names.as_ref())
            }
            Self::TestFolders { images, class_names, numbered: false } => {
                test_folders::read(folder, images.as_ref(), class_names.as_ref())
            }
            Self::TestFolders { images, class_names, numbered: true } => {
                test_folders::read_numbered(folder, images.as_ref(), class_names.as_ref())
            }
        }
    }

    /// What a data set's folder holds in this layout, for messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::SplitFile { file, images } if images.as_ref() == Path::new("") => format!("`{file}` and the images"),
            Self::SplitFile { file, images } => format!("`{file}` and the images in `{images}`"),
            Self::VariantLists { images } => {
                format!("`variants.txt`, `images_variant_{{train,val,test}}.txt` and the images in `{images}`")
            }
            Self::ClassFolders { train, test, class_names } => {
                format!("`{class_names}` and a folder for each class in `{train}` and `{test}`")
            }
            Self::TestFolders { images, class_names, .. } => {
                format!("ImageNet's `{class_names}` and a folder for each class in `{images}`")
            }
        }
    }
}

/// A path that cannot lead out of the folder it is relative to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RelativePath(PathBuf);

impl RelativePath {
    /// The path of a file: relative, and made of plain names.
    ///
    /// Lists that Windows wrote part names by `\`, which is read as `/` on every system: a split file is the same
    /// everywhere.
    fn file(text: &str) -> Result<PathBuf> {
        let refused = |why| Error::new(format!("`{text}` {why}")).expected("a relative path without `..`");
        let path = text.replace('\\', "/");
        let has_drive = matches!(path.as_bytes(), [letter, b':', b'/', ..] if letter.is_ascii_alphabetic());
        if path.starts_with('/') || has_drive {
            return Err(refused("is an absolute path"));
        }
        let parts: Vec<Component<'_>> =
            Path::new(&path).components().filter(|part| *part != Component::CurDir).collect();
        if parts.is_empty() || path.contains('\0') || !parts.iter().all(|part| matches!(part, Component::Normal(_))) {
            return Err(refused("leads out of the data set's folder or nowhere"));
        }
        Ok(parts.iter().collect())
    }
}

impl TryFrom<String> for RelativePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // `.`, the folder itself, is the empty path, so that nothing is put before the paths in it.
        let path = if text == "." { Ok(PathBuf::new()) } else { Self::file(&text) };
        path.map(Self).map_err(|error| format!("{}, expected a relative path without `..`", error.what()))
    }
}

impl AsRef<Path> for RelativePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl std::fmt::Display for RelativePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.display().fmt(f)
    }
}

/// The images that were listed so far, each of which may be listed once: an image in two splits would be tested on
/// after it was trained on.
#[derive(Default)]
struct Listings(HashMap<PathBuf, &'static str>);

impl Listings {
    /// Notes that `split` lists `path`.
    fn add(&mut self, path: &Path, split: &'static str) -> Result<()> {
        match self.0.insert(path.to_owned(), split) {
            None => Ok(()),
            Some(first) if first == split => {
                Err(Error::new(format!("the image `{}` is listed twice in {split}", path.display())))
            }
            Some(first) => {
                Err(Error::new(format!("the image `{}` is listed in both {first} and {split}", path.display())))
            }
        }
    }
}
