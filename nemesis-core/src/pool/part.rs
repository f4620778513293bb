//! The file of a part: safetensors with one tensor `features`, and key and checksum in its metadata.

use super::PartKey;
use crate::dtype::{dtype_of, kind_of};
use crate::{Error, Result, files};
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Metadata, TensorView};
use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// The extension of files that are being written.
pub(super) const TEMPORARY: &str = "tmp";

const FEATURES: &str = "features";
const KEY: &str = "key";
const CHECKSUM: &str = "blake3";

/// The file's bytes.
pub(super) fn to_bytes(key: &PartKey, features: &Tensor) -> Result<Vec<u8>> {
    let failed = |e: safetensors::SafeTensorError| Error::new(format!("cannot store features: {e}"));
    let mut data = vec![0; features.numel() * features.kind().elt_size_in_bytes()];
    features.f_copy_data_u8(&mut data, features.numel())?;
    let shape = features.size().iter().map(|n| *n as usize).collect();
    let view = TensorView::new(dtype_of(features.kind())?, shape, &data).map_err(failed)?;
    let key = key.to_json();
    let checksum = checksum(&key, &view);
    let metadata = HashMap::from([(KEY.to_owned(), key), (CHECKSUM.to_owned(), checksum)]);
    safetensors::serialize([(FEATURES, view)], Some(metadata)).map_err(failed)
}

/// Puts the file in its place at once. It is not synced: what a power cut damages the checksum tells.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e: std::io::Error| Error::io_write("write the file", path, &e);
    let folder = path.parent().unwrap_or(Path::new("."));
    let suffix = format!(".{TEMPORARY}");
    let mut file = files::temporary_in(folder, ".tmp", &suffix).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(path).map(|_| ()).map_err(|e| failed(e.error))
}

/// The features, in a memory map that lives as long as the tensor. `None` when there is no file, or it is damaged.
pub(super) fn read(path: &Path, key: &PartKey) -> Result<Option<Tensor>> {
    let Some(map) = map(path)? else { return Ok(None) };
    let Some((_, view)) = parse(&map).filter(|(metadata, view)| is_intact(metadata, view, key)) else {
        return Ok(None);
    };
    let start = view.data().as_ptr().addr() - map.as_ptr().addr();
    let shape: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
    let kind = kind_of(view.dtype())?;
    let Some(name) = path.to_str() else { return Ok(None) };
    // libtorch maps the file itself, privately: a tensor of all bytes, of which the end is seen as features. Should
    // the file have been removed since, this fails, and the part is missing as it was before.
    let features = Tensor::f_from_file(name, false, map.len() as i64, (Kind::Uint8, Device::Cpu))
        .and_then(|bytes| bytes.f_narrow(0, start as i64, view.data().len() as i64))
        .and_then(|bytes| bytes.f_view_dtype(kind))
        .and_then(|flat| flat.f_view(shape.as_slice()));
    Ok(features.ok())
}

/// The key of a file, if it has one.
pub(super) fn read_key(path: &Path) -> Option<PartKey> {
    let map = map(path).ok()??;
    let (metadata, _) = parse(&map)?;
    serde_json::from_str(metadata.metadata().as_ref()?.get(KEY)?).ok()
}

fn map(path: &Path) -> Result<Option<Mmap>> {
    let failed = |e| Error::io("read the file", path, &e);
    let file = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    if file.metadata().map_err(failed)?.len() == 0 {
        return Ok(None);
    }
    #[expect(unsafe_code, reason = "a memory map is what features are read through")]
    // SAFETY: parts are renamed into place complete, and then only replaced or removed as a whole, which leaves the
    // file behind a map as it is. On a network file system it is gone if another machine removes it: then a page that
    // was not read yet ends the process with a signal, as a crash of a worker, and is never read as something else.
    let map = unsafe { Mmap::map(&file) };
    map.map(Some).map_err(failed)
}

fn parse(bytes: &[u8]) -> Option<(Metadata, TensorView<'_>)> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).ok()?;
    let view = SafeTensors::deserialize(bytes).ok()?.tensor(FEATURES).ok()?;
    Some((metadata, view))
}

fn is_intact(metadata: &Metadata, view: &TensorView<'_>, key: &PartKey) -> bool {
    let key = key.to_json();
    let stored = |name| metadata.metadata().as_ref().and_then(|texts| texts.get(name));
    stored(KEY) == Some(&key) && stored(CHECKSUM) == Some(&checksum(&key, view))
}

/// blake3, in hexadecimal, of key, type, shape and data.
fn checksum(key: &str, view: &TensorView<'_>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{key}\n{:?}\n{:?}\n", view.dtype(), view.shape()).as_bytes());
    hasher.update(view.data()).finalize().to_hex().to_string()
}
