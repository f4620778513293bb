//! One file from one address: resumed where it stopped, checked, and only then put in its place.

use super::checksum::Checksum;
use super::http::{Client, Failure};
use super::{Listener, News};
use crate::bytes::ByteSize;
use crate::locks::taken;
use nemesis_core::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often in a row a download is retried without getting any further.
const RETRIES: u32 = 3;
/// The pause before the first retry; it doubles with each.
const PAUSE: Duration = Duration::from_millis(250);

/// A file to be downloaded.
pub(super) struct Wanted<'a> {
    pub(super) url: &'a str,
    pub(super) checksum: Option<&'a Checksum>,
    /// The length, if it is known beforehand.
    pub(super) bytes: Option<u64>,
    /// Where it goes.
    pub(super) target: &'a Path,
}

/// What has to be known to resume a partial download, kept next to it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    url: String,
    validator: Option<String>,
    total: Option<u64>,
}

/// Downloads the file. What is already there is not requested again. After a failure the partial download stays for the
/// next call, next to the target under a name of its own.
///
/// # Errors
///
/// When the server does not send the file, or sends a different one, or there is no room for it.
pub(super) fn download(client: &Client, wanted: &Wanted<'_>, listen: Listener<'_>) -> Result<()> {
    let mut growing = Growing::beside(wanted.target);
    let (mut longest, mut retries, mut changes) = (growing.length(), 0, 0);
    loop {
        match attempt(client, wanted, &mut growing, listen) {
            Ok(()) => break,
            Err(Failure::Lasting(error)) => return Err(error),
            // The server has a different file now. The answer to a request for all of it does not say so again.
            Err(Failure::StartOver) if growing.length() > 0 && changes < RETRIES => {
                growing.hold()?;
                growing.discard();
                (longest, changes) = (0, changes + 1);
            }
            Err(Failure::StartOver) => return Err(Error::new(format!("{} is invalid", wanted.url))),
            Err(Failure::Passing(error)) => {
                if growing.length() > longest {
                    (longest, retries) = (growing.length(), 0);
                }
                if retries == RETRIES {
                    return Err(error);
                }
                listen(News::Trouble(format!("{}; trying again", error.what())));
                std::thread::sleep(PAUSE * 2_u32.pow(retries));
                retries += 1;
            }
        }
    }
    if let Some(checksum) = wanted.checksum
        && let Err(error) = checksum.check(&growing.part)
    {
        growing.discard();
        return Err(error.at(wanted.target).context(format!("{} is not as expected", wanted.url)).help(
            "nothing of it was kept; the server may hold another version: see the home page, or give another copy \
             with --from",
        ));
    }
    growing.finish()
}

/// Downloads what is missing, until the connection breaks.
fn attempt(
    client: &Client,
    wanted: &Wanted<'_>,
    growing: &mut Growing<'_>,
    listen: Listener<'_>,
) -> std::result::Result<(), Failure> {
    let begun = growing.begun(wanted);
    let had = if begun.is_some() { growing.length() } else { 0 };
    if had > 0 && begun.as_ref().and_then(|begun| begun.total) == Some(had) {
        return growing.hold().map(|_| ()).map_err(Failure::Lasting);
    }
    let answer = client.get(wanted.url, had, begun.as_ref().and_then(|begun| begun.validator.as_deref()))?;
    let known = begun.and_then(|begun| begun.total);
    if answer.start > 0 && known.is_some() && answer.total.is_some() && known != answer.total {
        return Err(Failure::StartOver);
    }
    if let (Some(total), Some(expected)) = (answer.total, wanted.bytes)
        && total != expected
    {
        return Err(Failure::Lasting(
            Error::new(format!("{} has {total} bytes", wanted.url)).expected(format!("{expected} bytes")),
        ));
    }
    let total = answer.total.or(wanted.bytes);
    listen(News::Begun { url: wanted.url.to_owned(), had: answer.start, total });
    let missing = total.map_or(0, |total| total.saturating_sub(answer.start));
    growing.make_room(missing).map_err(Failure::Lasting)?;
    let begun = Begun { url: wanted.url.to_owned(), validator: answer.validator, total };
    let end = growing.append(&begun, answer.start, answer.body, listen)?;
    match total {
        Some(total) if end < total => Err(Failure::Passing(
            Error::new(format!("{} broke off after {end} of {total} bytes", wanted.url))
                .help("the partial download is kept, and the same command resumes it"),
        )),
        _ => Ok(()),
    }
}

/// A file that grows next to its place, and a note of where it comes from. One process at a time works on it.
struct Growing<'a> {
    target: &'a Path,
    part: PathBuf,
    note: PathBuf,
    /// The file with its lock, once it was opened.
    file: Option<File>,
}

