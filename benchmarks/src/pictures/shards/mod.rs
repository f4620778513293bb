//! Pictures packed into shards: webdataset's tars, as CLIP-benchmark has them, and Parquet files of the Hugging Face hub.

mod complete;
mod hub;
mod tars;
mod unpack;
mod unpacked;

pub use unpacked::Unpacked;

use super::{parquet, repeated};
use complete::refuse_incomplete;
use nemesis_core::dataset::{Split, split_named};
use nemesis_core::{Error, Result, files};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// How deep shards may lie in their folder.
const DEPTH: usize = 2;

/// How pictures are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A tar holds for each picture `KEY.jpg` (or another picture) and `KEY.cls`, its class: a name, or a number that counts
    /// the lines of `classnames.txt`.
    Tar,
    /// A row holds a picture's bytes and its class: a name, or a number that counts the names that the file gives.
    Parquet,
}

/// Shards of one data set, sorted by path.
#[derive(Clone, Debug)]
pub struct Shards {
    kind: Kind,
    /// The folder that they lie in.
    folder: PathBuf,
    /// Each with its split: the folder that it lies in, or how its name begins, as in `train-0.tar`.
    all: Vec<(PathBuf, Option<Split>)>,
    /// The names of classes that are numbers, a line each.
    names: Option<PathBuf>,
}

impl Shards {
    /// The shards at `source`, which is a folder, or one Parquet file with pictures in it; none where it is something else.
    ///
    /// # Errors
    ///
    /// When a folder cannot be listed, or its shards are not those of one whole data set.
    pub fn find(source: &Path) -> Result<Option<Self>> {
        if source.is_file() {
            let is_shard = is(source, "parquet") && parquet::holds_pictures(source)?;
            let folder = source.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            return is_shard.then(|| Self::new(Kind::Parquet, folder, vec![source.to_owned()])).transpose();
        }
        let mut found = Vec::new();
        if source.is_dir() {
            collect(source, DEPTH, &mut found)?;
        }
        found.sort();
        let (tars, mut tables): (Vec<_>, Vec<_>) = found.into_iter().partition(|file| is(file, "tar"));
        // img2dataset writes a table of addresses and captions beside each of its tars.
        tables.retain(|table| !tars.contains(&table.with_extension("tar")));
        match (tars.first(), tables.first()) {
            (None, None) => Ok(None),
            (Some(tar), Some(table)) => Err(Error::new("the folder holds tars and Parquet files")
                .at(source)
                .expected("shards of one kind")
                .help(format!("move `{}` or `{}` and the like away", tar.display(), table.display()))),
            (Some(_), None) => Self::new(Kind::Tar, source, tars).map(Some),
            (None, Some(_)) => {
                refuse_several_configurations(source, &tables)?;
                Self::new(Kind::Parquet, source, tables).map(Some)
            }
        }
    }

    fn new(kind: Kind, folder: &Path, files: Vec<PathBuf>) -> Result<Self> {
        let all: Vec<_> = files.into_iter().map(|file| (split_of(folder, &file), file)).map(|(s, f)| (f, s)).collect();
        let (with, without): (Vec<_>, Vec<_>) = all.iter().partition(|(_, split)| split.is_some());
        if let (Some((with, _)), Some((without, _))) = (with.first(), without.first()) {
            return Err(Error::new(format!("`{}` is of no split, and `{}` is", without.display(), with.display()))
                .at(folder)
                .expected(
                    "shards that lie in folders called train, val and test, or whose names begin so; or none that do",
                )
                .help("move the shards that do not belong to the data set away"));
        }
        let paths: Vec<&Path> = all.iter().map(|(file, _)| file.as_path()).collect();
        refuse_incomplete(&paths)?;
        let names = folder.join("classnames.txt");
        let names = if files::exists(&names)? { Some(names) } else { None };
        Ok(Self { kind, folder: folder.to_owned(), all, names })
    }

    /// The names of classes that are numbers.
    fn class_names(&self) -> Result<Option<Vec<String>>> {
        let Some(file) = &self.names else { return Ok(None) };
        let names: Vec<String> = files::read_text(file)?.lines().map(|name| name.trim().to_owned()).collect();
        let lines = (1..).zip(&names).filter(|(_, name)| !name.is_empty());
        if let Some((first, second, name)) = repeated(lines) {
            return Err(Error::new(format!("lines {first} and {second} both name a class `{name}`"))
                .at(file)
                .line(second)
                .expected("a name of its own for each class")
                .help("change one of the two, for instance to `projectile, missile`"));
        }
        Ok(Some(names))
    }

    /// What the pictures come from: a line for each file, its content's hash and its path in the folder.
    fn listing(&self, label: Option<&str>) -> Result<String> {
        let mut lines = String::new();
        for file in self.all.iter().map(|(file, _)| file).chain(&self.names) {
            let name = file.strip_prefix(&self.folder).unwrap_or(file);
            lines.extend([files::hash(file)?, "  ".to_owned(), name.display().to_string(), "\n".to_owned()]);
        }
        Ok(lines + &label.map(|label| format!("{label}  --label\n")).unwrap_or_default())
    }
}

fn is(file: &Path, ending: &str) -> bool {
    file.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

fn collect(folder: &Path, depth: usize, into: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |e: &std::io::Error| Error::io("list the folder", folder, e);
    for entry in fs::read_dir(folder).map_err(|e| failed(&e))? {
        let path = entry.map_err(|e| failed(&e))?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                collect(&path, depth - 1, into)?;
            }
        } else if is(&path, "tar") || is(&path, "parquet") {
            into.push(path);
        }
    }
    Ok(())
}

/// The split of a shard, if it is of one.
fn split_of(source: &Path, shard: &Path) -> Option<Split> {
    let folder = shard.parent().filter(|parent| *parent != source).and_then(Path::file_name);
    let stem = shard.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let begins = stem.split(|c: char| !c.is_ascii_alphabetic()).next();
    [folder.and_then(|name| name.to_str()), begins].into_iter().flatten().find_map(split_named)
}

/// The hub keeps each configuration of a data set in a folder of its own, and their pictures may be the same.
fn refuse_several_configurations(source: &Path, tables: &[PathBuf]) -> Result<()> {
    let mut folders: BTreeMap<&Path, &Path> = BTreeMap::new();
    for table in tables {
        let parent = table.parent().unwrap_or(source);
        let is_split = parent.file_name().and_then(|name| name.to_str()).and_then(split_named).is_some();
        let configuration = if is_split && parent != source { parent.parent().unwrap_or(source) } else { parent };
        folders.entry(configuration).or_insert(table);
    }
    if folders.len() < 2 {
        return Ok(());
    }
    let named: Vec<String> = folders.keys().take(5).map(|folder| format!("`{}`", folder.display())).collect();
    Err(Error::new(format!("Parquet files lie in {} folders: {}", folders.len(), named.join(", ")))
        .at(source)
        .expected("those of one data set in one folder")
        .help("give the folder of one configuration"))
}
