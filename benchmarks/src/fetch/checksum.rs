//! Checksums, which show that a download is what its publisher meant.

use md5::Md5;
use nemesis_core::dataset::Source;
use nemesis_core::{Error, Result, files};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

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

/// Where the sums of fetched files are kept that have no published one.
pub(super) const SUMS: &str = "SHA256SUMS";

/// A file without a published sum, which is what it was before, if a file of its name was fetched before.
#[derive(Debug)]
pub(super) struct Unpublished<'a> {
    name: &'a str,
    sum: String,
    sums: PathBuf,
    /// What the file of sums holds, if this one is not in it.
    others: Option<String>,
}

impl<'a> Unpublished<'a> {
    /// Compares a file with what was fetched into the folder under this name before.
    ///
    /// # Errors
    ///
    /// When that was another file, or one cannot be read.
    pub(super) fn of(file: &Path, folder: &Path, name: &'a str) -> Result<Self> {
        let (sum, sums) = (hash::<Sha256>(file)?, folder.join(SUMS));
        let known = if files::exists(&sums)? { files::read_text(&sums)? } else { String::new() };
        let before = known.lines().find_map(|line| line.strip_suffix(name)?.strip_suffix("  "));
        if let Some(before) = before.filter(|before| *before != sum) {
            return Err(Error::new(format!("the file has the wrong SHA-256 checksum {sum}"))
                .expected(format!("{before}, as {SUMS} has it since {name} was fetched")));
        }
        let others = before.is_none().then(|| known.clone());
        Ok(Self { name, sum, sums, others })
    }

    /// Keeps the sum for the next time, and says so.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn keep(self) -> Result<String> {
        let Self { name, sum, sums, others } = self;
        if let Some(others) = others {
            files::write_atomic(&sums, format!("{others}{sum}  {name}\n").as_bytes())?;
        }
        Ok(format!("{name} has no published hash; SHA-256 {sum}, kept in {SUMS}"))
    }
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
