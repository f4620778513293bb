//! Converts 8-bit images to the normalised tensor that an image tower takes.

use super::{Preprocess, Rgb8};
use crate::{Error, Result};
use tch::{Kind, Tensor};

impl Preprocess {
    /// Pixels `[images, 3, size, size]` of type `kind`, on the CPU: `(value / 255 - mean) / std`.
    ///
    /// Double precision is computed in double precision; every other type in single precision, in the order of
    /// torchvision's `ToTensor` and `Normalize`, and then rounded.
    ///
    /// # Errors
    ///
    /// When an image does not have `size`×`size` pixels.
    pub fn tensor(&self, images: &[Rgb8], kind: Kind) -> Result<Tensor> {
        if let Some(other) = images.iter().find(|i| (i.width, i.height) != (self.size, self.size)) {
            let (width, height, size) = (other.width, other.height, self.size);
            return Err(Error::new(format!("an image has {width}×{height} pixels, but {size}×{size} are needed")));
        }
        let side = self.size as i64;
        let shape = [images.len() as i64, 3, side, side];
        Ok(if kind == Kind::Double {
            let value = |channel: usize, v: u8| (f64::from(v) / 255.0 - self.mean[channel]) / self.std[channel];
            Tensor::from_slice(&planes(images, value)).view(shape)
        } else {
            let (mean, std) = (self.mean.map(|v| v as f32), self.std.map(|v| v as f32));
            let value = |channel: usize, v: u8| (f32::from(v) / 255.0 - mean[channel]) / std[channel];
            Tensor::from_slice(&planes(images, value)).view(shape).to_kind(kind)
        })
    }
}

/// The images' colours one after the other, each byte replaced by its value.
fn planes<T: Copy>(images: &[Rgb8], value: impl Fn(usize, u8) -> T) -> Vec<T> {
    let tables = [0, 1, 2].map(|channel| (0..=u8::MAX).map(|v| value(channel, v)).collect::<Vec<T>>());
    let mut out = Vec::with_capacity(images.iter().map(|i| i.data.len()).sum());
    for image in images {
        for (channel, table) in tables.iter().enumerate() {
            out.extend(image.data.iter().skip(channel).step_by(3).map(|&v| table[usize::from(v)]));
        }
    }
    out
}
