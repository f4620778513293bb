//! Whether a data set is whole: its counts, its split, and every image on the disk.

use super::layouts::Layout;
use super::{Dataset, Entry, Split, SplitSizes, split_fingerprint};
use crate::{Error, Result, image};
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What was found of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The number of samples in each split.
    pub samples: SplitSizes,
    /// How many there should be, where that is known.
    pub expected: Option<SplitSizes>,
    /// Where the split comes from.
    pub split: SplitOrigin,
    /// The fingerprint of the split, as [`split_fingerprint`] takes it.
    pub fingerprint: String,
    /// The listed images that are not on the disk, in the order of the splits.
    pub missing: Vec<PathBuf>,
    /// The images that are there but cannot be decoded, and why.
    pub damaged: Vec<(PathBuf, Error)>,
}

/// Where a split comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitOrigin {
    /// The data set's own files say it.
    Own,
    /// It is the one that CoOp published.
    Published,
    /// It is not the one that CoOp published, so numbers made with it are not comparable with published ones.
    NotPublished,
    /// The fingerprint of the published one is not known.
    Unknown,
}

impl Report {
    /// Whether nothing is amiss: counts as they should be, and every image whole.
    pub fn is_whole(&self) -> bool {
        self.expected.is_none_or(|expected| expected == self.samples)
            && self.missing.is_empty()
            && self.damaged.is_empty()
    }
}

/// Checks a data set under a data root. With `decode` every image is decoded; otherwise only those whose beginning or
/// end is not that of a whole JPEG or PNG file, which finds every truncated one.
///
/// # Errors
///
/// When the data set cannot be opened at all.
pub fn check(entry: &Entry, root: &Path, decode: bool) -> Result<Report> {
    let dataset = entry.open(root)?;
    let fingerprint = split_fingerprint(&*dataset);
    let split = match (&entry.layout, &entry.published) {
        (Layout::SplitFile { .. }, Some(published)) if *published == fingerprint => SplitOrigin::Published,
        (Layout::SplitFile { .. }, Some(_)) => SplitOrigin::NotPublished,
        // One that was prepared here is never it.
        (Layout::SplitFile { file, .. }, None) if !dataset.folder().join(file).exists() => SplitOrigin::NotPublished,
        (Layout::SplitFile { .. }, None) => SplitOrigin::Unknown,
        _ => SplitOrigin::Own,
    };
    let count = |split| dataset.samples(split).len();
    let samples = SplitSizes { train: count(Split::Train), val: count(Split::Val), test: count(Split::Test) };
    let (missing, damaged) = check_images(&*dataset, decode);
    Ok(Report { samples, expected: entry.samples, split, fingerprint, missing, damaged })
}

type Damaged = (PathBuf, Error);

fn check_images(dataset: &dyn Dataset, decode: bool) -> (Vec<PathBuf>, Vec<Damaged>) {
    let splits = Split::ALL.into_iter().filter(|split| *split != Split::Val || !dataset.val_is_test());
    let listed: Vec<&PathBuf> = splits.flat_map(|split| dataset.samples(split)).map(|sample| &sample.path).collect();
    let faults: Vec<(&PathBuf, Option<Error>)> = listed
        .into_par_iter()
        .filter_map(|path| {
            let file = dataset.folder().join(path);
            if !file.is_file() {
                return Some((path, None));
            }
            // A file that cannot be opened fails to decode too, and the decoder says why.
            let looks_whole = !decode && has_whole_ends(&file).unwrap_or(false);
            let error = if looks_whole { None } else { image::read(&file).err() };
            error.map(|error| (path, Some(error)))
        })
        .collect();
    let (mut missing, mut damaged) = (Vec::new(), Vec::new());
    for (path, fault) in faults {
        match fault {
            None => missing.push(path.clone()),
            Some(error) => damaged.push((path.clone(), error)),
        }
    }
    (missing, damaged)
}

/// Whether a file begins and ends as a JPEG or a PNG does.
fn has_whole_ends(file: &Path) -> io::Result<bool> {
    let mut file = File::open(file)?;
    let (mut first, mut last) = ([0; 8], [0; 8]);
    file.read_exact(&mut first)?;
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut last)?;
    let jpeg = first.starts_with(&[0xff, 0xd8, 0xff]) && last.ends_with(&[0xff, 0xd9]);
    let png = first == *b"\x89PNG\r\n\x1a\n" && last == *b"IEND\xaeB`\x82";
    Ok(jpeg || png)
}
