//! Images: decoding, exact resizing, augmentation, and conversion to the tensors that towers take.
//!
//! Everything up to the normalised tensor is done in 8-bit arithmetic that equals, bit for bit, what Pillow and
//! torchvision do for CoOp's data loader.

mod augment;
mod cache;
mod decode;
mod load;
mod prefetch;
mod preprocess;
mod resize;
mod tensor;

pub use cache::DecodedCache;
pub use decode::{Decoded, Format, decode, decode_with_alpha, read};
pub use load::load_batch;
pub use prefetch::prefetch;
pub use preprocess::{Preprocess, RandomCrop, ResizeMode};
pub use resize::{Interpolation, Rect, resize, resize_crop};

use crate::{Error, Result};

/// An image of 8-bit red, green and blue, rows from the top, without padding. It has at least one pixel.
#[derive(Clone, PartialEq, Eq)]
pub struct Rgb8 {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Rgb8 {
    /// An image of `data`, `[height, width, 3]`.
    ///
    /// # Errors
    ///
    /// When the image has no pixels, or `data` has a different length.
    pub fn new(width: usize, height: usize, data: Vec<u8>) -> Result<Self> {
        if data.is_empty() || width.checked_mul(height).and_then(|n| n.checked_mul(3)) != Some(data.len()) {
            return Err(Error::new(format!("an image of {width}×{height} pixels cannot have {} bytes", data.len())));
        }
        Ok(Self { width, height, data })
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes `[height, width, 3]`.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The bytes of row `y`, `[width, 3]`.
    pub(crate) fn row(&self, y: usize) -> &[u8] {
        &self.data[3 * self.width * y..][..3 * self.width]
    }
}

impl std::fmt::Debug for Rgb8 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rgb8({}×{})", self.width, self.height)
    }
}
