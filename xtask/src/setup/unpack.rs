//! Extracts libtorch from a downloaded wheel, once its hash has been checked.

use super::wheels::{self, Wheel};
use crate::failure::{Failure, Result};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// The file that pip downloaded for a wheel's requirement.
pub(crate) fn downloaded(wheel: &Wheel, folder: &Path) -> Result<PathBuf> {
    // `nvidia-cuda-cupti==13.0.85` becomes `nvidia_cuda_cupti-13.0.85-….whl`.
    let start = wheel.requirement.replace('-', "_").replace("==", "-") + "-";
    all_wheels(folder)?
        .into_iter()
        .find(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start)))
        .ok_or_else(|| Failure::new(format!("pip reports success, but downloaded no {start}*.whl")))
}

/// All wheels in a folder, by name.
pub(crate) fn all_wheels(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut files: Vec<_> = entries
        .map_err(|error| Failure::io("read", folder, &error))?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .collect();
    files.sort();
    Ok(files)
}

/// Checks that a file has its pinned hash.
pub(crate) fn verify(wheel: &Wheel, file: &Path) -> Result<()> {
    let found = sha256(file).map_err(|error| Failure::io("read", file, &error))?;
    if found == wheel.sha256 {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().display();
    Err(Failure::new(format!("{name} is not the expected file: its SHA-256 is {found}, not {}", wheel.sha256)).help(
        "see which index pip uses (`python3 -m pip config list`), clear its cache (`python3 -m pip cache purge`), \
           and run the command again",
    ))
}

/// The SHA-256 of a file in lower-case hexadecimal digits.
pub(super) fn sha256(file: &Path) -> io::Result<String> {
    let mut file = File::open(file)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    let digits = |byte: u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('?'));
    Ok(hasher.finalize().into_iter().flat_map(digits).collect())
}

/// Unpacks the wanted part of a wheel into the libtorch folder `into`, and returns how many bytes that was.
pub(crate) fn unpack(file: &Path, into: &Path, cuda: bool) -> Result<u64> {
    let damaged = |error: zip::result::ZipError| match error {
        zip::result::ZipError::Io(error) => Failure::io("unpack", file, &error),
        error => Failure::new(format!("cannot unpack {}: {error}", file.display())),
    };
    let mut archive = open(file)?;
    let mut bytes = 0;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(damaged)?;
        // `enclosed_name` is none for names that lead out of the folder.
        let place = entry.enclosed_name().filter(|_| entry.is_file()).and_then(|name| wheels::place(&name, cuda));
        let Some(place) = place else { continue };
        let target = into.join(place);
        bytes += write(&mut entry, &target).map_err(|error| Failure::io("write", &target, &error))?;
    }
    Ok(bytes)
}

/// The metadata of a wheel, which name what it depends on.
pub(crate) fn metadata(file: &Path) -> Result<String> {
    let mut archive = open(file)?;
    let name = archive.file_names().filter_map(Result::ok).find(|name| name.ends_with(".dist-info/METADATA"));
    let name = name.map(std::borrow::Cow::into_owned);
    let mut text = String::new();
    name.and_then(|name| archive.by_name(&name).ok())
        .and_then(|mut entry| entry.read_to_string(&mut text).ok())
        .ok_or_else(|| Failure::new(format!("{} has no metadata", file.display())))?;
    Ok(text)
}

fn open(file: &Path) -> Result<ZipArchive<File>> {
    let opened = File::open(file).map_err(|error| Failure::io("open", file, &error))?;
    ZipArchive::new(opened).map_err(|error| Failure::new(format!("{} is not a wheel: {error}", file.display())))
}

fn write(from: &mut impl Read, to: &Path) -> io::Result<u64> {
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    io::copy(from, &mut File::create(to)?)
}
