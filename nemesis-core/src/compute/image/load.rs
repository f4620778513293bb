//! Decodes files on all cores.

use super::{DecodedCache, Rgb8};
use crate::Result;
use rayon::prelude::*;
use std::path::Path;

/// Decodes files in parallel, or takes them from `cache`, and passes each image, with its index in `paths`, through
/// `transform`.
///
/// # Errors
///
/// When an image cannot be read. If there are several, the message names the first in order.
pub fn load_batch<P: AsRef<Path> + Sync>(
    paths: &[P],
    cache: &DecodedCache,
    transform: impl Fn(usize, &Rgb8) -> Rgb8 + Sync,
) -> Result<Vec<Rgb8>> {
    let load = |(n, path): (usize, &P)| cache.read(path.as_ref()).map(|image| transform(n, &image));
    let images: Vec<Result<Rgb8>> = paths.par_iter().enumerate().map(load).collect();
    images.into_iter().collect()
}
