//! The work of `nemesis-core/benches/peer_images.py`: JPEG files in memory to test and training images.

use crate::median;
use nemesis_core::backbone::clip;
use nemesis_core::image::{Rgb8, decode};
use nemesis_core::{Error, Result, files};
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// At most so many files are read, spread evenly.
const MOST: usize = 1000;
/// How often each work is timed.
const TIMES: usize = 3;

/// What decoding, resizing and cropping cost and gave.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Images {
    count: usize,
    /// Seconds for all of them, the median of a few times, decoding included.
    test_seconds: f64,
    training_seconds: f64,
    /// SHA-256, in hexadecimal, of the pixels of all test images in order.
    pixels: String,
}

/// Times the JPEG files below a folder.
///
/// # Errors
///
/// When there is none, or one cannot be read.
pub(crate) fn measure(folder: &Path, threads: usize) -> Result<Images> {
    let mut paths = Vec::new();
    walk(folder, &mut paths)?;
    paths.sort();
    if paths.is_empty() {
        return Err(Error::new("there are no files ending in .jpg below this folder").at(folder));
    }
    let step = paths.len().div_ceil(MOST);
    let bytes = paths.iter().step_by(step).map(|path| files::read(path)).collect::<Result<Vec<_>>>()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Error::new(format!("cannot start {threads} threads: {error}")))?;
    let preprocess = clip::preprocess(224);
    let made = |transform: &(dyn Fn(usize, &Rgb8) -> Rgb8 + Sync)| -> Result<Vec<Rgb8>> {
        let one = |(number, bytes): (usize, &Vec<u8>)| Ok(transform(number, &decode(bytes)?));
        pool.install(|| bytes.par_iter().enumerate().map(one).collect())
    };
    let timed = |transform: &(dyn Fn(usize, &Rgb8) -> Rgb8 + Sync)| -> Result<f64> {
        let once = |_| {
            let started = Instant::now();
            made(transform).map(|_| started.elapsed().as_secs_f64())
        };
        Ok(median((0..TIMES).map(once).collect::<Result<_>>()?))
    };
    let test = |_: usize, image: &Rgb8| preprocess.eval(image);
    let training = |number: usize, image: &Rgb8| preprocess.train(image, 1, 0, number as u32);
    let mut hasher = Sha256::new();
    made(&test)?.iter().for_each(|image| hasher.update(image.data()));
    Ok(Images {
        count: bytes.len(),
        test_seconds: timed(&test)?,
        training_seconds: timed(&training)?,
        pixels: hasher.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")),
    })
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |e| Error::io("list the folder", folder, &e);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            walk(&path, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "jpg") {
            paths.push(path);
        }
    }
    Ok(())
}
