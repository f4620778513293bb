//! Pictures in folders: one for each class, alone or under `train`, `val` and `test`.

use super::{Picture, Pictures, SPLIT_NAMES, seems_split, split_named};
use crate::dataset::Split;
use crate::dataset::listing::{self, Listing};
use crate::{Error, Result, files};
use std::path::Path;

impl Pictures {
    /// The pictures of a folder of class folders, or of a folder of `train`, `val` and `test` (or `valid`, `validation`)
    /// that each hold class folders. No picture is opened.
    ///
    /// # Errors
    ///
    /// When it is neither, or a class folder holds no picture.
    pub fn of_folder(folder: &Path) -> Result<Self> {
        if !files::exists(folder)? || !folder.is_dir() {
            let what =
                if folder.extension().is_some() { "there is no such list" } else { "there is no folder of pictures" };
            return Err(Error::new(what).at(folder).expected(WANTED));
        }
        let Listing { names, others } = listing::folders(folder).map_err(|error| error.expected(WANTED))?;
        let splits: Vec<(Split, &String)> = names.iter().filter_map(|name| Some((split_named(name)?, name))).collect();
        // A class may be called `train`: then pictures lie in it.
        let mut parts = Vec::new();
        for (split, name) in &splits {
            let holds = listing::images(&folder.join(name))?;
            if holds.names.is_empty() && holds.others.iter().any(|other| other.ends_with('/')) {
                parts.push((*split, *name));
            }
        }
        let mut all = Self::default();
        if parts.is_empty() {
            if names.iter().all(|name| seems_split(name)) {
                let named = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                return Err(Error::new(format!(
                    "the folders have the names of splits, and hold no class folders: {named}"
                ))
                .at(folder)
                .expected(WANTED)
                .help("sort the pictures of each split into folders by class"));
            }
            all.add_classes(folder, "", &names, None)?;
            all.note(folder, &others);
            return Ok(all);
        }
        if let Some((_, name)) = splits.iter().find(|part| !parts.contains(part)) {
            return Err(Error::new(format!("`{name}` holds pictures or nothing, and `{}` class folders", parts[0].1))
                .at(folder)
                .expected(WANTED)
                .help("sort the pictures of each split into folders by class"));
        }
        for (at, (split, name)) in parts.iter().enumerate() {
            if let Some((_, other)) = parts[..at].iter().find(|(other, _)| other == split) {
                return Err(Error::new(format!("both `{other}` and `{name}` hold the {} pictures", split.name()))
                    .at(folder)
                    .help("move one of the two away, or put them into one"));
            }
            let classes = listing::folders(&folder.join(name))?;
            all.add_classes(folder, &format!("{name}/"), &classes.names, Some(*split))?;
            all.note(&folder.join(name), &classes.others);
        }
        for name in names.iter().filter(|name| seems_split(name) && !parts.iter().any(|(_, part)| part == name)) {
            if listing::folders(&folder.join(name)).is_ok() {
                return Err(Error::new(format!("`{name}` holds folders as `{}` does, and is no split", parts[0].1))
                    .at(folder)
                    .expected(SPLIT_NAMES)
                    .help("rename it to the split that it is, or move it away"));
            }
        }
        let beside = names.iter().filter(|name| !parts.iter().any(|(_, part)| part == name));
        all.note(folder, &beside.map(|name| format!("{name}/")).chain(others).collect::<Vec<_>>());
        Ok(all)
    }

    fn add_classes(&mut self, folder: &Path, before: &str, classes: &[String], split: Option<Split>) -> Result<()> {
        for class in classes {
            let place = folder.join(before).join(class);
            let Listing { names, others } = listing::images(&place)?;
            // Paths in split files have `/` between their parts, and those that were written on Windows `\\`.
            if let Some(name) = names.iter().chain([class]).find(|name| name.contains('\\')) {
                return Err(Error::new(format!("the name `{name}` has a backslash in it"))
                    .at(&place)
                    .help("rename it: in a split file it would stand between folders"));
            }
            // A class without validation pictures does no harm; one without test pictures is told of.
            if names.is_empty() && matches!(split, None | Some(Split::Train)) {
                let error = Error::new(format!("the class folder `{class}` holds no picture")).at(&place);
                return Err(match others.first() {
                    Some(other) if other.ends_with('/') => {
                        error.expected("pictures, not folders of pictures").help(format!("`{other}` lies there"))
                    }
                    Some(other) => error.expected("JPEG or PNG files").help(format!("`{other}` lies there")),
                    None => error.help("add pictures, or remove the folder"),
                });
            }
            let picture =
                |name: String| Picture { path: format!("{before}{class}/{name}"), class: class.clone(), split };
            self.all.extend(names.into_iter().map(picture));
            self.note(&place, &others);
        }
        Ok(())
    }

    /// Notes what was left out of a folder.
    fn note(&mut self, folder: &Path, others: &[String]) {
        self.remarks.extend(listing::remark(folder, others));
    }
}

const WANTED: &str = "a folder of pictures for each class, or `train`, `val` and `test` that hold such folders";
