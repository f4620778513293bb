//! Pictures of shards written into folders: one for each split, if shards have some, with one for each class.

use super::{Kind, Shards, hub, tars};
use nemesis_core::dataset::Split;
use nemesis_core::image::Format;
use nemesis_core::{Error, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

impl Shards {
    /// Unpacks all pictures into the new folder `target`.
    ///
    /// # Errors
    ///
    /// When a shard cannot be read, or a picture in it has no class or is none. What is in `target` then is of no use.
    pub(super) fn unpack(&self, target: &Path, label: Option<&str>) -> Result<()> {
        let names = self.class_names()?;
        let mut folders = Folders { target: target.to_owned(), classes: BTreeMap::new() };
        for (number, (shard, split)) in self.all.iter().enumerate() {
            let mut into = Destination { folders: &mut folders, shard: number, split: *split, count: 0 };
            match self.kind {
                Kind::Tar => tars::unpack(shard, names.as_deref(), &mut into),
                Kind::Parquet => hub::unpack(shard, names.as_deref(), label, &mut into),
            }
            .map_err(|e| e.at(shard))?;
        }
        Ok(())
    }
}

/// The folders of classes.
struct Folders {
    target: PathBuf,
    /// The class of each folder that was made, by its path in `target`.
    classes: BTreeMap<PathBuf, String>,
}

/// Where the pictures of a shard go.
pub(super) struct Destination<'a> {
    folders: &'a mut Folders,
    shard: usize,
    /// The split of the shard.
    split: Option<Split>,
    /// Pictures that were written.
    pub(super) count: usize,
}

impl Destination<'_> {
    /// Writes a picture, which `which` names in messages. `split` says its own, where the shard is of none.
    pub(super) fn put(&mut self, which: &str, class: &str, split: Option<Split>, bytes: &[u8]) -> Result<()> {
        let ending = match Format::of(bytes) {
            Some(Format::Jpeg) => "jpg",
            Some(Format::Png) => "png",
            Some(other) => {
                return Err(Error::new(format!("{which} is a {other} file")).expected("JPEG or PNG files"));
            }
            None => return Err(Error::new(format!("{which} is not a picture")).expected("JPEG or PNG files")),
        };
        let split = match (self.split, split) {
            (Some(of_shard), Some(own)) if of_shard != own => {
                let (own, of_shard) = (own.name(), of_shard.name());
                return Err(Error::new(format!("{which} is of the split {own}, and its shard of {of_shard}")));
            }
            (of_shard, own) => of_shard.or(own),
        };
        let folder = class.replace(['/', '\\', '\0'], "_");
        let folder = folder.trim_start_matches('.').trim_end();
        if folder.is_empty() {
            return Err(Error::new(format!("{which} is of the class `{class}`, which cannot be the name of a folder")));
        }
        let folder = Path::new(split.map_or("", Split::name)).join(folder);
        let place = self.folders.target.join(&folder);
        match self.folders.classes.get(&folder) {
            None => {
                fs::create_dir_all(&place).map_err(|e| Error::io_write("create the folder", &place, &e))?;
                self.folders.classes.insert(folder, class.to_owned());
            }
            Some(other) if other != class => {
                return Err(Error::new(format!("the classes `{other}` and `{class}` would be one folder"))
                    .help("rename one of the two, or put them into one"));
            }
            Some(_) => {}
        }
        let file = place.join(format!("{:04}-{:06}.{ending}", self.shard, self.count));
        fs::write(&file, bytes).map_err(|e| Error::io_write("write the file", &file, &e))?;
        self.count += 1;
        Ok(())
    }
}

/// The class that a shard gives as `label`: one of `names`, if it is a number and there are names.
pub(super) fn named(label: &str, names: Option<&[String]>, which: &str, of: &str) -> Result<String> {
    if label.starts_with('-') && label[1..].bytes().all(|byte| byte.is_ascii_digit()) && label.len() > 1 {
        return Err(Error::new(format!("{which} has the class {label}, which stands for none"))
            .help("move the shards of pictures whose class was not published away"));
    }
    match (label.parse::<usize>(), names) {
        (Ok(at), Some(names)) => names
            .get(at)
            .filter(|name| !name.is_empty())
            .cloned()
            .ok_or_else(|| Error::new(format!("{which} has the class {label}, which has no name in {of}"))),
        _ => Ok(label.to_owned()),
    }
}
