//! Which columns of a list hold a picture's path, class and split.

use nemesis_core::dataset::{Picture, SPLIT_NAMES, seems_split, split_named};
use nemesis_core::error::{abridged, suggest};
use nemesis_core::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// What people call the columns, the plainest first: a list with both takes the class's name before its number. Columns
/// that say different things are refused.
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
    /// Columns by whose headings one would take them for the splits as well, and these headings.
    other_splits: Vec<(usize, String)>,
    /// Columns by whose headings one would take them for the classes as well.
    rivals: Vec<Rival>,
}

/// Another column of classes. It may number or name the same classes; it may not divide the pictures otherwise.
struct Rival {
    place: usize,
    heading: String,
    /// What it calls each class, and the other way round.
    of_class: HashMap<String, String>,
    class_of: HashMap<String, String>,
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
            for at in [Some(path), Some(class), split].into_iter().flatten() {
                refuse_repeated(headings, at)?;
            }
            let usual =
                |names: &[&str], heading: &str| names.iter().any(|name| heading.trim().eq_ignore_ascii_case(name));
            let is_rival = |(at, heading): &(usize, &&str)| label.is_none() && *at != class && usual(&CLASS, heading);
            let rival = |(place, heading): (usize, &&str)| Rival {
                place,
                heading: heading.trim().to_owned(),
                of_class: HashMap::new(),
                class_of: HashMap::new(),
            };
            let rivals = headings.iter().enumerate().filter(is_rival).map(rival).collect();
            let says_split =
                |(at, heading): &(usize, &&str)| split.is_some_and(|split| split != *at) && usual(&SPLIT, heading);
            let named = |(at, heading): (usize, &&str)| (at, heading.trim().to_owned());
            let other_splits = headings.iter().enumerate().filter(says_split).map(named).collect();
            return Ok(Self { path, class, split, other_splits, rivals });
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
        .expected("a first line of headings: `path`, `label`, and optionally `split`")
        .help(format!(
            "also read are {} for the path, {} for the class, and {} for the split",
            PATH[1..].join(", "),
            CLASS.join(", "),
            SPLIT[1..].join(", ")
        ));
        let whole = |mark: char| headings.iter().any(|heading| heading.contains(mark));
        let error = match [(';', "semicolons"), ('\t', "tabs")].into_iter().find(|(mark, _)| whole(*mark)) {
            Some((_, marks)) => error.help(format!(
                "the fields seem to be separated by {marks}: save the list with commas, or with tabs and the ending .tsv"
            )),
            None => error,
        };
        Err(if class.is_none() { refuse_captions(error, headings) } else { error })
    }

    /// The places of all of them.
    pub(super) fn places(&self) -> Vec<usize> {
        let rivals = self.rivals.iter().map(|rival| rival.place);
        let others = self.other_splits.iter().map(|(place, _)| *place).chain(rivals);
        [Some(self.path), Some(self.class), self.split].into_iter().flatten().chain(others).collect()
    }

    /// Whether a column says the splits.
    pub(super) fn has_split(&self) -> bool {
        self.split.is_some()
    }

    /// The picture of a row.
    pub(super) fn picture(&mut self, row: &[&str], images: &Path) -> Result<Picture> {
        let field = |place: usize| row.get(place).map(|field| field.trim()).unwrap_or_default();
        let (path, class) = (field(self.path), field(self.class));
        if path.is_empty() || class.is_empty() {
            let what = if path.is_empty() { "path" } else { "label" };
            return Err(Error::new(format!("the row has no {what}")));
        }
        for rival in &mut self.rivals {
            let other = field(rival.place);
            let agrees = |known: &mut HashMap<String, String>, from: &str, to: &str| {
                known.entry(from.to_owned()).or_insert_with(|| to.to_owned()) == to
            };
            if !agrees(&mut rival.of_class, class, other) || !agrees(&mut rival.class_of, other, class) {
                return Err(Error::new(format!(
                    "the column `{}` divides the pictures into other classes than the one that was chosen",
                    rival.heading
                ))
                .help("name the column that counts with --label COLUMN"));
            }
        }
        let split = match self.split.map(field) {
            None => None,
            Some(name) => Some(split_named(name).ok_or_else(|| {
                let what =
                    if name.is_empty() { "the row has no split".to_owned() } else { format!("`{name}` is no split") };
                Error::new(what).expected(SPLIT_NAMES)
            })?),
        };
        // Under these headings there may be something else, which is no split's name.
        let differs = |place: usize| split_named(field(place)).is_some_and(|other| Some(other) != split);
        if let Some((place, heading)) = self.other_splits.iter().find(|(place, _)| differs(*place)) {
            let found = field(*place);
            return Err(Error::new(format!("the row is of another split under `{heading}`: `{found}`"))
                .help("leave one column of splits, or rename the others"));
        }
        Ok(Picture { path: relative(path, images)?, class: class.to_owned(), split })
    }
}

/// Refuses a heading that two columns have.
fn refuse_repeated(headings: &[&str], at: usize) -> Result<()> {
    let heading = headings[at].trim();
    let count = headings.iter().filter(|other| other.trim().eq_ignore_ascii_case(heading)).count();
    if count < 2 {
        return Ok(());
    }
    Err(Error::new(format!("{count} columns are called `{heading}`")).help("leave one of them, or rename the others"))
}

/// Refuses a column that seems to hold splits under a heading that is not read, or that says of a split whether a row is of it,
/// as `is_train` does: it would be ignored. Of the other columns that are not read it returns a remark.
pub(super) fn refuse_ignored_split(
    headings: &[&str],
    columns: &Columns,
    rows: &[Vec<String>],
) -> Result<Option<Error>> {
    let fields = |at: usize| rows.iter().map(move |row| row.get(at).map_or("", |field| field.trim()));
    let is_nothing = |field: &str| ["", "na", "n/a", "nan", "none", "null", "-"].contains(&&*field.to_lowercase());
    let is_flag = |field: &str| {
        is_nothing(field)
            || ["0", "1", "true", "false", "yes", "no", "t", "f", "y", "n"].contains(&&*field.to_lowercase())
    };
    let holds_splits = |at: usize| {
        let values: HashSet<&str> = fields(at).filter(|field| !is_nothing(field)).collect();
        !values.is_empty() && values.len() <= MOST_SPLITS && values.into_iter().all(seems_split)
    };
    let says_of_one = |at: usize| seems_split(headings[at]) && fields(at).all(is_flag);
    let read = columns.places();
    let unread: Vec<usize> = (0..headings.len()).filter(|at| !rows.is_empty() && !read.contains(at)).collect();
    if let Some(at) = unread.iter().copied().find(|at| holds_splits(*at) || says_of_one(*at)) {
        return Err(Error::new(format!("the column `{}` seems to hold splits", headings[at].trim()))
            .expected(format!("the heading `split`, {}; and under it {SPLIT_NAMES}", SPLIT[1..].join(", ")))
            .help(
                "put the split of each row under such a heading; or remove the column, to have the pictures divided",
            ));
    }
    let named = unread.iter().map(|at| format!("`{}`", headings[*at].trim()));
    let are = if unread.len() == 1 { "column is" } else { "columns are" };
    let remark = format!("no column holds splits, so pictures are divided; the other {are} not read: ");
    Ok((!unread.is_empty()).then(|| Error::new(remark + &abridged(named, 5))))
}

/// More different values are not those of splits.
const MOST_SPLITS: usize = 8;

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
