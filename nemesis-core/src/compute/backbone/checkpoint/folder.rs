//! Checkpoints that are not one file: a folder, as the hub's cache has it, and shards with their index.

use super::{Checkpoint, other};
use crate::error::words_of_serde_json;
use crate::{Error, Result, files};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

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

/// The files that hold the weights of a checkpoint: one, or the shards of an index in their order.
pub(super) fn parts(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_dir() {
        return weights_in(path).map_or_else(|| Err(other::folder(path)), |file| parts(&file));
    }
    if !is_index(path) {
        return Ok(vec![path.to_owned()]);
    }
    let shards: BTreeSet<String> = weight_map(path)?.into_values().collect();
    let beside = |shard: String| {
        let file = path.with_file_name(&shard);
        let is_name = matches!(Path::new(&shard).components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
        // An index of indices would have no end where one names itself.
        if !is_name || is_index(&file) || file.is_dir() {
            return Err(Error::new(format!("the index names `{shard}`"))
                .at(path)
                .expected("files of weights beside it"));
        }
        Ok(file)
    };
    shards.into_iter().map(beside).collect()
}

/// The hash of a checkpoint by those of its files.
pub(super) fn joined(hashes: &[String]) -> String {
    match hashes {
        [hash] => hash.clone(),
        _ => blake3::hash(hashes.concat().as_bytes()).to_hex().to_string(),
    }
}

/// The shard of each weight.
fn weight_map(index: &Path) -> Result<BTreeMap<String, String>> {
    let text = files::read_text(index)?;
    let value: Value = serde_json::from_str(&text).map_err(|e| {
        Error::new(format!("the index is no JSON: {}", words_of_serde_json(&e))).at(index).line(e.line().max(1))
    })?;
    let listed: Option<BTreeMap<String, String>> = serde_json::from_value(value["weight_map"].clone()).ok();
    listed.filter(|map| !map.is_empty()).ok_or_else(|| {
        Error::new("the index names no weights").at(index).expected("`weight_map`, from weights to files")
    })
}

/// Reads all shards that an index names.
pub(super) fn read_shards(index: &Path) -> Result<Checkpoint> {
    let listed = weight_map(index)?;
    let mut hashes = Vec::new();
    let mut whole: Option<Checkpoint> = None;
    for shard in parts(index)? {
        let part = Checkpoint::read(&shard)?;
        hashes.push(part.hash.clone());
        let Some(whole) = &mut whole else {
            whole = Some(part);
            continue;
        };
        whole.beside.extend(part.beside);
        for (key, value) in part.metadata {
            let said = whole.metadata.entry(key.clone()).or_insert_with(|| value.clone());
            if *said != value {
                let differ = format!("one shard says that `{key}` is `{said}`, and another that it is `{value}`");
                return Err(Error::new(differ)
                    .at(index)
                    .help("they are not of one checkpoint: download all of them again"));
            }
        }
        for (name, tensor) in part.tensors {
            if whole.tensors.insert(name.clone(), tensor).is_some() {
                return Err(Error::new(format!("two shards hold the weight `{name}`")).at(index));
            }
        }
    }
    let mut whole = whole.expect("an index names weights");
    if let Some(missing) = listed.keys().find(|name| !whole.tensors.contains_key(*name)) {
        return Err(Error::new(format!("no shard holds the weight `{missing}`, which the index names")).at(index));
    }
    index.clone_into(&mut whole.file);
    whole.hash = joined(&hashes);
    whole.sha256 = None;
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::Dtype;
    use safetensors::tensor::TensorView;
    use std::collections::HashMap;
    use std::fs;

    /// Two shards of one weight each, and what their metadata say.
    fn shards(folder: &Path, said: [&[(&str, &str)]; 2]) -> Result<Checkpoint> {
        for (name, said) in ["one", "two"].into_iter().zip(said) {
            let view = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
            let said: HashMap<String, String> =
                said.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let bytes = safetensors::serialize([(name, view)], Some(said)).unwrap();
            fs::write(folder.join(name), bytes).unwrap();
        }
        let index = folder.join("model.safetensors.index.json");
        fs::write(&index, r#"{"weight_map": {"one": "one", "two": "two"}}"#).unwrap();
        read_shards(&index)
    }

    #[test]
    fn shards_must_agree_in_what_they_say_and_one_may_say_it_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let of_both = shards(folder.path(), [&[("format", "pt")], &[("format", "pt"), ("weights_config", "openai")]]);
        let said: Vec<_> = of_both.unwrap().metadata.into_iter().collect();
        assert_eq!(said, [("format", "pt"), ("weights_config", "openai")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        let error = shards(folder.path(), [&[("weights_config", "openai")], &[("weights_config", "{}")]]).unwrap_err();
        assert_eq!(error.what(), "one shard says that `weights_config` is `openai`, and another that it is `{}`");
    }
}