impl<'a> Growing<'a> {
    fn beside(target: &'a Path) -> Self {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        Self {
            target,
            part: target.with_file_name(format!(".{name}.part")),
            note: target.with_file_name(format!(".{name}.from")),
            file: None,
        }
    }

    /// The file, opened and locked until it is in its place.
    fn hold(&mut self) -> Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.opened()?,
        };
        Ok(self.file.insert(file))
    }

    fn opened(&self) -> Result<File> {
        let failed = |e: &io::Error| Error::io_write("write the file", &self.part, e);
        let elsewhere = |what| Error::new(what).at(self.target).help("wait until it has finished");
        let file = OpenOptions::new().read(true).append(true).create(true).open(&self.part).map_err(|e| failed(&e))?;
        taken(file.try_lock()).map_err(|e| match e.kind() {
            ErrorKind::WouldBlock => elsewhere("another command is downloading this file"),
            _ => Error::io("lock the file", &self.part, &e),
        })?;
        // Whoever had the lock may have put the file in its place between the two.
        let of_file = file.metadata().map_err(|e| failed(&e))?;
        let is_same = |of_path: fs::Metadata| (of_path.dev(), of_path.ino()) == (of_file.dev(), of_file.ino());
        if fs::metadata(&self.part).is_ok_and(is_same) {
            return Ok(file);
        }
        Err(elsewhere("another command has just downloaded this file"))
    }

    fn length(&self) -> u64 {
        fs::metadata(&self.part).map_or(0, |data| data.len())
    }

    /// What was noted about the partial download, if it can be resumed: it has the same address, and a validator or a
    /// checksum will show whether the rest belongs to it.
    fn begun(&self, wanted: &Wanted<'_>) -> Option<Begun> {
        let begun: Begun = serde_json::from_slice(&fs::read(&self.note).ok()?).ok()?;
        let safe = begun.validator.is_some() || wanted.checksum.is_some();
        (safe && begun.url == wanted.url && self.part.exists()).then_some(begun)
    }

    /// Checks that the disk has room for so many bytes.
    fn make_room(&self, bytes: u64) -> Result<()> {
        let folder = self.part.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|e| Error::io_write("create the folder", folder, &e))?;
        let disk = rustix::fs::statvfs(folder).map_err(|e| Error::io("look at the disk", folder, &e.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if bytes <= free {
            return Ok(());
        }
        Err(Error::new(format!("the download takes {} and the disk has {} left", ByteSize(bytes), ByteSize(free)))
            .at(folder)
            .help("make room, or give a folder on another disk"))
    }

    /// Writes what comes after the first `start` bytes, and returns where it ends.
    fn append(
        &mut self,
        begun: &Begun,
        start: u64,
        mut body: impl Read,
        listen: Listener<'_>,
    ) -> std::result::Result<u64, Failure> {
        let (part, notes, target) = (self.part.clone(), self.note.clone(), self.target);
        let failed = |e: &io::Error| Failure::Lasting(Error::io_write("write the file", &part, e));
        let note = serde_json::to_vec(begun).expect("texts and numbers are JSON");
        let file = self.hold().map_err(Failure::Lasting)?;
        if file.metadata().map_err(|e| failed(&e))?.len() < start {
            let error = Error::new("the partial download has become shorter meanwhile").at(target);
            return Err(Failure::Lasting(error.help("another command has worked on it: try again")));
        }
        file.set_len(start).map_err(|e| failed(&e))?;
        files::write_atomic(&notes, &note).map_err(Failure::Lasting)?;
        let (mut end, mut buffer) = (start, vec![0; 1 << 18]);
        loop {
            match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    file.write_all(&buffer[..count]).map_err(|e| failed(&e))?;
                    end += count as u64;
                    listen(News::Bytes(end));
                }
                Err(error) => {
                    let of = begun.total.map(|total| format!(" of {total}")).unwrap_or_default();
                    let url = &begun.url;
                    return Err(Failure::Passing(
                        Error::new(format!("{url} broke off after {end}{of} bytes: {error}"))
                            .help("the partial download is kept, and the same command resumes it"),
                    ));
                }
            }
        }
        file.sync_all().map_err(|e| failed(&e))?;
        Ok(end)
    }

    fn finish(self) -> Result<()> {
        let target = self.target;
        fs::rename(&self.part, target).map_err(|e| Error::io_write("write the file", target, &e))?;
        let _ = fs::remove_file(&self.note);
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|e| Error::io_write("write the file", target, &e))
    }

    fn discard(&mut self) {
        self.file = None;
        let _ = fs::remove_file(&self.part);
        let _ = fs::remove_file(&self.note);
    }
}
