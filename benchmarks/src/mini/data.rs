//! The mini data root: eleven data sets in the official layouts, and the `datasets.yaml` that describes them.

use super::encode::encode;
use super::paint::{Picture, View};
use super::random::Stream;
use super::sets::{self, MiniSet};
use nemesis_core::dataset::{Layout, Registry};
use nemesis_core::method::random;
use nemesis_core::{Error, Result, files};
use rayon::prelude::*;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// The seed of all pictures.
const SEED: u64 = 1;
/// How many pictures each class has in train, val and test.
const SPLITS: [(&str, usize); 3] = [("train", 18), ("val", 4), ("test", 25)];
/// The file that says that a root is complete, and which one it is.
const MARKER: &str = "mini.json";
/// The hash of all files, which names the version: whoever changes a drawing changes it, as the tests demand.
pub(super) const VERSION: &str = "2f24fa398438ef74191a894adac9ebbd180a4751a94c0e18b06d90bccfa254f3";

/// A file of the data root: its path in it, and its bytes.
type DataFile = (PathBuf, Vec<u8>);

/// A picture of a data set: where it lies below its folder of images, and its label.
struct Item {
    split: usize,
    path: String,
    label: usize,
}

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
    fs::create_dir_all(parent).map_err(|e| Error::io("create the folder", parent, &e))?;
    let temporary = |e: &std::io::Error| Error::io("create a temporary folder", parent, e);
    let folder = tempfile::Builder::new().prefix(".mini-").tempdir_in(parent).map_err(|e| temporary(&e))?;
    let fresh = folder.path().join("new");
    all.par_iter().try_for_each(|(path, bytes)| {
        let path = fresh.join(path);
        let written = fs::create_dir_all(path.parent().unwrap_or(&fresh)).and_then(|()| fs::write(&path, bytes));
        written.map_err(|e| Error::io("write the file", &path, &e))
    })?;
    let marker = json!({"version": version(all), "files": all.len()});
    files::write_atomic(&fresh.join(MARKER), format!("{marker:#}\n").as_bytes())?;
    if replace {
        let old = folder.path().join("old");
        fs::rename(root, old).map_err(|e| Error::io("move the earlier version away", root, &e))?;
    }
    // Renaming a folder onto an empty one replaces it.
    fs::rename(&fresh, root).map_err(|e| Error::io("put the data root in its place", root, &e))
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
    let registry = Registry::built_in()?;
    let mut all = vec![(PathBuf::from("datasets.yaml"), registry_text()?.into_bytes())];
    for set in sets::ALL {
        let entry = registry.get(set.name)?;
        let items = items(set);
        let folder = Path::new(entry.folder.as_ref());
        all.extend(lists(set, &entry.layout, &items).into_iter().map(|(name, bytes)| (folder.join(name), bytes)));
        let pictures: Result<Vec<DataFile>> = items
            .par_iter()
            .enumerate()
            .map(|(index, item)| Ok((folder.join(image_path(&entry.layout, item)), draw(set, item.label, index)?)))
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

/// The pictures of a data set, split by split and class by class.
fn items(set: &MiniSet) -> Vec<Item> {
    let mut items = Vec::new();
    let mut counts = vec![0; set.classes.len()];
    for (split, (_, count)) in SPLITS.into_iter().enumerate() {
        for (label, class) in set.classes.iter().enumerate() {
            for _ in 0..count {
                counts[label] += 1;
                let number = items.len() + 1;
                let path = set.paths[usize::from(split == 2)]
                    .replace("{class}", class.folder)
                    .replace("{stem}", &class.folder.replace('_', ""))
                    .replace("{n}", &format!("{:04}", counts[label]))
                    .replace("{i}", &format!("{number:05}"));
                items.push(Item { split, path, label });
            }
        }
    }
    items
}

/// Where the picture lies in the data set's folder.
fn image_path(layout: &Layout, item: &Item) -> PathBuf {
    match layout {
        Layout::SplitFile { images, .. } | Layout::TestFolders { images, .. } => {
            Path::new(images.as_ref()).join(&item.path)
        }
        Layout::VariantLists { images } => Path::new(images.as_ref()).join(format!("{}.jpg", item.path)),
        Layout::ClassFolders { train, test, .. } => {
            Path::new(if item.split == 2 { test.as_ref() } else { train.as_ref() }).join(&item.path)
        }
    }
}

/// The lists of the layout: their names in the data set's folder, and their bytes.
fn lists(set: &MiniSet, layout: &Layout, items: &[Item]) -> Vec<DataFile> {
    let split = |split: usize| {
        let mut listed: Vec<&Item> = items.iter().filter(|item| item.split == split).collect();
        if set.shuffled {
            let order =
                random::permutation(listed.len(), |n| random::draws(SEED, set.name, u64::MAX - split as u64, n));
            listed = order.into_iter().map(|i| listed[i]).collect();
        }
        listed
    };
    match layout {
        Layout::SplitFile { file, .. } => {
            let rows =
                |i| split(i).into_iter().map(|item| json!([item.path, item.label, set.classes[item.label].name]));
            let lists: serde_json::Map<_, _> =
                SPLITS.iter().enumerate().map(|(i, (name, _))| ((*name).to_owned(), rows(i).collect())).collect();
            vec![(Path::new(file.as_ref()).to_owned(), serde_json::Value::Object(lists).to_string().into_bytes())]
        }
        Layout::VariantLists { .. } => {
            let list = |i| split(i).into_iter().map(|item| format!("{} {}", item.path, set.classes[item.label].name));
            let variants: Vec<&str> = set.classes.iter().map(|class| class.name).collect();
            let lists = SPLITS.iter().enumerate().map(|(i, (name, _))| {
                (PathBuf::from(format!("images_variant_{name}.txt")), lines(&list(i).collect::<Vec<_>>()))
            });
            std::iter::once((PathBuf::from("variants.txt"), lines(&variants))).chain(lists).collect()
        }
        Layout::ClassFolders { class_names, .. } | Layout::TestFolders { class_names, .. } => {
            let names: Vec<String> =
                set.classes.iter().map(|class| format!("{} {}", class.folder, class.name)).collect();
            vec![(Path::new(class_names.as_ref()).to_owned(), lines(&names))]
        }
    }
}

fn lines<T: AsRef<str>>(lines: &[T]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_ref(), "\n"]).collect::<String>().into_bytes()
}

