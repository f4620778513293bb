//! Which columns of a list hold a picture's path, class and split.

use nemesis_core::dataset::{Picture, SPLIT_NAMES, split_named};
use nemesis_core::error::suggest;
use nemesis_core::{Error, Result};
use std::path::Path;

/// What people call the columns, the plainest first: a list with both takes the class's name before its number.
const PATH: [&str; 9] =
    ["path", "filepath", "file_path", "image_path", "file", "filename", "file_name", "image", "img"];
pub(super) const CLASS: [&str; 8] =
    ["class_name", "classname", "label_name", "class", "category", "label", "target", "cls"];
/// What lists of captions call these.
const CAPTION: [&str; 5] = ["caption", "text", "title", "alt_text", "prompt"];
const SPLIT: [&str; 4] = ["split", "set", "subset", "partition"];

/// The places of the columns.
pub(super) struct Columns {
    path: usize,
    pub(super) class: usize,
    split: Option<usize>,
}

impl Columns {
    /// Finds the columns by their headings. `label` is that of the classes, if it is not a usual one.
    pub(super) fn find(headings: &[&str], label: Option<&str>) -> Result<Self> {
        let place = |names: &[&str]| {
            let same = |name: &&str| headings.iter().position(|heading| heading.trim().eq_ignore_ascii_case(name));
            names.iter().find_map(same)
        };
        let class = match label {
            Some(asked) => Some(place(&[asked]).ok_or_else(|| no_column(asked, headings))?),
            None => place(&CLASS),
        };
        let (path, split) = (place(&PATH), place(&SPLIT));
        if let (Some(path), Some(class)) = (path, class) {
            return Ok(Self { path, class, split });
        }
        let lacking: Vec<&str> = [("`path`", path), ("`label`", class)]
            .iter()
            .filter(|(_, place)| place.is_none())
            .map(|(name, _)| *name)
            .collect();
        let shown: Vec<String> = headings.iter().take(6).map(|heading| format!("`{heading}`")).collect();
        let error = Error::new(format!(
            "the list has no column {}; its first line is {}",
            lacking.join(" and "),
            shown.join(", ")
        ))
        .expected("a first line of headings: `path`, `label`, and maybe `split`")
        .help(format!(
            "also read are {} for the path, and {} for the class",
            PATH[1..].join(", "),
            CLASS.join(", ")
        ));
        Err(if class.is_none() { refuse_captions(error, headings) } else { error })
    }

    /// The places of all of them.
    pub(super) fn places(&self) -> Vec<usize> {
        [Some(self.path), Some(self.class), self.split].into_iter().flatten().collect()
    }

    /// The picture of a row.
    pub(super) fn picture(&self, row: &[&str], images: &Path) -> Result<Picture> {
        let field = |place: usize| row.get(place).map(|field| field.trim()).unwrap_or_default();
        let (path, class) = (field(self.path), field(self.class));
        if path.is_empty() || class.is_empty() {
            let what = if path.is_empty() { "path" } else { "label" };
            return Err(Error::new(format!("the row has no {what}")));
        }
        let split = match self.split.map(field) {
            None => None,
            Some(name) => Some(split_named(name).ok_or_else(|| {
                let what =
                    if name.is_empty() { "the row has no split".to_owned() } else { format!("`{name}` is no split") };
                Error::new(what).expected(SPLIT_NAMES)
            })?),
        };
        Ok(Picture { path: relative(path, images)?, class: class.to_owned(), split })
    }
}

/// A path relative to the folder of pictures, which it may begin with.
fn relative(path: &str, images: &Path) -> Result<String> {
    if !Path::new(path).is_absolute() {
        return Ok(path.strip_prefix("./").unwrap_or(path).to_owned());
    }
    let whole = images.canonicalize().unwrap_or_else(|_| images.to_owned());
    let inside = [images, &whole].into_iter().find_map(|images| Path::new(path).strip_prefix(images).ok());
    inside.and_then(Path::to_str).map(str::to_owned).ok_or_else(|| {
        Error::new(format!("`{path}` does not lie in the folder of pictures, `{}`", images.display()))
            .help("give the folder that all paths begin with: --images DIR")
    })
}

/// Says of a list without classes that it has captions, if it does.
pub(super) fn refuse_captions(error: Error, headings: &[&str]) -> Error {
    let is_caption = |heading: &&&str| CAPTION.iter().any(|name| heading.trim().eq_ignore_ascii_case(name));
    match headings.iter().find(is_caption) {
        Some(heading) => error.help(format!(
            "`{}` holds captions, as in img2dataset's files, and captions are not classes: give each picture one class",
            heading.trim()
        )),
        None => error,
    }
}

/// There is no column of this name.
pub(super) fn no_column(asked: &str, headings: &[&str]) -> Error {
    Error::new(format!("there is no column `{asked}`")).help(suggest(asked, headings.iter().copied())).about("--label")
}
