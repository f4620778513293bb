//! The mini data root: small data sets in the official layouts, and the `datasets.yaml` that describes them.

use super::encode::encode;
use super::items::{DataFile, Item, SEED};
use super::paint::{Picture, View};
use super::random::Stream;
use super::sets::{self, MiniSet};
use super::{description, lists};
use nemesis_core::dataset::Registry;
use nemesis_core::{Error, Result, files, threads};
use rayon::prelude::*;
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The file that says that a root is complete, and which one it is.
const MARKER: &str = "mini.json";
/// The hash of all files, which names the version: whoever changes a drawing changes it, as the tests demand.
pub(super) const VERSION: &str = "364dc06e2343ec47b3f84faf4e4b6a0cbf36b39ebf5296084e88aa93f679aa1e";

/// Makes sure that the mini data root lies in `root`: writes it where it is missing or of another version.
///
/// The root appears as a whole, by renaming a complete folder, so that no kill can leave half of it behind.
///
/// # Errors
///
/// When the folder cannot be written, or when `root` holds something else, which is left alone.
pub fn ensure_data_root(root: &Path) -> Result<()> {
    match version_of(root)? {
        Some(version) if version == VERSION => Ok(()),
        before => write(root, &data_files()?, before.is_some()),
    }
}

/// Whether the mini data sets, of whatever version, lie in `root`: their marker says so.
pub fn is_data_root(root: &Path) -> bool {
    root.join(MARKER).is_file()
}

/// The version of the mini data root that lies in `root`; none if there is nothing at all.
fn version_of(root: &Path) -> Result<Option<String>> {
    let marker = root.join(MARKER);
    if marker.is_file() {
        let value: Option<serde_json::Value> = serde_json::from_str(&files::read_text(&marker)?).ok();
        let version = value.as_ref().and_then(|v| v["version"].as_str()).unwrap_or_default();
        return Ok(Some(version.to_owned()));
    }
    let empty = fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_none());
    if empty || !root.exists() {
        return Ok(None);
    }
    Err(Error::new("the mini data sets would be written over other files")
        .at(root)
        .expected("a new or empty folder, or an earlier version of the mini data sets")
        .help("name another folder"))
}

/// Writes a complete root beside `root` and renames it; `replace` says that an earlier one lies there.
fn write(root: &Path, all: &[DataFile], replace: bool) -> Result<()> {
    let parent = root.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|e| Error::io_write("create the folder", parent, &e))?;
    let temporary = |e: &std::io::Error| Error::io_write("create a temporary folder", parent, e);
    let folder = tempfile::Builder::new().prefix(".mini-").tempdir_in(parent).map_err(|e| temporary(&e))?;
    let fresh = folder.path().join("new");
    all.par_iter().try_for_each(|(path, bytes)| {
        let path = fresh.join(path);
        let written = fs::create_dir_all(path.parent().unwrap_or(&fresh)).and_then(|()| fs::write(&path, bytes));
        written.map_err(|e| Error::io_write("write the file", &path, &e))
    })?;
    let marker = json!({"version": version(all), "files": all.len()});
    files::write_atomic(&fresh.join(MARKER), format!("{marker:#}\n").as_bytes())?;
    if replace {
        let old = folder.path().join("old");
        match fs::rename(root, old) {
            // Another process is replacing it.
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            moved => moved.map_err(|e| Error::io_write("move the earlier version away", root, &e))?,
        }
    }
    // Renaming a folder onto an empty one replaces it.
    match fs::rename(&fresh, root) {
        // Another process was faster.
        Err(_) if version_of(root)?.as_deref() == Some(VERSION) => Ok(()),
        renamed => renamed.map_err(|e| Error::io_write("put the data root in its place", root, &e)),
    }
}