/// What of a real data set's entry is about its files alone, and does not hold for its mini one.
const DROPPED: [&str; 3] = ["raw", "published", "fetch"];

/// The root's own `datasets.yaml`: that of the real data sets, with the mini ones' numbers.
fn registry_text() -> Result<String> {
    let failed = |e| Error::new(format!("cannot describe the mini data sets: {e}"));
    let mut entries: Vec<serde_yaml::Mapping> =
        serde_yaml::from_str(include_str!("../../../datasets.yaml")).map_err(failed)?;
    entries.retain(|entry| sets::ALL.iter().any(|set| entry["name"] == *set.name));
    for entry in &mut entries {
        let Some(set) = sets::ALL.iter().find(|set| entry["name"] == *set.name) else { continue };
        entry.retain(|key, _| key.as_str().is_none_or(|key| !DROPPED.contains(&key)));
        let classes = set.classes.len();
        let [train, val, test] = SPLITS.map(|(_, count)| count * classes);
        // ImageNet is validated on its test pictures, and has no others.
        let folders = entry["layout"].get("class_folders").is_some();
        let samples = if folders { [train + val, test, test] } else { [train, val, test] };
        let samples: serde_yaml::Mapping =
            SPLITS.iter().zip(samples).map(|((name, _), count)| ((*name).into(), count.into())).collect();
        entry.insert("classes".into(), classes.into());
        entry.insert("samples".into(), samples.into());
        entry.insert("licence".into(), "MIT OR Apache-2.0".into());
        entry.insert("home".into(), "drawn by `nemesis mini data`".into());
    }
    Ok(format!("# Written by `nemesis mini data`.\n{}", serde_yaml::to_string(&entries).map_err(failed)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_core::dataset::Split;

    #[test]
    fn the_pictures_are_those_of_the_version_and_are_read_as_the_real_data_sets_are() {
        let all = data_files().unwrap();
        // Whoever changes a drawing on purpose puts the new hash into `VERSION`, and makes the tables anew.
        assert_eq!(version(&all), VERSION);

        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("mini");
        write(&root, &all, false).unwrap();
        let registry = Registry::load(&root).unwrap();
        assert_eq!(registry.entries().len(), 11);
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
