//! Pillow's bicubic and bilinear resize of 8-bit images, bit for bit, with the sizes that torchvision uses.
//!
//! Pillow (`libImaging/Resample.c`) makes the filter wide enough to cover all input pixels of an output pixel, rounds
//! its weights to 22 binary digits, and resizes rows and columns one after the other, rounding to 8 bits in between.
//! Integer sums do not depend on their order, so only the weights must be computed as Pillow computes them; the loops
//! over pixels are laid out for the compiler to vectorise, and are also compiled for AVX2, which is chosen at run time.

use super::Rgb8;
use multiversion::multiversion;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The filter that resizing weighs pixels by, as Pillow has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Keys' cubic convolution, which OpenAI's models were trained with.
    Bicubic,
    /// A triangle.
    Bilinear,
}

/// A part of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// The first row.
    pub top: usize,
    /// The first column.
    pub left: usize,
    /// How many rows.
    pub height: usize,
    /// How many columns.
    pub width: usize,
}

impl Rect {
    /// The whole image.
    pub fn of(image: &Rgb8) -> Self {
        Self { top: 0, left: 0, height: image.height, width: image.width }
    }

    fn rows(self) -> Range<usize> {
        self.top..self.top + self.height
    }

    fn columns(self) -> Range<usize> {
        self.left..self.left + self.width
    }
}

/// The image at `width`×`height` pixels, at least one each.
///
/// # Panics
///
/// When a side is zero.
pub fn resize(image: &Rgb8, width: usize, height: usize) -> Rgb8 {
    let window = Rect { top: 0, left: 0, height, width };
    resize_window(image, Rect::of(image), width, height, window, Interpolation::Bicubic)
}

/// Cuts `crop` out of the image and resizes it to `side`×`side` pixels (torchvision's `resized_crop`).
///
/// # Panics
///
/// When `crop` is empty or reaches beyond the image.
pub fn resize_crop(image: &Rgb8, crop: Rect, side: usize, interpolation: Interpolation) -> Rgb8 {
    resize_window(image, crop, side, side, Rect { top: 0, left: 0, height: side, width: side }, interpolation)
}

/// Cuts `crop` out of the image, resizes it to `width`×`height` pixels, and cuts `window` out of the result.
///
/// Only the part inside the window is computed.
///
/// # Panics
///
/// When a rectangle is empty or reaches beyond what it is cut from.
pub(super) fn resize_window(
    image: &Rgb8,
    crop: Rect,
    width: usize,
    height: usize,
    window: Rect,
    interpolation: Interpolation,
) -> Rgb8 {
    let fits = |rect: Rect, width, height| {
        rect.width > 0 && rect.height > 0 && rect.columns().end <= width && rect.rows().end <= height
    };
    assert!(fits(crop, image.width, image.height) && fits(window, width, height), "{crop:?} {window:?} of {image:?}");
    let across = Weights::new(crop.width, width, window.columns(), interpolation);
    let down = Weights::new(crop.height, height, window.rows(), interpolation);
    let (columns, rows) = (across.inputs(), down.inputs());
    // The rows and columns of the crop that are needed.
    let row = |y: usize| &image.row(crop.top + rows.start + y)[3 * (crop.left + columns.start)..][..3 * columns.len()];
    let out = if columns_first(crop, width, height) {
        let copied = Lines::new(3 * columns.len(), (0..rows.len()).map(row));
        let short = resize_columns(&copied, &down);
        resize_rows(|y| short.line(y), window.height, &across)
    } else {
        resize_columns(&resize_rows(row, rows.len(), &across), &down)
    };
    let mut data = Vec::with_capacity(3 * window.width * window.height);
    for y in 0..window.height {
        data.extend_from_slice(out.line(y));
    }
    Rgb8 { width: window.width, height: window.height, data }
}

/// Whether Pillow resizes columns before rows: from version 13 on, for an image that loses many rows and few columns.
/// Earlier versions always began with the rows, which gives values that differ by a few units.
fn columns_first(crop: Rect, width: usize, height: usize) -> bool {
    let lost = |from: usize, to: usize| from as i64 - to as i64;
    lost(crop.height, height) > 0 && lost(crop.height, height) > 2 * lost(crop.width, width)
}

/// How many bytes are summed in parallel: the three colours of sixteen pixels.
const LANES: usize = 48;
const TILE: usize = LANES / 3;

/// One sum per lane.
type Lanes = [u8; LANES];

/// Lines of bytes, each padded to whole [`Lanes`].
struct Lines {
    length: usize,
    stride: usize,
    lanes: Vec<Lanes>,
}

impl Lines {
    fn zeros(length: usize, count: usize) -> Self {
        let stride = length.div_ceil(LANES);
        Self { length, stride, lanes: vec![[0; LANES]; stride * count] }
    }

    fn new<'a>(length: usize, lines: impl ExactSizeIterator<Item = &'a [u8]>) -> Self {
        let mut all = Self::zeros(length, lines.len());
        for (padded, line) in all.lanes.chunks_exact_mut(all.stride).zip(lines) {
            padded.as_flattened_mut()[..length].copy_from_slice(line);
        }
        all
    }

    fn line(&self, y: usize) -> &[u8] {
        &self.lanes[self.stride * y..][..self.stride].as_flattened()[..self.length]
    }
}

