//! The files of a store as they lie on the disk: JSON with its version, and for records a checksum.

use super::outcome::SCHEMA;
use super::seal::{seal, unseal};
use super::{CellId, Record, Recorded};
use crate::error::{Kind, words_of_serde_json};
use crate::{Error, Result, files};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const TRAINING: &[u8] = br#""kind": "training""#;

/// The file of a record, before it is known what it holds.
pub(super) struct RecordFile {
    id: CellId,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl RecordFile {
    /// The file of a cell's record, if there is one.
    pub(super) fn read(id: &CellId, path: PathBuf) -> Result<Option<Self>> {
        Ok(read(&path)?.map(|bytes| Self { id: *id, path, bytes }))
    }

    /// Writes a record, with its checksum.
    pub(super) fn write<C: Recorded>(record: &Record<C>, path: &Path) -> Result<()> {
        files::write_atomic(path, &seal(&to_json(path, record)?))
    }

    /// Whether it begins like the record of a training, as this version writes it.
    pub(super) fn looks_like_training(&self) -> bool {
        const HEAD: usize = 80;
        let head = &self.bytes[..self.bytes.len().min(HEAD)];
        head.windows(TRAINING.len()).any(|part| part == TRAINING)
    }

    /// The record, if it is of this kind.
    ///
    /// # Errors
    ///
    /// When it is damaged, of another format, or of the other kind; the message names the file.
    pub(super) fn parse<C: Recorded>(&self) -> Result<Record<C>> {
        let (text, is_intact) = unseal(&self.bytes);
        let record: Record<C> = parse_up_to(SCHEMA, &text, &self.path)?;
        // A later format may give the same fields another meaning.
        if record.schema > SCHEMA {
            return Err(of_format(record.schema, SCHEMA, &self.path));
        }
        if record.kind != C::KIND || record.id != self.id || record.cell.id() != self.id {
            return Err(damaged("the record does not hold the cell that its name promises", &self.path));
        }
        if !is_intact {
            return Err(damaged("the record has changed since it was written: its checksum differs", &self.path));
        }
        Ok(record)
    }
}

pub(super) fn damaged(what: &str, path: &Path) -> Error {
    let help = "delete the file; the next run computes it again. `nemesis clean` lists every record that is damaged";
    Error::new(what).at(path).of_kind(Kind::Damaged).help(help)
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    files::write_atomic(path, &to_json(path, value)?)
}

fn to_json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| Error::new(e.to_string()).at(path))?;
    text.push(b'\n');
    Ok(text)
}

/// The version alone, which every format keeps.
#[derive(Deserialize)]
struct Version {
    schema: u32,
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    read_json_up_to(SCHEMA, path)
}

/// Reads what is written in a format up to this one.
pub(super) fn read_json_up_to<T: DeserializeOwned>(schema: u32, path: &Path) -> Result<Option<T>> {
    read(path)?.map(|bytes| parse_up_to(schema, &bytes, path)).transpose()
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        bytes => bytes.map(Some).map_err(|e| Error::io("read the file", path, &e)),
    }
}

fn parse_up_to<T: DeserializeOwned>(schema: u32, bytes: &[u8], path: &Path) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| match serde_json::from_slice(bytes) {
        Ok(Version { schema: found }) if found != schema => of_format(found, schema, path),
        _ => damaged(&format!("the record is damaged: {}", words_of_serde_json(&e)), path).line(e.line()),
    })
}

fn of_format(found: u32, expected: u32, path: &Path) -> Error {
    Error::new(format!("the record is of format {found}, which another version of nemesis wrote"))
        .at(path)
        .expected(format!("format {expected}"))
        .help("use that version, or give another folder with `--out`")
}
