//! Random resized crop and horizontal flip, as pure functions of (seed, epoch, item).

use super::{RandomCrop, Rect, Rgb8};
use crate::method::random;

/// How many times to draw a crop until one fits; after that, the centre of the image is used.
const ATTEMPTS: usize = 10;

/// The crop of torchvision's `RandomResizedCrop` for an image in an epoch, in distribution.
///
/// Area and the logarithm of the ratio are uniform. The draws are used as in torchvision, but come from a different
/// stream: two for each attempt, then two for the position.
pub(super) fn crop_box(range: RandomCrop, width: usize, height: usize, seed: u64, epoch: u32, item: u32) -> Rect {
    let RandomCrop { scale, ratio } = range;
    let draws = random::draws(seed, "crop", random::item_index(epoch, item), 2 * ATTEMPTS + 2);
    let (attempts, place) = draws.split_at(2 * ATTEMPTS);
    let area = (width * height) as f64;
    let between = |(low, high): (f64, f64), draw| low + (high - low) * random::uniform(draw);
    for attempt in attempts.chunks_exact(2) {
        let target = area * between(scale, attempt[0]);
        let ratio = libm::exp(between((libm::log(ratio.0), libm::log(ratio.1)), attempt[1]));
        let w = (target * ratio).sqrt().round_ties_even() as usize;
        let h = (target / ratio).sqrt().round_ties_even() as usize;
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            let top = random::below(place[0], (height - h + 1) as u64) as usize;
            let left = random::below(place[1], (width - w + 1) as u64) as usize;
            return Rect { top, left, height: h, width: w };
        }
    }
    central_crop(ratio, width, height)
}

/// The largest centred crop whose ratio is allowed.
fn central_crop((narrowest, widest): (f64, f64), width: usize, height: usize) -> Rect {
    let ratio = width as f64 / height as f64;
    let (w, h) = if ratio < narrowest {
        (width, (width as f64 / narrowest).round_ties_even() as usize)
    } else if ratio > widest {
        ((height as f64 * widest).round_ties_even() as usize, height)
    } else {
        (width, height)
    };
    Rect { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w }
}

/// Whether an image is mirrored in an epoch, with a probability of one half.
pub(super) fn is_flipped(seed: u64, epoch: u32, item: u32) -> bool {
    random::uniform(random::draws(seed, "flip", random::item_index(epoch, item), 1)[0]) < 0.5
}

/// Mirrors an image left to right.
pub(super) fn flip_horizontally(image: &mut Rgb8) {
    for row in image.data.chunks_exact_mut(3 * image.width) {
        row.as_chunks_mut::<3>().0.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn crops_lie_within_the_image(w in 1usize..700, h in 1usize..700, seed: u64, epoch: u32, item: u32) {
            let crop = crop_box(RandomCrop::COOP, w, h, seed, epoch, item);
            prop_assert!(crop.width > 0 && crop.left + crop.width <= w, "{crop:?}");
            prop_assert!(crop.height > 0 && crop.top + crop.height <= h, "{crop:?}");
            prop_assert_eq!(crop, crop_box(RandomCrop::COOP, w, h, seed, epoch, item));
        }
    }

    #[test]
    fn areas_and_ratios_are_spread_as_asked() {
        let (mut areas, mut logs, mut flips) = (0.0, 0.0, 0);
        for item in 0..4000 {
            let crop = crop_box(RandomCrop::COOP, 1000, 1000, 1, 7, item);
            areas += (crop.width * crop.height) as f64 / 1e6;
            logs += (crop.width as f64 / crop.height as f64).ln();
            flips += i32::from(is_flipped(1, 7, item));
        }
        // Crops that do not fit are drawn again: the mean is 0.478 instead of 0.54; five deviations are 0.018.
        assert!((0.460..0.498).contains(&(areas / 4000.0)), "{areas}");
        assert!((logs / 4000.0).abs() < 0.02, "{logs}");
        assert!((1850..2150).contains(&flips), "{flips}");
    }

    #[test]
    fn what_never_fits_is_cropped_in_the_middle() {
        // A crop of at least 8 % of the area cannot have an allowed ratio.
        assert_eq!(crop_box(RandomCrop::COOP, 1000, 9, 1, 0, 0), Rect { top: 0, left: 494, height: 9, width: 12 });
        assert_eq!(crop_box(RandomCrop::COOP, 9, 1000, 1, 0, 0), Rect { top: 494, left: 0, height: 12, width: 9 });
    }

    #[test]
    fn flipping_swaps_whole_pixels() {
        let mut image = Rgb8::new(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        flip_horizontally(&mut image);
        assert_eq!(image.data(), [4, 5, 6, 1, 2, 3]);
    }
}
