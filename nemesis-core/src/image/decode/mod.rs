//! A file's bytes to 8-bit red, green and blue, as Pillow's `Image.open(file).convert("RGB")` in CoOp's data loader.
//!
//! The format is told by the content and never by the name. Orientation tags, colour profiles and gamma are ignored.

mod colour;
mod jpeg;
mod png;

pub(super) use jpeg::divide_by_255;

use super::Rgb8;
use crate::{Error, Result, files};
use std::path::Path;

/// The number of pixels from which Pillow takes an image for a decompression bomb.
const MOST_PIXELS: usize = 178_956_970;

/// An image with its alpha channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The colours, whatever the alpha channel says of them.
    pub rgb: Rgb8,
    /// Opacity `[height, width]`, if the image has the channel. A transparent palette entry makes none.
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
/// When the bytes are of another format, cut off, or broken in a way that Pillow refuses too.
pub fn decode(bytes: &[u8]) -> Result<Rgb8> {
    decode_with_alpha(bytes).map(|image| image.rgb)
}

/// Decodes a JPEG or PNG image with its alpha channel.
///
/// # Errors
///
/// Those of [`decode`].
pub fn decode_with_alpha(bytes: &[u8]) -> Result<Decoded> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => jpeg::decode(bytes).map(|rgb| Decoded { rgb, alpha: None }),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => png::decode(bytes),
        _ => Err(unsupported(bytes)),
    }
}

fn unsupported(bytes: &[u8]) -> Error {
    let what = match bytes {
        [] => "the image file is empty",
        [b'G', b'I', b'F', b'8', ..] => "GIF images are not supported",
        [b'B', b'M', ..] => "BMP images are not supported",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "WebP images are not supported",
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => "TIFF images are not supported",
        _ => "the file is not an image",
    };
    Error::new(what).expected("a JPEG or PNG image").help(HELP)
}

/// The error of an image that begins well and does not decode.
fn broken(format: &str, why: &str) -> Error {
    Error::new(format!("the {format} image is damaged: {why}")).help(HELP)
}

const HELP: &str = "fetch the file again from the data set's home page, or convert it to PNG";

/// Refuses images without pixels and those that Pillow refuses as decompression bombs.
fn check_size(width: usize, height: usize) -> Result<()> {
    match width.checked_mul(height) {
        Some(1..=MOST_PIXELS) => Ok(()),
        _ => Err(Error::new(format!("the image has a size of {width}×{height} pixels"))
            .expected(format!("between 1 and {MOST_PIXELS} pixels in all"))),
    }
}

/// Grey samples to equal red, green and blue.
fn grey_to_rgb(grey: impl Iterator<Item = u8>) -> Vec<u8> {
    grey.flat_map(|v| [v; 3]).collect()
}
