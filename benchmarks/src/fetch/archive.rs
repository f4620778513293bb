//! Zip and tar archives as one thing: a sequence of named files and folders. The format is recognised by content,
//! because some archives called `.tar.gz` are not compressed (ImageNetV2's).

use super::unpack::{damaged, open};
use flate2::read::MultiGzDecoder;
use nemesis_core::{Error, Result};
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;
use tar::EntryType;
use zip::ZipArchive;

/// What an entry of an archive is.
pub(super) enum Kind {
    File,
    Folder,
    /// A symbolic or hard link, and its target.
    Link(String),
    /// A device or the like.
    Other,
}

/// What is done with each entry.
type Each<'a> = &'a mut dyn FnMut(&str, &Kind, &mut dyn Read) -> Result<()>;

/// How an archive is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Zip,
    TarGz,
    Tar,
}

/// Where a tar archive carries its magic word.
const TAR_MAGIC: std::ops::Range<usize> = 257..262;

impl Format {
    /// The format of a file, by its first bytes.
    pub(super) fn of(file: &Path) -> Result<Self> {
        let mut head = Vec::new();
        open(file)?.take(512).read_to_end(&mut head).map_err(|e| Error::io("read the archive", file, &e))?;
        match &head[..] {
            [] => Err(Error::new("the archive is empty").help("download it again")),
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Ok(Self::Zip),
            [0x1f, 0x8b, ..] => Ok(Self::TarGz),
            head if head.get(TAR_MAGIC) == Some(b"ustar") => Ok(Self::Tar),
            _ => Err(Error::new("the file is not an archive")
                .expected("a zip or tar archive, or a tar archive compressed by gzip")
                .help("download it again: a server may have sent a message instead")),
        }
    }

    /// Goes through the entries in order.
    pub(super) fn each(self, file: &Path, each: Each<'_>) -> Result<()> {
        let reader = BufReader::with_capacity(1 << 18, open(file)?);
        match self {
            Self::Zip => each_of_zip(reader, each),
            Self::Tar => each_of_tar(reader, each),
            Self::TarGz => each_of_tar(MultiGzDecoder::new(reader), each),
        }
    }
}

fn each_of_zip(reader: impl Read + Seek, each: Each<'_>) -> Result<()> {
    let told = |e: &dyn std::fmt::Display| damaged(&e.to_string());
    let mut archive = ZipArchive::new(reader).map_err(|e| told(&e))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| told(&e))?;
        let name = entry.name().map_err(|e| told(&e))?.into_owned();
        let kind = if entry.is_symlink() {
            let mut target = String::new();
            let _ = (&mut entry).take(1024).read_to_string(&mut target);
            Kind::Link(target)
        } else if entry.is_dir() {
            Kind::Folder
        } else {
            Kind::File
        };
        each(&name, &kind, &mut entry)?;
    }
    Ok(())
}

fn each_of_tar(reader: impl Read, each: Each<'_>) -> Result<()> {
    let told = |e: &io::Error| damaged(&e.to_string());
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(|e| told(&e))? {
        let mut entry = entry.map_err(|e| told(&e))?;
        let path = entry.path_bytes();
        let name = std::str::from_utf8(&path)
            .map_err(|_| Error::new(format!("the name `{}` in the archive is not UTF-8", path.escape_ascii())))?
            .to_owned();
        let kind = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
            EntryType::Directory => Kind::Folder,
            EntryType::Symlink | EntryType::Link => {
                Kind::Link(String::from_utf8_lossy(&entry.link_name_bytes().unwrap_or_default()).into_owned())
            }
            // What `git archive` says about all entries.
            EntryType::XGlobalHeader => continue,
            _ => Kind::Other,
        };
        each(&name, &kind, &mut entry)?;
    }
    // Only its last bytes show that a compressed archive is whole.
    let mut rest = archive.into_inner();
    io::copy(&mut (&mut rest).take(MOST_PADDING), &mut io::sink()).map_err(|e| told(&e))?;
    Ok(())
}

/// More than this after the last entry is not read: it could be endless.
const MOST_PADDING: u64 = 1 << 20;
