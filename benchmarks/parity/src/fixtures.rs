//! The files of a folder of golden values.

use nemesis_core::record::from_safetensors;
use nemesis_core::{Error, Result, files, json};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// A folder of golden values.
#[derive(Clone, Debug)]
pub struct Fixtures {
    folder: PathBuf,
}

/// The tensors of one of its files.
#[derive(Debug)]
pub struct Tensors {
    file: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

impl Fixtures {
    /// Opens a folder.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn open(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::new("there is no such folder of golden values").at(folder));
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where the file of this name lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What `NAME.json` holds, and the tensors of `NAME.safetensors`.
    ///
    /// # Errors
    ///
    /// When one is missing or malformed.
    pub fn pair<T: DeserializeOwned>(&self, name: &str) -> Result<(T, Tensors)> {
        Ok((self.json(&format!("{name}.json"))?, self.tensors(&format!("{name}.safetensors"))?))
    }

    /// What a JSON file holds.
    ///
    /// # Errors
    ///
    /// When it is missing or malformed.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.path(name);
        json::parse(&files::read_text(&path)?, &path)
    }

    /// The tensors of a safetensors file.
    ///
    /// # Errors
    ///
    /// When it is missing or malformed.
    pub fn tensors(&self, name: &str) -> Result<Tensors> {
        let file = self.path(name);
        let tensors = from_safetensors(&files::read(&file)?).map_err(|e| e.at(&file))?;
        Ok(Tensors { file, tensors: tensors.into_iter().collect() })
    }
}

impl Tensors {
    /// The tensor of this name.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        let tensor = self.tensors.get(name);
        tensor
            .map(Tensor::shallow_clone)
            .ok_or_else(|| Error::new(format!("there is no tensor `{name}`")).at(&self.file))
    }

    /// All tensors with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The labels in a tensor of one dimension.
    ///
    /// # Errors
    ///
    /// When there is no such tensor, or it does not hold numbers.
    pub fn labels(&self, name: &str) -> Result<Vec<i64>> {
        Vec::try_from(self.get(name)?.to_kind(Kind::Int64).flatten(0, -1)).map_err(|e| Error::from(e).at(&self.file))
    }
}
