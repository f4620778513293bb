//! Decodes a file to 8-bit red, green and blue, like Pillow's `Image.open(file).convert("RGB")` in CoOp's data loader.
//!
//! The format is determined by the content, never by the name. Orientation tags, colour profiles and gamma are ignored.

mod format;
mod jpeg;
mod png;

pub use format::Format;

pub(super) use jpeg::divide_by_255;

use super::Rgb8;
use crate::{Error, Result, files};
use std::path::Path;

/// The number of pixels above which Pillow considers an image a decompression bomb.
const MOST_PIXELS: usize = 178_956_970;

/// An image with its alpha channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The colours, ignoring the alpha channel.
    pub rgb: Rgb8,
    /// Opacity `[height, width]`, if the image has an alpha channel. A transparent palette entry does not count.
    pub alpha: Option<Vec<u8>>,
}

/// Reads and decodes the image file at `path`.
///
/// # Errors
///
/// When the file cannot be read, or [`decode`] refuses it; the message names the file.
pub fn read(path: &Path) -> Result<Rgb8> {
    decode(&files::read(path)?).map_err(|e| e.at(path))
}

/// Decodes a JPEG or PNG image. An alpha channel is dropped without blending.
///
/// # Errors
///
/// When the bytes are in another format, truncated, or damaged in a way that Pillow also refuses.
pub fn decode(bytes: &[u8]) -> Result<Rgb8> {
    decode_with_alpha(bytes).map(|image| image.rgb)
}

/// Decodes a JPEG or PNG image with its alpha channel.
///
/// # Errors
///
/// Those of [`decode`].
pub fn decode_with_alpha(bytes: &[u8]) -> Result<Decoded> {
    match Format::of(bytes) {
        Some(Format::Jpeg) => jpeg::decode(bytes).map(|rgb| Decoded { rgb, alpha: None }),
        Some(Format::Png) => png::decode(bytes),
        other => Err(unsupported(bytes, other)),
    }
}

fn unsupported(bytes: &[u8], format: Option<Format>) -> Error {
    let what = match format {
        Some(format) => format!("{format} images are not supported"),
        None if bytes.is_empty() => "the image file is empty".to_owned(),
        None => "the file is not an image".to_owned(),
    };
    Error::new(what).expected("a JPEG or PNG image").help(HELP)
}

/// The error for an image that starts correctly but cannot be decoded.
fn broken(format: &str, why: &str) -> Error {
    Error::new(format!("the {format} image is damaged: {why}")).help(HELP)
}

const HELP: &str = "download the file again from the data set's home page, or convert it to PNG";

/// Refuses images without pixels and those that Pillow refuses as decompression bombs.
fn check_size(width: usize, height: usize) -> Result<()> {
    match width.checked_mul(height) {
        Some(1..=MOST_PIXELS) => Ok(()),
        _ => Err(Error::new(format!("the image has a size of {width}×{height} pixels"))
            .expected(format!("between 1 and {MOST_PIXELS} pixels in total"))),
    }
}

/// Grey samples to equal red, green and blue.
fn grey_to_rgb(grey: impl Iterator<Item = u8>) -> Vec<u8> {
    grey.flat_map(|v| [v; 3]).collect()
}
