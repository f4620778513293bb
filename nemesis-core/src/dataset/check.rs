//! Whether a data set is whole: its counts, its split, and every image on the disk.

use super::layouts::Layout;
use super::{Dataset, Entry, Sample, Split, SplitSizes, near_match, split_fingerprint, twins};
use crate::{Error, Result, files, image, threads};
use blake3::Hash;
use rayon::prelude::*;
use std::io::{self, Read as _, Seek, SeekFrom};
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
    let Images { missing, damaged, read } = check_images(&*dataset, decode)?;
    let spelt = |path: &PathBuf| Some((path.clone(), near_match(dataset.folder(), path)?));
    let misspelt = missing.iter().take(LOOKED_FOR).filter_map(spelt).collect();
    let remarks = dataset.remarks().iter().cloned().chain(twins::remarks(&*dataset, &read)).collect();
    Ok(Report { samples, expected: entry.samples, split, fingerprint, missing, misspelt, damaged, untested, remarks })
}

/// What was found of the listed images.
pub(super) struct Images<'a> {
    /// Those that are not on the disk.
    pub(super) missing: Vec<PathBuf>,
    /// Those that cannot be read.
    pub(super) damaged: Vec<(PathBuf, Error)>,
    /// Those that were read to be decoded, in the order of the splits.
    pub(super) read: Vec<Read<'a>>,
}

/// An image that was read, damaged or not, and the hash of its bytes.
pub(super) struct Read<'a> {
    pub(super) split: Split,
    pub(super) sample: &'a Sample,
    pub(super) hash: Hash,
}

/// Looks for the listed images on the disk.
pub(super) fn check_images(dataset: &dyn Dataset, decode: bool) -> Result<Images<'_>> {
    threads::ready()?;
    let splits = Split::ALL.into_iter().filter(|split| *split != Split::Val || !dataset.val_is_test());
    let listed: Vec<(Split, &Sample)> =
        splits.flat_map(|split| dataset.samples(split).iter().map(move |sample| (split, sample))).collect();
    let found: Vec<Found> = listed
        .par_iter()
        .map(|(_, sample)| {
            let file = dataset.folder().join(&sample.path);
            match files::exists(&file) {
                // A file that cannot be opened fails to decode too, and the decoder says why.
                Ok(true) if !decode && has_whole_ends(&file).unwrap_or(false) => Found::Whole(None),
                Ok(true) => match files::read(&file) {
                    Ok(bytes) => {
                        let hash = decode.then(|| blake3::hash(&bytes));
                        image::decode(&bytes).map_or_else(|e| Found::Damaged(hash, e.at(&file)), |_| Found::Whole(hash))
                    }
                    Err(error) => Found::Damaged(None, error),
                },
                Ok(false) => Found::Missing,
                Err(error) => Found::Damaged(None, error),
            }
        })
        .collect();
    let mut images = Images { missing: Vec::new(), damaged: Vec::new(), read: Vec::new() };
    for ((split, sample), found) in listed.into_iter().zip(found) {
        let hash = match found {
            Found::Whole(hash) => hash,
            Found::Damaged(hash, error) => {
                images.damaged.push((sample.path.clone(), error));
                hash
            }
            Found::Missing => {
                images.missing.push(sample.path.clone());
                None
            }
        };
        images.read.extend(hash.map(|hash| Read { split, sample, hash }));
    }
    Ok(images)
}

/// How an image was found, and the hash of its bytes if they were read to be decoded.
enum Found {
    Whole(Option<Hash>),
    Damaged(Option<Hash>, Error),
    Missing,
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
