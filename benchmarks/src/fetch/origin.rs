//! Where files come from: the addresses that are listed, or a copy that the user has.

use super::checksum::Checksum;
use super::download::{Wanted, download};
use super::http::Client;
use super::{Listener, News};
use nemesis_core::dataset::Source;
use nemesis_core::error::Kind;
use nemesis_core::{Error, Result, files};
use std::fs;
use std::path::{Path, PathBuf};

/// Where files come from. Mirrors and folders have them under the names at the end of the listed addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The listed addresses.
    Listed,
    /// An address that replaces everything before the last slash.
    Mirror(String),
    /// A folder on this machine.
    Folder(PathBuf),
}

impl Origin {
    /// What `--from` says, if it is given.
    ///
    /// # Errors
    ///
    /// When it is neither an address nor a folder.
    pub fn from_option(from: Option<&str>) -> Result<Self> {
        match from {
            None => Ok(Self::Listed),
            Some(url) if url.starts_with("https://") || url.starts_with("http://") => {
                Ok(Self::Mirror(url.trim_end_matches('/').to_owned()))
            }
            Some(folder) if Path::new(folder).is_dir() => Ok(Self::Folder(folder.into())),
            Some(other) => Err(Error::new("there is no folder to take files from")
                .at(other)
                .expected("a folder, or an address that begins with `https://`")),
        }
    }

    /// The address or path of a source's file, for people.
    pub fn describe(&self, source: &Source) -> String {
        match self {
            Self::Listed => source.url.to_string(),
            Self::Mirror(url) => format!("{url}/{}", source.url.file_name()),
            Self::Folder(folder) => folder.join(source.url.file_name()).display().to_string(),
        }
    }
}

/// Gets files from an [`Origin`].
pub(super) struct Supply<'a> {
    client: Client,
    origin: &'a Origin,
}

impl<'a> Supply<'a> {
    pub(super) fn new(origin: &'a Origin) -> Self {
        Self { client: Client::new(), origin }
    }

    /// A file to read a source from: the user's own copy, checked, or `target`, which is downloaded.
    pub(super) fn file(&self, source: &Source, target: &Path, listen: Listener<'_>) -> Result<PathBuf> {
        let checksum = Checksum::of(source);
        if let Origin::Folder(folder) = self.origin {
            let file = folder.join(source.url.file_name());
            if !file.is_file() {
                return Err(Error::new("the file is not in the folder that files are taken from")
                    .at(file)
                    .of_kind(Kind::NotFound));
            }
            if let Some(checksum) = checksum {
                checksum.check(&file).map_err(|e| e.help("it is another version, or damaged: download it again"))?;
            }
            return Ok(file);
        }
        let url = self.origin.describe(source);
        let wanted = Wanted { url: &url, checksum: checksum.as_ref(), bytes: source.bytes, target };
        download(&self.client, &wanted, listen)?;
        Ok(target.to_owned())
    }

    /// Puts a source's file at `target`.
    pub(super) fn place(&self, source: &Source, target: &Path, listen: Listener<'_>) -> Result<()> {
        let file = self.file(source, target, listen)?;
        if file == target { Ok(()) } else { copy(&file, target) }
    }
}

/// Copies a file to a place where it appears only once it is whole.
pub(super) fn copy(file: &Path, target: &Path) -> Result<()> {
    let mut source = files::open(file).map_err(|e| Error::io("read the file", file, &e))?;
    let failed = |e: std::io::Error| Error::io_write("write the file", target, &e);
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|e| Error::io_write("create the folder", folder, &e))?;
    let mut whole = files::temporary_in(folder, ".copy-", "").map_err(failed)?;
    std::io::copy(&mut source, whole.as_file_mut()).map_err(failed)?;
    whole.as_file().sync_all().map_err(failed)?;
    whole.persist(target).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Reports a source that failed if there is another one.
pub(super) fn tell_of_next(error: &Error, listen: Listener<'_>) {
    listen(News::Trouble(format!("{}; trying the next source", error.what())));
}
