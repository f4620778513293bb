//! Files that are no checkpoints, by their first bytes, and what to do about each.

use crate::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// What is read.
const EXPECTED: &str = "a checkpoint of CLIP: OpenAI's TorchScript `.pt`, a state dict of `torch.save`, or safetensors";

/// What files begin with that are of other formats, and how these are called.
const BEGINNINGS: [(&[u8], &str); 13] = [
    (b"\x7fELF", "a program or library, such as a plugin (--plugin takes those)"),
    (b"MZ", "a program or library, such as a plugin (--plugin takes those)"),
    (b"\xcf\xfa\xed\xfe", "a program or library, such as a plugin (--plugin takes those)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"GGUF", "a model in the format GGUF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89PNG", "a PNG image"),
    (b"%PDF", "a PDF document"),
    (b"#!", "a script"),
];

/// The error about a file that is of another format, if its first bytes say so.
pub(super) fn refused(bytes: &[u8]) -> Option<Error> {
    if bytes.is_empty() {
        return Some(Error::new("the checkpoint is empty").help("download it again"));
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return Some(
            Error::new("the file is a pointer of Git LFS, and the checkpoint itself was not fetched")
                .help("run `git lfs pull` in its repository, or download the file itself"),
        );
    }
    if let Some((_, what)) = BEGINNINGS.iter().find(|(beginning, _)| bytes.starts_with(beginning)) {
        return Some(Error::new(format!("the file is {what}, and no checkpoint")).expected(EXPECTED));
    }
    // A tar archive says so behind the first file's name.
    if bytes.get(257..262) == Some(b"ustar") {
        return Some(
            Error::new("the file is a tar archive, and no checkpoint")
                .expected(EXPECTED)
                .help("unpack it, and give a file of it"),
        );
    }
    // The length of a safetensors header would come first, whose upper bytes are zero, and a pickle begins with 0x80.
    let text = bytes.get(..8).unwrap_or(bytes).iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    if !text || bytes.starts_with(b"PK") {
        let [long, framed] = [2, 11].map(|place| bytes.get(place) == Some(&0x8a));
        let old = matches!(bytes, [0x80, 2..=5, other, ..] if !(long || *other == 0x95 && framed));
        return old.then(|| {
            Error::new("the file is a pickle that `torch.save` did not write")
                .expected(EXPECTED)
                .help("save the state dict with `torch.save(model.state_dict(), FILE)` or safetensors' `save_file`")
        });
    }
    let trimmed = bytes.trim_ascii_start();
    Some(match trimmed.first() {
        Some(b'<') => Error::new("the file is a web page and no checkpoint")
            .help("download it again: a server may have sent a message in its place"),
        Some(b'{' | b'[') => json(trimmed),
        _ => Error::new("the file is a text, and no checkpoint")
            .expected(EXPECTED)
            .help("if a download wrote it, it may hold a server's message"),
    })
}

fn json(text: &[u8]) -> Error {
    let value: Value = serde_json::from_slice(text).unwrap_or_default();
    let has = |key: &str| value.get(key).is_some();
    let index = Error::new("the file is JSON, and no checkpoint").expected(EXPECTED);
    if has("weight_map") {
        let shards =
            value["weight_map"].as_object().map(|map| map.values().filter_map(Value::as_str).collect::<Vec<_>>());
        let mut shards = shards.unwrap_or_default();
        shards.sort_unstable();
        shards.dedup();
        return Error::new(format!(
            "the file is the index of a checkpoint in {} shards, and no checkpoint",
            shards.len()
        ))
        .expected(EXPECTED)
        .help("give it its own name, `….index.json`, beside the shards");
    }
    if has("model_cfg") {
        return index
            .help("it is the configuration of a model of open_clip, whose weights lie in another file beside it");
    }
    if has("architectures") || has("text_config") || has("vision_config") {
        return index
            .help("it is the configuration of a model of transformers, whose weights lie in another file beside it");
    }
    index.help("if a download wrote it, it may hold a server's message")
}

/// The error about a folder in place of a file, which says what lies in it.
pub(super) fn folder(path: &Path) -> Error {
    let mut names: Vec<String> = list(path).unwrap_or_default();
    names.sort_unstable();
    let has = |name: &str| names.iter().any(|known| known == name);
    let ends = |name: &&String| [".pt", ".safetensors", ".bin", ".pth"].iter().any(|ending| name.ends_with(ending));
    let what = if has("open_clip_config.json") {
        "a folder with a model of open_clip"
    } else if has("config.json") || has("model.safetensors.index.json") {
        "a folder with a model of transformers"
    } else if has("data.pkl") {
        "a folder with the parts of an unpacked checkpoint"
    } else {
        "a folder"
    };
    let error = Error::new(format!("this is {what}, and no checkpoint")).at(path).expected(EXPECTED);
    if let Some((shard, _)) = names.iter().filter(ends).find_map(|name| Some((name, name.rfind("-of-")?))) {
        return error
            .help(format!("`{shard}` is one of several shards, and the index that names them (`….index.json`) is missing: download it, too"));
    }
    match names.iter().find(ends) {
        Some(file) => error.help(format!("give one of its files, such as {}", path.join(file).display())),
        None => error.help("give a file"),
    }
}

fn list(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io("list the folder", folder, &e))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}
