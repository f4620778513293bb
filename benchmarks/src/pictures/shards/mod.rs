//! Pictures packed into shards, unpacked into folders: webdataset's tars, as CLIP-benchmark has them.
//!
//! A tar holds for each picture `KEY.jpg` (or another picture) and `KEY.cls`, its class: a name, or a number that counts the
//! lines of `classnames.txt`. The split is the folder that the tar lies in, or how its name begins: `train-0.tar`.

use nemesis_core::dataset::split_named;
use nemesis_core::{Error, Result, files};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How deep shards may lie in their folder.
const DEPTH: usize = 2;

/// The tars in a folder, sorted; none where it holds none.
///
/// # Errors
///
/// When a folder cannot be listed.
pub fn shards(folder: &Path) -> Result<Vec<PathBuf>> {
    fn collect(folder: &Path, depth: usize, into: &mut Vec<PathBuf>) -> Result<()> {
        let failed = |e: &std::io::Error| Error::io("list the folder", folder, e);
        for entry in fs::read_dir(folder).map_err(|e| failed(&e))? {
            let path = entry.map_err(|e| failed(&e))?.path();
            if path.is_dir() && depth > 0 {
                collect(&path, depth - 1, into)?;
            } else if path.extension().is_some_and(|ending| ending == "tar") {
                into.push(path);
            }
        }
        Ok(())
    }
    let mut all = Vec::new();
    if folder.is_dir() {
        collect(folder, DEPTH, &mut all)?;
    }
    all.sort();
    Ok(all)
}

/// Unpacks shards of `source` into the folder `into`, which is not there yet and is whole or not there afterwards: a
/// folder for each split, if shards have some, with a folder for each class.
///
/// # Errors
///
/// When a shard cannot be read, or a picture in it has no class. Nothing is left then.
pub fn unpack(source: &Path, shards: &[PathBuf], into: &Path) -> Result<()> {
    let parent = into.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|e| Error::io("create the folder", parent, &e))?;
    let failed = |e: &std::io::Error| Error::io("create the folder", into, e);
    let temporary = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(parent).map_err(|e| failed(&e))?;
    let target = temporary.path().join("pictures");
    let names = source.join("classnames.txt");
    let names: Option<Vec<String>> = if files::exists(&names)? {
        Some(files::read_text(&names)?.lines().map(|name| name.trim().to_owned()).collect())
    } else {
        None
    };
    for (number, shard) in shards.iter().enumerate() {
        let place = target.join(split_of(source, shard));
        unpack_tar(shard, number, &place, names.as_deref()).map_err(|e| e.at(shard))?;
    }
    fs::rename(&target, into).map_err(|e| failed(&e))
}

/// The split's folder, empty where the shard is of none.
fn split_of(source: &Path, shard: &Path) -> &'static str {
    let folder = shard.parent().filter(|parent| *parent != source).and_then(Path::file_name);
    let stem = shard.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let begins = stem.split(|c: char| !c.is_ascii_alphabetic()).next();
    let names = [folder.and_then(|name| name.to_str()), begins];
    names.into_iter().flatten().find_map(split_named).map_or("", |split| split.name())
}

/// What a tar holds of one picture.
#[derive(Default)]
struct Parts {
    key: String,
    picture: Option<(Vec<u8>, String)>,
    class: Option<String>,
}

fn unpack_tar(shard: &Path, number: usize, place: &Path, names: Option<&[String]>) -> Result<()> {
    let failed = |e: &std::io::Error| Error::io("read the shard", shard, e).help("it may be a download that broke off");
    let file = files::open(shard).map_err(|e| Error::io("read the file", shard, &e))?;
    let mut archive = tar::Archive::new(file);
    let mut parts = Parts::default();
    let mut count = 0;
    for entry in archive.entries().map_err(|e| failed(&e))? {
        let mut entry = entry.map_err(|e| failed(&e))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(|e| failed(&e))?.to_string_lossy().into_owned();
        let name_at = path.rfind('/').map_or(0, |at| at + 1);
        let Some(dot) = path[name_at..].find('.').map(|at| at + name_at) else { continue };
        let (key, ending) = (&path[..dot], path[dot + 1..].to_ascii_lowercase());
        if key != parts.key {
            count += usize::from(std::mem::take(&mut parts).write(place, number, count, names)?);
            key.clone_into(&mut parts.key);
        }
        let mut bytes = Vec::new();
        match ending.as_str() {
            "jpg" | "jpeg" | "png" | "webp" => {
                entry.read_to_end(&mut bytes).map_err(|e| failed(&e))?;
                parts.picture = Some((bytes, ending));
            }
            "cls" => {
                entry.read_to_end(&mut bytes).map_err(|e| failed(&e))?;
                parts.class = Some(String::from_utf8_lossy(&bytes).trim().to_owned());
            }
            _ => {}
        }
    }
    count += usize::from(parts.write(place, number, count, names)?);
    if count == 0 {
        return Err(Error::new("the shard holds no picture").expected("KEY.jpg and KEY.cls for each picture"));
    }
    Ok(())
}

impl Parts {
    /// Writes the picture, if there is one.
    fn write(self, place: &Path, shard: usize, at: usize, names: Option<&[String]>) -> Result<bool> {
        let Self { key, picture, class } = self;
        let Some((bytes, ending)) = picture else { return Ok(false) };
        let Some(class) = class.filter(|class| !class.is_empty()) else {
            return Err(Error::new(format!("the picture `{key}` has no class"))
                .expected(format!("`{key}.cls` beside `{key}.{ending}`"))
                .help("img2dataset's shards hold captions: write classes beside them first"));
        };
        let class = match (class.parse::<usize>(), names) {
            (Ok(label), Some(names)) => names.get(label).filter(|name| !name.is_empty()).cloned().ok_or_else(|| {
                Error::new(format!("the class {label} of the picture `{key}` has no line in `classnames.txt`"))
            })?,
            _ => class,
        };
        let folder = place.join(class.replace(['/', '\\', '\0'], "_").trim_start_matches('.'));
        fs::create_dir_all(&folder).map_err(|e| Error::io("create the folder", &folder, &e))?;
        let file = folder.join(format!("{shard:04}-{at:06}.{ending}"));
        fs::write(&file, &bytes).map_err(|e| Error::io("write the file", &file, &e))?;
        Ok(true)
    }
}
