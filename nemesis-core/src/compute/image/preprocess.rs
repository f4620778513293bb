//! Preprocessing of images before they are encoded, for training and for testing.

use super::{Decoded, Interpolation, Rect, Rgb8, augment, resize};
use crate::image::decode::divide_by_255;
use serde::{Deserialize, Serialize};

/// The size and the normalisation that a backbone's images need.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// Side of the square image, in pixels.
    pub size: usize,
    /// Mean of red, green and blue, in units of 0 to 1.
    pub mean: [f64; 3],
    /// Standard deviation of red, green and blue.
    pub std: [f64; 3],
    /// How a test image becomes a square.
    pub resize: ResizeMode,
    /// The filter of resizing, of test and training images.
    pub interpolation: Interpolation,
    /// How training images are cropped.
    pub crop: RandomCrop,
}

/// How a test image becomes a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeMode {
    /// The shorter side is resized, and the middle cut out.
    Shortest,
    /// Both sides are resized, whatever their ratio.
    Squash,
}

/// The range of random crops that training images are seen in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomCrop {
    /// The part of an image's area that a crop covers.
    pub scale: (f64, f64),
    /// The width of a crop over its height.
    pub ratio: (f64, f64),
}

impl RandomCrop {
    /// CoOp's, which are torchvision's `RandomResizedCrop` where nothing else is said.
    pub const COOP: Self = Self { scale: (0.08, 1.0), ratio: (3.0 / 4.0, 4.0 / 3.0) };
}

impl Preprocess {
    /// Describes everything that the pixels depend on besides the file, for the keys of stored features.
    pub fn id(&self) -> String {
        let Self { size, mean, std, resize, interpolation, crop: RandomCrop { scale, ratio } } = self;
        format!(
            "pillow-13 {interpolation:?} {resize:?} size={size} mean={mean:?} std={std:?} scale={scale:?} ratio={ratio:?}"
        )
    }

    /// The test image: shorter side resized, centre cropped (torchvision's `Resize` and `CenterCrop`); or squashed.
    pub fn eval(&self, image: &Rgb8) -> Rgb8 {
        let (width, height, window) = match self.resize {
            ResizeMode::Shortest => self.resize_and_center_crop(image),
            ResizeMode::Squash => {
                let side = self.size;
                (side, side, Rect { top: 0, left: 0, height: side, width: side })
            }
        };
        resize::resize_window(image, Rect::of(image), width, height, window, self.interpolation)
    }

    /// The training image of an epoch: random resized crop, and a flip with a probability of one half.
    ///
    /// `item` seeds the crop beside them. It must be the image's own, whatever sample the image is in and at whatever place.
    pub fn train(&self, image: &Rgb8, seed: u64, epoch: u32, item: u32) -> Rgb8 {
        let crop = augment::crop_box(self.crop, image.width, image.height, seed, epoch, item);
        let mut out = resize::resize_crop(image, crop, self.size, self.interpolation);
        if augment::is_flipped(seed, epoch, item) {
            augment::flip_horizontally(&mut out);
        }
        out
    }

    /// The test image in the order of OpenAI's own transform, which resizes before converting to RGB, so that
    /// Pillow weights colours by their opacity. CoOp's loader, and [`Preprocess::eval`], convert first. The two differ
    /// by a few units for images with an alpha channel, and not at all for others in grey or colour.
    pub fn eval_before_conversion(&self, image: &Decoded) -> Rgb8 {
        let Some(alpha) = &image.alpha else { return self.eval(&image.rgb) };
        let same_size = |data| Rgb8 { width: image.rgb.width, height: image.rgb.height, data };
        let weighed = image.rgb.data.as_chunks::<3>().0.iter().zip(alpha);
        let weighed = weighed.flat_map(|(rgb, &a)| rgb.map(|v| divide_by_255(u32::from(v) * u32::from(a))));
        let mut out = self.eval(&same_size(weighed.collect()));
        let alpha = self.eval(&same_size(alpha.iter().flat_map(|&a| [a; 3]).collect()));
        for (value, &a) in out.data.iter_mut().zip(&alpha.data) {
            if a != 0 && a != 255 {
                *value = (255 * u32::from(*value) / u32::from(a)).min(255) as u8;
            }
        }
        out
    }

    /// Width and height of the resized image, and the centre crop.
    fn resize_and_center_crop(&self, image: &Rgb8) -> (usize, usize, Rect) {
        let side = self.size;
        let (short, long) = (image.width.min(image.height), image.width.max(image.height));
        let long = side * long / short;
        let (width, height) = if image.width <= image.height { (side, long) } else { (long, side) };
        // Python rounds a half to the even neighbour.
        let middle = |length: usize| ((length - side) as f64 / 2.0).round_ties_even() as usize;
        (width, height, Rect { top: middle(height), left: middle(width), height: side, width: side })
    }
}