/// Resizes each of `count` rows to the width of `across`. Rows begin with the first pixel that is needed.
#[multiversion(targets("x86_64+avx2"))]
fn resize_rows<'a>(row: impl Fn(usize) -> &'a [u8], count: usize, across: &Weights) -> Lines {
    let mut out = Lines::zeros(3 * across.len(), count);
    let stride = LANES * out.stride;
    // Sixteen rows at a time are transposed, so that each weight applies to contiguous bytes.
    let mut turned = vec![[0; LANES]; across.inputs().len()];
    for (tile, out) in out.lanes.as_flattened_mut().chunks_mut(TILE * stride).enumerate() {
        for n in 0..out.len() / stride {
            let pixels = &row(tile * TILE + n).as_chunks::<3>().0[..turned.len()];
            for (x, lanes) in turned.iter_mut().enumerate() {
                lanes[3 * n..3 * n + 3].copy_from_slice(&pixels[x]);
            }
        }
        for x in 0..across.len() {
            let (first, weights) = across.of(x);
            let lanes = weigh(&turned[first..], 1, weights);
            for (row, pixel) in out.chunks_exact_mut(stride).zip(lanes.as_chunks::<3>().0) {
                row[3 * x..3 * x + 3].copy_from_slice(pixel);
            }
        }
    }
    out
}

/// Resizes columns to the height of `down`. The lines begin with the first one that is needed.
#[multiversion(targets("x86_64+avx2"))]
fn resize_columns(lines: &Lines, down: &Weights) -> Lines {
    let mut out = Lines::zeros(lines.length, down.len());
    for (y, out) in out.lanes.chunks_exact_mut(lines.stride).enumerate() {
        let (first, weights) = down.of(y);
        for (x, lanes) in out.iter_mut().enumerate() {
            *lanes = weigh(&lines.lanes[lines.stride * first + x..], lines.stride, weights);
        }
    }
    out
}

/// The weighted sum of every `step`-th element, rounded to 8 bits.
#[expect(clippy::inline_always, reason = "inlined, so that it is compiled for the same CPU features as its callers")]
#[inline(always)]
fn weigh(inputs: &[Lanes], step: usize, weights: &[i32]) -> Lanes {
    let mut sums = [1 << (PRECISION - 1); LANES];
    for (n, weight) in weights.iter().enumerate() {
        let input = &inputs[n * step];
        for (lane, sum) in sums.iter_mut().enumerate() {
            // The weights sum to one, and their absolute values to less than 1.3, so nothing overflows.
            *sum += i32::from(input[lane]) * weight;
        }
    }
    let mut out = [0; LANES];
    for (byte, sum) in out.iter_mut().zip(sums) {
        *byte = (sum >> PRECISION).clamp(0, 255) as u8;
    }
    out
}

/// The number of fractional bits in weights.
const PRECISION: u32 = 22;

/// For each output pixel in one direction, the first input pixel that contributes and the weights from there on.
struct Weights {
    first: Vec<usize>,
    ends: Vec<usize>,
    values: Vec<i32>,
}

impl Weights {
    /// The weights for resizing `input` pixels to `output` pixels, only for the output pixels in `window`.
    fn new(input: usize, output: usize, window: Range<usize>, interpolation: Interpolation) -> Self {
        let (filter, reach): (fn(f64) -> f64, f64) = match interpolation {
            Interpolation::Bicubic => (bicubic, 2.0),
            Interpolation::Bilinear => (|x| (1.0 - x.abs()).max(0.0), 1.0),
        };
        let scale = input as f64 / output as f64;
        let stretch = scale.max(1.0);
        let support = reach * stretch;
        let mut all = Self { first: vec![], ends: vec![], values: vec![] };
        let mut exact: Vec<f64> = vec![];
        for x in window {
            let center = (x as f64 + 0.5) * scale;
            // Conversion to an integer rounds towards zero and turns negative numbers into zero.
            let first = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(input);
            exact.clear();
            exact.extend((first..end).map(|i| filter((i as f64 - center + 0.5) * (1.0 / stretch))));
            let sum: f64 = exact.iter().sum();
            all.first.push(first);
            all.values.extend(exact.iter().map(|w| fixed_point(w / sum)));
            all.ends.push(all.values.len());
        }
        all
    }

    /// The number of output pixels.
    fn len(&self) -> usize {
        self.first.len()
    }

    /// The start of an output pixel's weights, counted from the first input pixel that is used at all, and the weights.
    fn of(&self, x: usize) -> (usize, &[i32]) {
        let start = if x == 0 { 0 } else { self.ends[x - 1] };
        (self.first[x] - self.first[0], &self.values[start..self.ends[x]])
    }

    /// The input pixels that are used at all.
    fn inputs(&self) -> Range<usize> {
        let (last, weights) = self.of(self.len() - 1);
        self.first[0]..self.first[0] + last + weights.len()
    }
}

/// Keys' cubic convolution kernel with a = -0.5.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// Rounds half away from zero, to [`PRECISION`] digits.
fn fixed_point(weight: f64) -> i32 {
    (weight * f64::from(1 << PRECISION) + 0.5_f64.copysign(weight)) as i32
}
