//! webdataset's tars.

use super::unpack::{Destination, named};
use nemesis_core::{Error, Result, files};
use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// What a tar holds of one picture.
#[derive(Default)]
struct Parts {
    key: String,
    picture: Option<Vec<u8>>,
    class: Option<String>,
    has_caption: bool,
}

/// Unpacks a tar. `names` are those of classes that are numbers.
pub(super) fn unpack(shard: &Path, names: Option<&[String]>, into: &mut Destination<'_>) -> Result<()> {
    let failed = |e: &io::Error| Error::io("read the shard", shard, e).help("the download may have been interrupted");
    let mut file = files::open(shard).map_err(|e| Error::io("read the file", shard, &e))?;
    if !ends(&mut file).map_err(|e| failed(&e))? {
        return Err(Error::new("the shard has no end mark")
            .expected("a tar that ends in 1,024 zero bytes")
            .help("the download may have been interrupted: fetch it again"));
    }
    let mut archive = tar::Archive::new(file);
    let mut parts = Parts::default();
    let mut keys = HashSet::new();
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
            std::mem::take(&mut parts).put(into, names)?;
            key.clone_into(&mut parts.key);
            if !keys.insert(key.to_owned()) {
                return Err(twice(key));
            }
        }
        let mut bytes = Vec::new();
        match ending.as_str() {
            "jpg" | "jpeg" | "png" | "webp" => {
                entry.read_to_end(&mut bytes).map_err(|e| failed(&e))?;
                if parts.picture.replace(bytes).is_some() {
                    return Err(twice(key));
                }
            }
            "cls" => {
                entry.read_to_end(&mut bytes).map_err(|e| failed(&e))?;
                parts.class = Some(String::from_utf8_lossy(&bytes).trim().to_owned());
            }
            "txt" | "caption" => parts.has_caption = true,
            _ => {}
        }
    }
    parts.put(into, names)?;
    if into.count == 0 {
        return Err(Error::new("the shard holds no picture").expected("KEY.jpg and KEY.cls for each picture"));
    }
    Ok(())
}

/// Whether a tar has the two empty blocks that stand at its end. One that was cut off between two members reads like a
/// whole one otherwise.
fn ends(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    let size = file.seek(SeekFrom::End(0))?;
    let mut last = [1; 1024];
    if size >= last.len() as u64 {
        file.seek(SeekFrom::End(-(last.len() as i64)))?;
        file.read_exact(&mut last)?;
    }
    file.rewind()?;
    Ok(last.iter().all(|byte| *byte == 0))
}

fn twice(key: &str) -> Error {
    Error::new(format!("the key `{key}` stands for two pictures"))
        .expected("one picture for each key, and its other files beside it")
}

impl Parts {
    /// Hands the picture on, if there is one.
    fn put(self, into: &mut Destination<'_>, names: Option<&[String]>) -> Result<()> {
        let Self { key, picture, class, has_caption } = self;
        let Some(bytes) = picture else { return Ok(()) };
        let Some(class) = class.filter(|class| !class.is_empty()) else {
            let error = if has_caption {
                Error::new(format!("the picture `{key}` has a caption and no class, as in img2dataset's shards"))
                    .help("captions are not classes: write the class of each picture to KEY.cls first")
            } else {
                Error::new(format!("the picture `{key}` has no class"))
            };
            return Err(error.expected(format!("`{key}.cls` beside the picture")));
        };
        let which = format!("the picture `{key}`");
        let class = named(&class, names, &which, "`classnames.txt`")?;
        into.put(&which, &class, None, &bytes)
    }
}
