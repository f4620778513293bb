//! Checksums, which show that a download is what its publisher meant.

use md5::Md5;
use nemesis_core::dataset::Source;
use nemesis_core::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What a file should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    Sha256(String),
    Md5(String),
}

impl Checksum {
    /// The stronger of those that a source gives.
    pub(super) fn of(source: &Source) -> Option<Self> {
        let sha256 = source.sha256.as_ref().map(|hex| Self::Sha256(hex.as_str().to_owned()));
        sha256.or_else(|| source.md5.as_ref().map(|hex| Self::Md5(hex.as_str().to_owned())))
    }

    /// Whether the file is what it should be.
    ///
    /// # Errors
    ///
    /// When it is not, or cannot be read; the message gives both sums.
    pub(super) fn check(&self, file: &Path) -> Result<()> {
        let (kind, expected, found) = match self {
            Self::Sha256(expected) => ("SHA-256", expected, hash::<Sha256>(file)?),
            Self::Md5(expected) => ("MD5", expected, hash::<Md5>(file)?),
        };
        if found == *expected {
            return Ok(());
        }
        Err(Error::new(format!("the file has the wrong {kind} checksum {found}")).at(file).expected(expected))
    }
}

/// The SHA-256 of a file, in hexadecimal.
pub(super) fn sha256(path: &Path) -> Result<String> {
    hash::<Sha256>(path)
}

fn hash<D: Digest>(path: &Path) -> Result<String> {
    let failed = |e: &std::io::Error| Error::io("read the file", path, e);
    let mut file = File::open(path).map_err(|e| failed(&e))?;
    let (mut hasher, mut buffer) = (D::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).map_err(|e| failed(&e))? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    let sum = hasher.finalize();
    Ok(sum
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect())
}
