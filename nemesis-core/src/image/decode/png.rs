//! PNG of every colour type and depth, with Pillow's conversions to 8-bit colour.

use super::{Decoded, broken, check_size, grey_to_rgb};
use crate::Result;
use crate::image::Rgb8;
use ::png::{BitDepth, ColorType, Decoder, DecodingError, Limits, Transformations};
use std::borrow::Cow;
use std::io::Cursor;

/// The chunk that ends a file, with its length and checksum.
const END: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded> {
    check_header_checksums(bytes)?;
    let failed = |e: DecodingError| broken("PNG", &e.to_string());
    // Pillow does not miss the end chunk, and the decoder would.
    let bytes = if bytes.ends_with(END) { Cow::Borrowed(bytes) } else { Cow::Owned([bytes, END].concat()) };
    // The size is bounded below, and no chunk that could grow is read.
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: usize::MAX });
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.ignore_checksums(true);
    let mut reader = decoder.read_info().map_err(failed)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_size(width, height)?;
    let mut lines = vec![0; reader.output_buffer_size().unwrap_or(0)];
    let frame = reader.next_frame(&mut lines).map_err(failed)?;
    let samples = Samples { lines: &lines, line_size: frame.line_size, width, depth: frame.bit_depth };
    let (data, alpha) = match (frame.color_type, frame.bit_depth) {
        (ColorType::Grayscale, BitDepth::Sixteen) => (grey_to_rgb(samples.wide().map(|v| v.min(255) as u8)), None),
        (ColorType::Grayscale, depth) => {
            let factor = 255 / (u8::MAX >> (8 - depth as u8));
            (grey_to_rgb(samples.bytes(1).map(|v| v * factor)), None)
        }
        (ColorType::Indexed, _) => {
            let palette = reader.info().palette.as_deref().ok_or_else(|| broken("PNG", "it has no palette"))?;
            // Pillow shows entries beyond the palette's end in black.
            let colour = |index: u8| palette.as_chunks().0.get(usize::from(index)).copied().unwrap_or([0; 3]);
            (samples.bytes(1).flat_map(colour).collect(), None)
        }
        (ColorType::Rgb, _) => (samples.bytes(3).collect(), None),
        (ColorType::GrayscaleAlpha, _) => {
            let all: Vec<u8> = samples.bytes(2).collect();
            let (pairs, _) = all.as_chunks::<2>();
            (grey_to_rgb(pairs.iter().map(|p| p[0])), Some(pairs.iter().map(|p| p[1]).collect()))
        }
        (ColorType::Rgba, _) => {
            let all: Vec<u8> = samples.bytes(4).collect();
            let (pixels, _) = all.as_chunks::<4>();
            let rgb = pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
            (rgb, Some(pixels.iter().map(|p| p[3]).collect()))
        }
    };
    Ok(Decoded { rgb: Rgb8::new(width, height, data)?, alpha })
}

/// Decompressed scanlines, each padded to whole bytes.
struct Samples<'a> {
    lines: &'a [u8],
    line_size: usize,
    width: usize,
    depth: BitDepth,
}

impl Samples<'_> {
    /// All samples in order: narrow ones as they are, of wide ones the high byte.
    fn bytes(&self, channels: usize) -> impl Iterator<Item = u8> {
        let depth = self.depth as usize;
        self.lines.chunks(self.line_size).flat_map(move |line| {
            (0..self.width * channels).map(move |i| match depth {
                8 => line[i],
                16 => line[2 * i],
                _ => {
                    let bit = i * depth;
                    line[bit / 8] >> (8 - depth - bit % 8) & (u8::MAX >> (8 - depth))
                }
            })
        })
    }

    /// All samples of 16 bits, in order.
    fn wide(&self) -> impl Iterator<Item = u16> {
        self.lines.as_chunks().0.iter().map(|&pair| u16::from_be_bytes(pair))
    }
}

/// Checks the chunks before the image data. Pillow does so too, and does not check the image data.
fn check_header_checksums(bytes: &[u8]) -> Result<()> {
    let mut rest = &bytes[8..];
    loop {
        let (length, kind) = match rest {
            [a, b, c, d, kind @ ..] if kind.len() >= 4 => (u32::from_be_bytes([*a, *b, *c, *d]) as usize, &kind[..4]),
            _ => return Err(broken("PNG", "the file is cut off")),
        };
        if kind == b"IDAT" {
            return Ok(());
        }
        let Some((chunk, after)) = rest.split_at_checked(length + 12) else {
            return Err(broken("PNG", "the file is cut off"));
        };
        let (covered, stored) = chunk[4..].split_at(length + 4);
        let mut crc = flate2::Crc::new();
        crc.update(covered);
        if crc.sum().to_be_bytes() != stored {
            return Err(broken("PNG", &format!("wrong checksum of its chunk {}", kind.escape_ascii())));
        }
        rest = after;
    }
}
