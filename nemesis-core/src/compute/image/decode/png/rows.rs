//! From compressed image data to pixels: inflating, unfiltering, and the order of interlaced images.
//!
//! This works by rows and by the portions in which Pillow reads (`ZipDecode.c`). Anything after the last row is checked
//! only if it comes in the same portion as that row. If the data end properly between two rows, the rest is black.

use crate::Result;
use crate::image::decode::broken;
use flate2::{Decompress, FlushDecompress, Status};

/// First column and row of each pass of an interlaced image, and the steps to the next ones.
const PASSES: [[usize; 4]; 7] =
    [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

/// A part of an image, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// How pixels lie in the data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Samples of a pixel.
    pub(super) samples: usize,
    /// Bits of a sample.
    pub(super) depth: usize,
    /// What becomes of a sample of 16 bits.
    pub(super) narrow: fn([u8; 2]) -> u8,
}

impl Layout {
    /// Bits of a pixel.
    fn bits(self) -> usize {
        self.samples * self.depth
    }
}

/// Pixels being decoded.
pub(super) struct Rows {
    inflate: Decompress,
    window: Window,
    layout: Layout,
    /// Pixels in a row of the image.
    across: usize,
    pass: Option<usize>,
    y: usize,
    /// A filter's number and the part of a row read so far, and the row before it.
    row: Vec<u8>,
    filled: usize,
    previous: Vec<u8>,
    /// A byte for each sample: 16 bits for it would make a picture of the largest size twice as large.
    pixels: Vec<u8>,
}

impl Rows {
    /// An image of `across`×`down` pixels, of which the data fill a part.
    pub(super) fn new(across: usize, down: usize, window: Window, layout: Layout, is_interlaced: bool) -> Self {
        let length = (window.width * layout.bits()).div_ceil(8);
        Self {
            inflate: Decompress::new(true),
            window,
            layout,
            across,
            pass: is_interlaced.then_some(0),
            y: 0,
            row: vec![0; length + 1],
            filled: 0,
            previous: vec![0; length + 1],
            pixels: vec![0; across * down * layout.samples],
        }
    }

    /// The pixels, a byte for each sample.
    pub(super) fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Takes a portion of the data, and returns whether the image is complete.
    pub(super) fn feed(&mut self, mut data: &[u8]) -> Result<bool> {
        while !data.is_empty() {
            let length = self.row_length();
            let before = (self.inflate.total_in(), self.inflate.total_out());
            let out = &mut self.row[self.filled..=length];
            let status = self.inflate.decompress(data, out, FlushDecompress::None);
            let status = match status {
                Ok(Status::BufError) => return Err(broken("PNG", "its image data are broken")),
                Err(error) => return Err(broken("PNG", &format!("its image data are broken: {error}"))),
                Ok(status) => status,
            };
            data = &data[(self.inflate.total_in() - before.0) as usize..];
            self.filled += (self.inflate.total_out() - before.1) as usize;
            if self.filled <= length {
                return Ok(false);
            }
            self.unfilter(length)?;
            self.put_row();
            self.filled = 0;
            if self.next_row() || status == Status::StreamEnd {
                return Ok(true);
            }
            std::mem::swap(&mut self.row, &mut self.previous);
        }
        Ok(false)
    }

    /// Pixels in this row.
    fn count(&self) -> usize {
        match self.pass {
            Some(pass) => self.window.width.saturating_sub(PASSES[pass][0]).div_ceil(PASSES[pass][2]),
            None => self.window.width,
        }
    }

    fn row_length(&self) -> usize {
        (self.count() * self.layout.bits()).div_ceil(8)
    }

    fn unfilter(&mut self, length: usize) -> Result<()> {
        let step = self.layout.bits().div_ceil(8);
        let (row, previous) = (&mut self.row[..=length], &self.previous);
        match row[0] {
            0 => {}
            1 => (step + 1..=length).for_each(|i| row[i] = row[i].wrapping_add(row[i - step])),
            2 => row[1..].iter_mut().zip(&previous[1..]).for_each(|(v, above)| *v = v.wrapping_add(*above)),
            3 => {
                for i in 1..=length {
                    let left = if i > step { u16::from(row[i - step]) } else { 0 };
                    row[i] = row[i].wrapping_add(u16::midpoint(left, u16::from(previous[i])) as u8);
                }
            }
            4 => {
                for i in 1..=length {
                    let (a, c) = if i > step { (row[i - step], previous[i - step]) } else { (0, 0) };
                    row[i] = row[i].wrapping_add(paeth(a, previous[i], c));
                }
            }
            other => return Err(broken("PNG", &format!("a row has the unknown filter {other}"))),
        }
        Ok(())
    }

    fn put_row(&mut self) {
        let Layout { samples, depth, narrow } = self.layout;
        let (first, apart) = self.pass.map_or((0, 1), |pass| (PASSES[pass][0], PASSES[pass][2]));
        let y = match self.pass {
            Some(_) => self.y,
            None => self.window.top + self.y,
        };
        let left = if self.pass.is_some() { 0 } else { self.window.left };
        let count = self.count();
        let row = &self.row[1..];
        let pixels = &mut self.pixels[(y * self.across + left + first) * samples..];
        let places = pixels.chunks_mut(apart * samples).take(count);
        match depth {
            16 => {
                for (place, pixel) in places.zip(row.chunks_exact(2 * samples)) {
                    place.iter_mut().zip(pixel.as_chunks().0).for_each(|(sample, wide)| *sample = narrow(*wide));
                }
            }
            8 if apart == 1 => pixels[..count * samples].copy_from_slice(&row[..count * samples]),
            8 => {
                places
                    .zip(row.chunks_exact(samples))
                    .for_each(|(place, pixel)| place[..samples].copy_from_slice(pixel));
            }
            _ => {
                for (n, place) in places.enumerate() {
                    let bit = n * depth;
                    place[0] = row[bit / 8] >> (8 - depth - bit % 8) & (u8::MAX >> (8 - depth));
                }
            }
        }
    }

    /// Moves to the next row, and returns whether there is none.
    fn next_row(&mut self) -> bool {
        let Some(pass) = self.pass else {
            self.y += 1;
            return self.y >= self.window.height;
        };
        self.y += PASSES[pass][3];
        while self.y >= self.window.height || self.count() == 0 {
            let next = self.pass.unwrap_or(0) + 1;
            if next == PASSES.len() {
                return true;
            }
            self.pass = Some(next);
            self.y = PASSES[next][1];
            // The row before the first one of a pass is black.
            self.row.fill(0);
        }
        false
    }
}

/// Whichever of left, above and above left is nearest to left plus above less above left.
fn paeth(a: u8, b: u8, c: u8) -> u8 {
    let [x, y, z] = [a, b, c].map(i32::from);
    let (pa, pb, pc) = ((y - z).abs(), (x - z).abs(), (x + y - 2 * z).abs());
    if pa <= pb && pa <= pc {
        a
    } else if pb <= pc {
        b
    } else {
        c
    }
}