/// The hash of all files and their paths.
fn version(all: &[DataFile]) -> String {
    let mut hasher = blake3::Hasher::new();
    for (path, bytes) in all {
        hasher.update(path.to_string_lossy().as_bytes());
        hasher.update(&[0]);
        hasher.update(blake3::hash(bytes).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// All files of the data root but the marker.
fn data_files() -> Result<Vec<DataFile>> {
    threads::ready()?;
    let registry = Registry::built_in()?;
    let mut all = vec![(PathBuf::from("datasets.yaml"), description::describe()?.into_bytes())];
    for set in sets::all() {
        let entry = registry.get(set.name)?;
        let items = Item::all_of(set);
        let folder = Path::new(entry.folder.as_ref());
        let lists = lists::lists(set, entry, &items);
        all.extend(lists.into_iter().map(|(name, bytes)| (folder.join(name), bytes)));
        let pictures: Result<Vec<DataFile>> = items
            .par_iter()
            .enumerate()
            .map(|(index, item)| Ok((folder.join(item.path_in(&entry.layout)), draw(set, item.label, index)?)))
            .collect();
        all.extend(pictures?);
    }
    Ok(all)
}

/// The file of a picture of a data set.
fn draw(set: &MiniSet, label: usize, index: usize) -> Result<Vec<u8>> {
    let mut rng = Stream::new(SEED, set.name, index as u64);
    let picture = Picture::draw(set.frame, View::WHOLE, &set.look, &mut rng, set.classes[label].draw);
    encode(&picture, set.format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_core::dataset::{Dataset, Layout, Split, prepare};

    #[test]
    fn the_pictures_are_those_of_the_version_and_are_read_as_the_real_data_sets_are() {
        let all = data_files().unwrap();
        // Whoever changes a drawing on purpose puts the new hash into `VERSION`, and makes the tables anew.
        assert_eq!(version(&all), VERSION);

        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("mini");
        write(&root, &all, false).unwrap();
        let registry = Registry::load(&root).unwrap();
        assert_eq!(registry.entries().len(), 15);
        for entry in registry.entries() {
            let data = entry.open(&root).unwrap();
            let declared = entry.samples.map(|samples| [samples.train, samples.val, samples.test]).unwrap();
            for (split, declared) in Split::ALL.into_iter().zip(declared) {
                let samples = data.samples(split);
                assert_eq!(samples.len(), declared, "{} {split:?}", entry.name);
                assert!(samples.iter().all(|sample| data.folder().join(&sample.path).is_file()), "{}", entry.name);
            }
        }
        let before = fs::metadata(root.join(MARKER)).unwrap().modified().unwrap();
        ensure_data_root(&root).unwrap();
        assert_eq!(fs::metadata(root.join(MARKER)).unwrap().modified().unwrap(), before, "it was written again");

        splits_can_be_made_from_the_annotations_alone(&root, &registry);
    }

    fn splits_can_be_made_from_the_annotations_alone(root: &Path, registry: &Registry) {
        let mut made = 0;
        for entry in registry.entries() {
            let Layout::SplitFile { file, .. } = &entry.layout else { continue };
            let published = entry.open(root).unwrap();
            fs::remove_file(entry.path(root).join(file)).unwrap();
            prepare(entry, root, 1).unwrap();
            let prepared = entry.open(root).unwrap();
            assert_eq!(prepared.class_names(), published.class_names(), "{}", entry.name);
            let images = |data: &dyn Dataset| {
                let mut all: Vec<_> = Split::ALL.iter().flat_map(|split| data.samples(*split).to_vec()).collect();
                all.sort_by(|a, b| a.path.cmp(&b.path));
                all
            };
            assert_eq!(images(&*prepared), images(&*published), "{}", entry.name);
            made += 1;
        }
        assert_eq!(made, 9);
    }

    #[test]
    fn a_root_of_another_version_is_replaced_and_foreign_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("mini");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("thesis.tex"), "x").unwrap();
        let message = ensure_data_root(&root).unwrap_err().to_string();
        assert!(message.contains("written over other files"), "{message}");

        fs::write(root.join(MARKER), r#"{"version": "an earlier one"}"#).unwrap();
        assert_eq!(version_of(&root).unwrap().as_deref(), Some("an earlier one"));
        write(&root, &[("dtd/a.png".into(), vec![1])], true).unwrap();
        assert!(!root.join("thesis.tex").exists() && root.join("dtd/a.png").is_file());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "temporary folders are left");
    }
}
