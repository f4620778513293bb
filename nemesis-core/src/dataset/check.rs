//! Whether a data set is whole: its counts, its split, and every image on the disk.

use super::layouts::Layout;
use super::{Dataset, Entry, Split, SplitSizes, near_match, split_fingerprint, twins};
use crate::{Error, Result, files, image};
use rayon::prelude::*;
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
    /// Those of the first missing ones that are there by another spelling, and that spelling.
    pub misspelt: Vec<(PathBuf, PathBuf)>,
    /// The images that are there but cannot be read or decoded, and why.
    pub damaged: Vec<(PathBuf, Error)>,
    /// The classes of which no test image is listed, so that nothing is measured of them.
    pub untested: Vec<String>,
    /// See [`Dataset::remarks`]; if images were decoded, also which of them are the same, where that matters.
    pub remarks: Vec<Error>,
}

/// How many missing images are looked for by another spelling.
const LOOKED_FOR: usize = 100;

/// Where a split comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitOrigin {
    /// The data set's own files say it.
    Own,
    /// It is the one that CoOp published.
    Published,
    /// It is not the one that CoOp published, so numbers made with it are not comparable with published ones.
    NotPublished,
    /// `nemesis data prepare` made it, so numbers made with it are not comparable with published ones.
    Prepared,
    /// A split file says it, and the registry knows no published one to compare it with.
    Unknown,
}

impl Report {
    /// Whether nothing is amiss: counts as they should be, something to test on, and every image whole.
    pub fn is_whole(&self) -> bool {
        self.expected.is_none_or(|expected| expected == self.samples)
            && self.samples.test > 0
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
        (Layout::SplitFile { file, .. }, _) if !dataset.folder().join(file).exists() => SplitOrigin::Prepared,
        (Layout::SplitFile { .. }, Some(_)) => SplitOrigin::NotPublished,
        (Layout::SplitFile { .. }, None) => SplitOrigin::Unknown,
        _ => SplitOrigin::Own,
    };
    let count = |split| dataset.samples(split).len();
    let samples = SplitSizes { train: count(Split::Train), val: count(Split::Val), test: count(Split::Test) };
    let mut tested = vec![false; dataset.class_names().len()];
    dataset.samples(Split::Test).iter().for_each(|sample| tested[sample.label as usize] = true);
    let names = dataset.class_names().iter().zip(tested);
    let untested = names.filter(|(_, tested)| !tested).map(|(name, _)| name.clone()).collect();
    let (missing, damaged) = check_images(&*dataset, decode);
    let spelt = |path: &PathBuf| Some((path.clone(), near_match(dataset.folder(), path)?));
    let misspelt = missing.iter().take(LOOKED_FOR).filter_map(spelt).collect();
    let mut remarks = dataset.remarks().to_vec();
    if decode {
        remarks.extend(twins::remarks(&*dataset));
    }
    Ok(Report { samples, expected: entry.samples, split, fingerprint, missing, misspelt, damaged, untested, remarks })
}

pub(super) type Damaged = (PathBuf, Error);

/// The listed images that are not on the disk, and those that cannot be read.
pub(super) fn check_images(dataset: &dyn Dataset, decode: bool) -> (Vec<PathBuf>, Vec<Damaged>) {
    let splits = Split::ALL.into_iter().filter(|split| *split != Split::Val || !dataset.val_is_test());
    let listed: Vec<&PathBuf> = splits.flat_map(|split| dataset.samples(split)).map(|sample| &sample.path).collect();
    let faults: Vec<(&PathBuf, Option<Error>)> = listed
        .into_par_iter()
        .filter_map(|path| {
            let file = dataset.folder().join(path);
            match files::exists(&file) {
                Ok(true) => {}
                Ok(false) => return Some((path, None)),
                Err(error) => return Some((path, Some(error))),
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
    let mut file = files::open(file)?;
    let (mut first, mut last) = ([0; 8], [0; 8]);
    file.read_exact(&mut first)?;
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut last)?;
    let jpeg = first.starts_with(&[0xff, 0xd8, 0xff]) && last.ends_with(&[0xff, 0xd9]);
    let png = first == *b"\x89PNG\r\n\x1a\n" && last == *b"IEND\xaeB`\x82";
    Ok(jpeg || png)
}
