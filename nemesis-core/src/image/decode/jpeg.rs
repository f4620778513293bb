//! JPEG, by libjpeg with the settings that Pillow leaves alone: accurate integer DCT, smooth chroma upsampling.
//!
//! Those paths of libjpeg-turbo (Pillow's) and mozjpeg (ours) give the same bits.

use super::colour::{Plane, Subsampling, to_rgb};
use super::{broken, check_size, grey_to_rgb};
use crate::image::Rgb8;
use crate::{Error, Result};
use mozjpeg::decompress::DecompressStarted;
use mozjpeg::{ColorSpace, CompInfoExt, Decompress};
use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(super) fn decode(bytes: &[u8]) -> Result<Rgb8> {
    // libjpeg's fatal errors arrive as unwinding that carries the message and has not called the panic hook.
    catch_unwind(AssertUnwindSafe(|| decode_or_unwind(bytes))).unwrap_or_else(|message| {
        let message = message.downcast_ref::<String>().map_or("unknown error", String::as_str);
        Err(broken("JPEG", message.trim_start_matches("libjpeg fatal error: ")))
    })
}

fn decode_or_unwind(bytes: &[u8]) -> Result<Rgb8> {
    let failed = |e: io::Error| broken("JPEG", &e.to_string());
    let ended = Cell::new(false);
    let header = Decompress::new_reader(Input { rest: bytes, ended: &ended }).map_err(failed)?;
    let (width, height) = header.size();
    check_size(width, height)?;
    let components = header.components().len();
    let (data, started) = if let Some(subsampling) = subsampling_of(&header) {
        let mut started = header.raw().map_err(failed)?;
        (colours(&mut started, subsampling), started)
    } else {
        let mut started = match components {
            1 => header.grayscale(),
            3 => header.rgb(),
            4 => header.to_colorspace(ColorSpace::JCS_CMYK),
            _ => return Err(Error::new(format!("the JPEG image has {components} components")).expected("1, 3 or 4")),
        }
        .map_err(failed)?;
        let samples: Vec<u8> = started.read_scanlines().map_err(failed)?;
        let data = match components {
            1 => grey_to_rgb(samples.into_iter()),
            3 => samples,
            _ => samples.as_chunks().0.iter().flat_map(|&inks| rgb_of_inverted_cmyk(inks)).collect(),
        };
        (data, started)
    };
    // Where data are missing libjpeg paints grey and goes on. Pillow refuses a file exactly when libjpeg asked for
    // bytes beyond its end before the last row was out; a missing end marker alone is often not noticed.
    if ended.get() {
        return Err(broken("JPEG", "the file is cut off"));
    }
    started.finish().map_err(failed)?;
    Rgb8::new(width, height, data)
}

/// The subsampling of an image whose colours we compute ourselves: almost every JPEG file there is.
fn subsampling_of(header: &Decompress<Input<'_>>) -> Option<Subsampling> {
    let [luma, blue, red] = header.components() else { return None };
    if header.color_space() != ColorSpace::JCS_YCbCr || [blue.sampling(), red.sampling()] != [(1, 1); 2] {
        return None;
    }
    // libjpeg does not smooth planes that are so narrow.
    let is_wide = header.width() > 4;
    match luma.sampling() {
        (1, 1) => Some(Subsampling::None),
        (2, 1) if is_wide => Some(Subsampling::Half),
        (2, 2) if is_wide => Some(Subsampling::Quarter),
        _ => None,
    }
}

/// The pixels of an image whose planes libjpeg gives as they are.
fn colours(started: &mut DecompressStarted<Input<'_>>, subsampling: Subsampling) -> Vec<u8> {
    let (width, height) = (started.width(), started.height());
    let chroma = match subsampling {
        Subsampling::None => (width, height),
        Subsampling::Half => (width.div_ceil(2), height),
        Subsampling::Quarter => (width.div_ceil(2), height.div_ceil(2)),
    };
    let mut planes = [(width, height), chroma, chroma].map(|(width, height)| Plane::empty(width, height));
    for (plane, component) in planes.iter_mut().zip(started.components()) {
        plane.stride = component.row_stride();
    }
    let [luma, blue, red] = &mut planes;
    started.read_raw_data(&mut [&mut luma.samples, &mut blue.samples, &mut red.samples]);
    to_rgb(&planes, subsampling)
}

/// Pillow's conversion, which takes every four-component file for Adobe's, with 255 for no ink.
fn rgb_of_inverted_cmyk([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    [c, m, y].map(|ink| k - divide_by_255((255 - u32::from(ink)) * u32::from(k)))
}

/// `x / 255`, rounded, for products of two bytes (`MULDIV255` of Pillow).
pub(in crate::image) fn divide_by_255(x: u32) -> u8 {
    let x = x + 128;
    (((x >> 8) + x) >> 8) as u8
}

/// Bytes that remember whether somebody wanted more of them than there are.
struct Input<'a> {
    rest: &'a [u8],
    ended: &'a Cell<bool>,
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest.is_empty() {
            self.ended.set(true);
        }
        Ok(self.rest)
    }

    fn consume(&mut self, count: usize) {
        self.rest = &self.rest[count..];
    }
}

impl Read for Input<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.rest.read(out)
    }
}
