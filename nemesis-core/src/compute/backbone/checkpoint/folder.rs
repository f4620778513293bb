//! Checkpoints that are not one file: a folder, as the hub's cache has it, and shards with their index.

use super::Checkpoint;
use crate::{Error, Result, files};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What weights are called in a folder of `open_clip`'s, and then in one of transformers', in the order that these look.
const NAMES: [&str; 6] = [
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// The weights in a folder: those of `open_clip` before those of transformers, which are the same model.
pub(super) fn weights_in(folder: &Path) -> Option<PathBuf> {
    let found = |folder: &Path| NAMES.iter().map(|name| folder.join(name)).find(|file| file.is_file());
    found(folder).or_else(|| {
        // A model in the hub's cache: `snapshots/REVISION`, with the newest revision's name in `refs/main`.
        let revision = files::read_text(&folder.join("refs/main")).ok()?;
        found(&folder.join("snapshots").join(revision.trim()))
    })
}

/// Whether a file is the index of shards.
pub(super) fn is_index(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".index.json"))
}

/// Reads all shards that an index names.
pub(super) fn read_shards(index: &Path) -> Result<Checkpoint> {
    let text = files::read_text(index)?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|e| Error::new(format!("the index is no JSON: {e}")).at(index).line(e.line().max(1)))?;
    let listed = value["weight_map"].as_object().filter(|map| !map.is_empty());
    let listed = listed.ok_or_else(|| Error::new("the index names no weights").at(index).expected("`weight_map`"))?;
    let shards: BTreeSet<&str> = listed.values().filter_map(Value::as_str).collect();
    let mut hasher = blake3::Hasher::new();
    let mut whole: Option<Checkpoint> = None;
    for shard in shards {
        if Path::new(shard).components().count() != 1 || shard == ".." {
            return Err(Error::new(format!("the index names `{shard}`")).at(index).expected("files beside it"));
        }
        let part =
            Checkpoint::read(&index.with_file_name(shard)).map_err(|e| e.context("a shard of the checkpoint"))?;
        hasher.update(part.hash.as_bytes());
        let Some(whole) = &mut whole else {
            whole = Some(part);
            continue;
        };
        whole.beside.extend(part.beside);
        for (name, tensor) in part.tensors {
            if whole.tensors.insert(name.clone(), tensor).is_some() {
                return Err(Error::new(format!("two shards hold the weight `{name}`")).at(index));
            }
        }
    }
    let mut whole = whole.expect("there is a shard");
    if let Some(missing) = listed.keys().find(|name| !whole.tensors.contains_key(*name)) {
        return Err(Error::new(format!("no shard holds the weight `{missing}`, which the index names")).at(index));
    }
    index.clone_into(&mut whole.file);
    whole.hash = hasher.finalize().to_hex().to_string();
    whole.sha256 = None;
    Ok(whole)
}
